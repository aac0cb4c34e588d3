// Package pgtest gives tests new databases on both engines. PostgreSQL is a server of the test process's
// own: in a temporary directory, as an ordinary account, on a Unix socket, gone when the process is. It
// must not know what tests do with a database.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"yipiao/cloud/internal/store"
)

// An Engine is a database engine under test.
type Engine struct {
	Name string
	// New returns the name (store.Open) of a new database of the present schema. A file goes with the
	// test, a database with the process.
	New func(t testing.TB) string
}

// Engines are SQLite and PostgreSQL.
func Engines() []Engine { return []Engine{{"sqlite", SQLite}, {"postgres", Postgres}} }

// Each runs a test on every engine.
func Each(t *testing.T, test func(t *testing.T, e Engine)) {
	t.Helper()
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) { test(t, e) })
	}
}

// Open opens a new database of the engine and checks it when the test ends.
func (e Engine) Open(t testing.TB) *store.DB {
	t.Helper()
	return Open(t, e.New(t))
}

// Open opens a database and checks it when the test ends.
func Open(t testing.TB, name string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// migrated is an SQLite file of the present schema.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "pgtest-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "empty.sqlite")
	if err := migrate(file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

func migrate(name string) error {
	db, err := store.Open(context.Background(), name)
	if err != nil {
		return err
	}
	return db.Close()
}

// SQLite returns a new file of the present schema.
func SQLite(t testing.TB) string {
	t.Helper()
	raw, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cloud.sqlite")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const (
	template  = "present"
	copyTries = 10 // each waits for some seconds
)

// prepared makes the database that others are copies of.
var prepared = sync.OnceValue(func() error {
	s, err := running()
	if err != nil {
		return err
	}
	if err := s.admin(context.Background(), `CREATE DATABASE `+template); err != nil {
		return err
	}
	return migrate(s.address(template))
})

// Postgres returns a database of the present schema without a row in it: a copy of the template, or one
// that an earlier test has left, emptied. Copying costs some tenths of a second.
func Postgres(t testing.TB) string {
	t.Helper()
	if err := prepared(); err != nil {
		t.Fatal(err)
	}
	name, ok := left.take()
	if !ok {
		name = create(t, template)
	}
	t.Cleanup(func() {
		if t.Failed() { // whatever state it is in, nobody else shall see it
			return
		}
		if err := empty(context.Background(), name); err != nil {
			t.Error(err)
			return
		}
		left.put(name)
	})
	return name
}

// EmptyPostgres returns a new database without a schema, which stays until the process ends.
func EmptyPostgres(t testing.TB) string {
	t.Helper()
	return create(t, "template1")
}

// CopyPostgres returns a new database that is a copy of another one, which nobody may have open.
func CopyPostgres(t testing.TB, name string) string {
	t.Helper()
	u, err := url.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return create(t, strings.TrimPrefix(u.Path, "/"))
}

var (
	count    atomic.Int64
	creating sync.Mutex // copies of one template wait for each other anyway, in vain after some seconds
)

func create(t testing.TB, from string) string {
	t.Helper()
	s, err := running()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test%d", count.Add(1))
	creating.Lock()
	defer creating.Unlock()
	for try := 1; ; try++ {
		err := s.admin(t.Context(), fmt.Sprintf(`CREATE DATABASE %s TEMPLATE %s`, name, from))
		var answer *pgconn.PgError
		switch {
		case err == nil:
			return s.address(name)
		case try < copyTries && errors.As(err, &answer) && answer.Code == "55006": // who had it open is still leaving
		default:
			t.Fatal(err)
		}
	}
}

// A shelf holds databases that wait for the next test.
type shelf struct {
	mu    sync.Mutex
	names []string // guarded by mu
}

var left shelf

func (s *shelf) put(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, name)
}

func (s *shelf) take() (name string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.names)
	if n == 0 {
		return "", false
	}
	name, s.names = s.names[n-1], s.names[:n-1]
	return name, true
}

// empty ends whoever is still connected, and deletes every row.
func empty(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, `
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
		SET session_replication_role = replica; -- no foreign keys while rows go
		DO $$
		DECLARE name text;
		BEGIN
			FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'goose_db_version' LOOP
				EXECUTE format('DELETE FROM %I', name);
			END LOOP;
		END $$`)
	return err
}
