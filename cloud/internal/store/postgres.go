package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Bounds of a connection to PostgreSQL. What the URL sets itself counts instead.
const (
	pgConnections = 16              // of this process
	pgIdle        = 5 * time.Minute // until one that nobody needs is closed
	pgAge         = time.Hour       // so that load follows when servers come and go
	pgConnect     = 5 * time.Second
	pgLimit       = 2 * time.Minute // of a transaction, also when the network swallows everything
)

// pgSettings are the server's own bounds: of a statement, of waiting for a lock, and of a transaction
// whose process is not heard of any more.
func pgSettings() map[string]string {
	return map[string]string{"statement_timeout": "60s", "lock_timeout": "15s", "idle_in_transaction_session_timeout": "60s"}
}

func openPostgres(ctx context.Context, url string) (*DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err // pgx leaves the password out
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = pgConnect
	}
	if _, set := config.RuntimeParams["application_name"]; !set {
		config.RuntimeParams["application_name"] = "yipiao"
	}
	patient := config.Copy()
	for name, value := range pgSettings() {
		patient.RuntimeParams[name] = "0"
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
	if err := migratePostgres(ctx, patient); err != nil {
		return nil, err
	}
	pool := sql.OpenDB(pgConnector{config})
	pool.SetMaxOpenConns(pgConnections)
	pool.SetMaxIdleConns(pgConnections)
	pool.SetConnMaxIdleTime(pgIdle)
	pool.SetConnMaxLifetime(pgAge)
	return &DB{Dialect: Postgres(), write: pool, read: pool, limit: pgLimit}, nil
}

// migrationLock is the number of the advisory lock under which one process migrates.
const migrationLock = 0x797069616f

// migratePostgres migrates with connections that wait as long as it takes. The lock ends with the
// transaction that holds it, however that ends.
func migratePostgres(ctx context.Context, patient *pgx.ConnConfig) error {
	pool := sql.OpenDB(pgConnector{patient})
	db := &DB{Dialect: Postgres(), write: pool, read: pool}
	err := db.run(ctx, pool, nil, db.Dialect, func(ctx context.Context, tx *Tx) error {
		if err := fitPostgres(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, migrationLock)); err != nil {
			return fmt.Errorf("lock for migration: %w", err)
		}
		return migrate(ctx, pool, db.Dialect)
	})
	return errors.Join(err, pool.Close())
}

// fitPostgres refuses a server on which a promise of this package would not hold.
func fitPostgres(ctx context.Context, tx *Tx) error {
	var version int
	var encoding, commit string
	_, err := tx.Row(ctx, `
		SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_setting('synchronous_commit')`,
		nil, &version, &encoding, &commit)
	switch {
	case err != nil:
		return err
	case version < 130000:
		return fmt.Errorf("PostgreSQL %d, want 13 or later", version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("encoding of the database is %s, want UTF8", encoding)
	case commit == "off":
		return errors.New("synchronous_commit is off: what was answered could be lost")
	}
	return nil
}

// checkPostgres names constraints and indexes that the server does not vouch for. Those that it does
// vouch for need no look.
func checkPostgres(ctx context.Context, tx *Tx) (bad []error, err error) {
	err = tx.Rows(ctx, `
		SELECT conname::text FROM pg_constraint WHERE NOT convalidated
		UNION ALL
		SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid`, nil, func(row Scan) error {
		var name string
		if err := row(&name); err != nil {
			return err
		}
		bad = append(bad, fmt.Errorf("constraint or index %s is not valid", name))
		return nil
	})
	return bad, err
}
