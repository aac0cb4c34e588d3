package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"yipiao/cloud/internal/store"
	"yipiao/cloud/internal/store/pgtest"
)

// within bounds what could hang.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// twoTenants is a database with two rows to lock.
func twoTenants(t *testing.T, name string) *store.DB {
	t.Helper()
	db := pgtest.Open(t, name)
	write(t, db, func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(
			tx.AddTenant(ctx, &store.Tenant{ID: 1, Name: "a", FieldKey: []byte("k")}, 1),
			tx.AddTenant(ctx, &store.Tenant{ID: 2, Name: "b", FieldKey: []byte("k")}, 1))
	})
	return db
}

func rename(ctx context.Context, tx *store.Tx, tenant int, suffix string) error {
	return tx.ExecOne(ctx, `UPDATE tenant SET name = name || $2 WHERE tenant = $1`, tenant, suffix)
}

// Two transactions that wait for each other: one gives way, is run again, and both are done.
func TestPostgres_DeadlocksAreRunAgain(t *testing.T) {
	db := twoTenants(t, pgtest.Postgres(t))
	var both sync.WaitGroup
	var first [2]sync.Once
	var met sync.WaitGroup
	met.Add(2)
	runs := make(chan int, 20)
	for i := range 2 {
		both.Go(func() {
			err := db.Write(within(t), func(ctx context.Context, tx *store.Tx) error {
				runs <- i
				if err := rename(ctx, tx, i+1, "x"); err != nil {
					return err
				}
				first[i].Do(func() { met.Done(); met.Wait() }) // each holds its own row by now
				return rename(ctx, tx, 2-i, "y")
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if len(runs) != 3 {
		t.Errorf("%d runs, want 3: one of two was run again", len(runs))
	}
	for _, name := range texts(t, db, `SELECT name FROM tenant`) {
		if strings.Count(name, "x") != 1 || strings.Count(name, "y") != 1 {
			t.Errorf("name %q", name)
		}
	}
}

// Waiting for a lock ends, and says so; what holds it is not disturbed.
func TestPostgres_WaitsForLocksHaveAnEnd(t *testing.T) {
	db := twoTenants(t, pgtest.Postgres(t)+"&lock_timeout=100ms")
	err := db.Write(within(t), func(ctx context.Context, tx *store.Tx) error {
		if err := rename(ctx, tx, 1, "x"); err != nil {
			return err
		}
		err := db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) error { return rename(ctx, tx, 1, "y") })
		if err == nil || !strings.Contains(err.Error(), "55P03") {
			t.Errorf("error %v, want lock_not_available", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := texts(t, db, `SELECT name FROM tenant WHERE tenant = 1`); got[0] != "ax" {
		t.Errorf("name %v", got)
	}
}

// The server ends every connection, as when it is restarted: what was under way fails and leaves
// nothing, what comes next does not notice.
func TestPostgres_ConnectionsAreReplaced(t *testing.T) {
	name := pgtest.Postgres(t)
	db, other := twoTenants(t, name), pgtest.Open(t, name)
	for range 5 { // several connections lie ready
		texts(t, db, `SELECT name FROM tenant`)
	}
	cut := func() {
		write(t, other, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Row(ctx, `
				SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid()`, nil, new(int))
			return err
		})
	}
	err := db.Write(within(t), func(ctx context.Context, tx *store.Tx) error {
		if err := rename(ctx, tx, 1, "x"); err != nil {
			return err
		}
		cut()
		return rename(ctx, tx, 2, "x")
	})
	if err == nil {
		t.Error("a transaction outlived its connection")
	}
	cut()
	for range 5 {
		if got := texts(t, db, `SELECT name FROM tenant ORDER BY tenant`); got[0] != "a" || got[1] != "b" {
			t.Fatalf("names %v", got)
		}
	}
	write(t, db, func(ctx context.Context, tx *store.Tx) error { return rename(ctx, tx, 1, "z") })
	if n := db.InUse(); n != 0 {
		t.Errorf("%d connections in use", n)
	}
}

// What a waiting caller gives up leaves neither a connection in use nor a change.
func TestPostgres_WhoLeavesLeavesNothing(t *testing.T) {
	db := twoTenants(t, pgtest.Postgres(t))
	ctx, leave := context.WithCancel(within(t))
	err := db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := rename(ctx, tx, 1, "x"); err != nil {
			return err
		}
		leave()
		return rename(ctx, tx, 2, "x")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := texts(t, db, `SELECT name FROM tenant ORDER BY tenant`); got[0] != "a" || got[1] != "b" {
		t.Errorf("names %v", got)
	}
}

// Refusals name what is wrong, and no password.
func TestPostgres_OpenRefuses(t *testing.T) {
	good := pgtest.EmptyPostgres(t)
	for name, c := range map[string]struct{ url, want string }{
		"no such database":   {strings.Replace(good, "/test", "/none", 1), "3D000"},
		"nobody there":       {"postgres://u:geheim@127.0.0.1:1/x", "connect"},
		"not an address":     {"postgres://u:geheim@127.0.0.1:port/x", "parse"},
		"losing what it has": {good + "&synchronous_commit=off", "synchronous_commit"},
	} {
		db, err := store.Open(within(t), c.url)
		if err == nil {
			_ = db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
