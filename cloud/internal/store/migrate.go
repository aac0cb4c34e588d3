package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"testing/fstest"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// expanded is the migrations with the dialect's words filled in.
func expanded(d Dialect) (fs.FS, error) {
	out := make(fstest.MapFS)
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out[name[len("migrations/"):]] = &fstest.MapFile{Data: []byte(d.expand(string(text)))}
	}
	return out, nil
}

// migrate brings the database to the newest version. Several processes may do it at the same time: those
// that come later find the work done.
func migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	files, err := expanded(d)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	engine := goose.DialectSQLite3
	if d.arrays {
		engine = goose.DialectPostgres
	}
	provider, err := goose.NewProvider(engine, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	if _, err = provider.Up(ctx); err == nil {
		return nil
	}
	if pending, perr := provider.HasPending(ctx); perr == nil && !pending {
		return nil
	}
	return fmt.Errorf("migrate database: %w", err)
}
