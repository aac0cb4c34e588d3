package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"yipiao/cloud/internal/store"
	"yipiao/cloud/internal/store/pgtest"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

func write(t *testing.T, db *store.DB, fn func(ctx context.Context, tx *store.Tx) error) {
	t.Helper()
	if err := db.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func texts(t *testing.T, db *store.DB, query string, args ...any) (out []string) {
	t.Helper()
	err := db.Read(t.Context(), func(ctx context.Context, tx *store.Tx) (err error) {
		out, err = store.List(ctx, tx, query, args, func(row store.Scan, s *string) error { return row(s) })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Migrations lead from nothing to a schema that keeps the rules of part 3: STRICT tables, the tenant
// first in every key, no triggers, no views.
func TestOpen_MigratesFromEmptyToARuledSchema(t *testing.T) {
	db := pgtest.Open(t, pgtest.SQLite(t))
	tables := texts(t, db, `SELECT sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'`)
	if len(tables) < 15 {
		t.Fatalf("%d tables", len(tables))
	}
	name := regexp.MustCompile(`CREATE TABLE (\w+)`)
	key := regexp.MustCompile(`(PRIMARY KEY|UNIQUE|FOREIGN KEY|REFERENCES \w+) \((\w+)`)
	for _, sql := range tables {
		table := name.FindStringSubmatch(sql)[1]
		if !strings.HasSuffix(sql, "STRICT") {
			t.Errorf("table %s is not STRICT", table)
		}
		for _, m := range key.FindAllStringSubmatch(sql, -1) {
			if m[2] != "tenant" {
				t.Errorf("table %s: a key begins with %s: %s", table, m[2], m[0])
			}
		}
	}
	for _, sql := range texts(t, db, `SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND sql NOT LIKE '%goose%'`) {
		if !regexp.MustCompile(`\(tenant, `).MatchString(sql) {
			t.Errorf("an index does not begin with tenant: %s", sql)
		}
	}
	if n := texts(t, db, `SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view')`); len(n) != 0 {
		t.Errorf("triggers or views: %v", n)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		if got := texts(t, db, "PRAGMA "+pragma); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %v, want %s", pragma, got, want)
		}
	}
}

func TestOpen_AgainAndBySeveralProcessesAtOnce(t *testing.T) {
	for engine, name := range map[string]string{
		"sqlite": filepath.Join(t.TempDir(), "cloud.sqlite"), "postgres": pgtest.EmptyPostgres(t),
	} {
		t.Run(engine, func(t *testing.T) {
			var wg sync.WaitGroup
			errs := make(chan error, 3)
			for range 3 {
				wg.Go(func() {
					db, err := store.Open(context.Background(), name)
					if err == nil {
						err = db.Close()
					}
					errs <- err
				})
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				if err != nil {
					t.Fatal(err)
				}
			}
			pgtest.Open(t, name)
		})
	}
}

func TestWrite_IsAllOrNothingAndSeenByReadersAfterwards(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) {
		db := e.Open(t)
		stop := errors.New("stop")
		err := db.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.AddTenant(ctx, &store.Tenant{ID: 1, Name: "a", FieldKey: []byte("k")}, 1), stop)
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		if got := texts(t, db, `SELECT name FROM tenant`); len(got) != 0 {
			t.Fatalf("a failed transaction left %v", got)
		}
		write(t, db, func(ctx context.Context, tx *store.Tx) error {
			return tx.AddTenant(ctx, &store.Tenant{ID: 1, Name: "a", FieldKey: []byte("k")}, 1)
		})
		if got := texts(t, db, `SELECT name FROM tenant`); len(got) != 1 {
			t.Fatalf("after the commit: %v", got)
		}
		err = db.Read(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM tenant`)
			return err
		})
		if err == nil {
			t.Fatal("a reading transaction could write")
		}
	})
}

func TestWrite_WaitsItsTurnOnlyAsLongAsItsContext(t *testing.T) {
	db := pgtest.Open(t, pgtest.SQLite(t))
	inside, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := db.Write(context.Background(), func(context.Context, *store.Tx) error {
			close(inside)
			<-leave
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := db.Write(ctx, func(context.Context, *store.Tx) error { return nil })
	close(leave)
	wg.Wait()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
}

// Two handles on one file are two processes: neither loses a write, neither fails for the other.
func TestWrite_BesideAnotherProcess(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) {
		name := e.New(t)
		a, b := pgtest.Open(t, name), pgtest.Open(t, name)
		write(t, a, func(ctx context.Context, tx *store.Tx) error {
			return tx.AddTenant(ctx, &store.Tenant{ID: 1, Name: "a", FieldKey: []byte("k")}, 1)
		})
		var wg sync.WaitGroup
		const each = 20
		for n, db := range []*store.DB{a, b} {
			wg.Go(func() {
				for i := range each {
					err := db.Write(context.Background(), func(ctx context.Context, tx *store.Tx) error {
						v := store.Venue{Name: fmt.Sprint(n, i)}
						return tx.AddVenue(ctx, 1, &v)
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if got := texts(t, a, `SELECT name FROM venue`); len(got) != 2*each {
			t.Fatalf("%d venues, want %d", len(got), 2*each)
		}
	})
}

// theatre makes a station and a session with two seats, and returns the session.
func theatre(t *testing.T, db *store.DB) ticket.SessionID {
	t.Helper()
	s := store.Session{MaxEntries: 1, Session: ticket.Session{
		Code: "110101001012026112501", Type: "1001", Name: "样例", StartMs: 2, EndMs: 4, AdmitFromMs: 1, AdmitToMs: 3,
		Status: ticket.SessionPlanned, Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryNone,
	}}
	write(t, db, func(ctx context.Context, tx *store.Tx) error {
		v, h := store.Venue{Name: "样例"}, store.Hall{Code: "11010100101", Name: "一厅", Seats: 2}
		if err := tx.AddTenant(ctx, &store.Tenant{ID: 1, Name: "a", FieldKey: []byte("k")}, 1); err != nil {
			return err
		}
		if err := tx.AddVenue(ctx, 1, &v); err != nil {
			return err
		}
		h.Venue = v.ID
		if err := tx.AddHall(ctx, 1, &h); err != nil {
			return err
		}
		if err := tx.AddStation(ctx, 1, &store.Station{Venue: v.ID, Name: "主站"}, "e", 1); err != nil {
			return err
		}
		s.Hall = h.ID
		if err := tx.AddSession(ctx, 1, &s, 1); err != nil {
			return err
		}
		return tx.AddSeats(ctx, 1, s.ID, []string{"1排1座", "1排2座"})
	})
	return s.ID
}

// insert adds a ticket with as little as the schema allows.
const insertTicket = `
	INSERT INTO ticket (tenant, id, session, gate_group, feed, ver, code, type, seat, order_no, holder_mask, price_fen, sold_ms,
		status, status_ms, cred, cred_hash, e_state, e_gen, e_hand, e_used, e_inside, e_max)
	VALUES (1, $1, $2, 1, 1, 1, $3, 1, $4, 'O', '', 0, 0, $5, 0, 1, $6, 0, 0, 0, 0, 0, 1)`

func TestSchema_NoSeatIsSoldTwice(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) {
		db := e.Open(t)
		session := theatre(t, db)
		sell := func(id int, code, seat string, status int) error {
			return db.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, insertTicket, id, session, code, seat, status, []byte{0})
				return err
			})
		}
		if err := sell(1, "a", "1排1座", 0); err != nil {
			t.Fatal(err)
		}
		if err := sell(2, "b", "1排1座", 0); err == nil {
			t.Fatal("a seat has two valid tickets")
		}
		if err := sell(2, "b", "1排1座", 2); err == nil {
			t.Fatal("a seat has a valid and a blocked ticket")
		}
		if err := sell(2, "b", "1排1座", 1); err != nil {
			t.Fatalf("a refunded ticket beside the valid one: %v", err)
		}
		take := func(seat string, id ticket.TicketID) error {
			return db.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				return tx.TakeSeats(ctx, 1, []store.Taking{{Session: session, Seat: seat, Ticket: id}})
			})
		}
		if err := take("1排1座", 1); err != nil {
			t.Fatal(err)
		}
		if err := take("1排1座", 2); !errors.Is(err, store.ErrConflict) {
			t.Fatalf("taking a sold seat: %v", err)
		}
		if err := take("1排2座", 1); err == nil {
			t.Fatal("one ticket has two seats")
		}
		if err := take("9排9座", 2); !errors.Is(err, store.ErrConflict) {
			t.Fatalf("taking a seat that does not exist: %v", err)
		}
	})
}

func TestPutItem_SaysNothingNewOnlyOnce(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) {
		db := e.Open(t)
		theatre(t, db)
		feed := link.Peer{Tenant: 1, Station: 1}
		put := func(body string) []string {
			write(t, db, func(ctx context.Context, tx *store.Tx) error {
				if _, err := tx.Exec(ctx, `UPDATE feed_item SET seq = 7`); err != nil { // as if stamped
					return err
				}
				return tx.PutItem(ctx, feed, wire.KindSession, "1", []byte(body))
			})
			return texts(t, db, `SELECT ver || '/' || coalesce(cast(seq AS text), 'pending') FROM feed_item`)
		}
		for _, c := range []struct{ body, want string }{{`{"a":1}`, "1/pending"}, {`{"a":1}`, "1/7"}, {`{"a":2}`, "2/pending"}} {
			if got := put(c.body); len(got) != 1 || got[0] != c.want {
				t.Errorf("after %s: %v, want %s", c.body, got, c.want)
			}
		}
	})
}

func TestNextID_RisesWithTimeAndNeverRepeats(t *testing.T) {
	const ms = 1_800_000_000_000
	a := store.NextID(ticket.TicketID(0), ms)
	b := store.NextID(a, ms)
	c := store.NextID(b, ms-1000) // the clock went back
	d := store.NextID(c, ms+1)
	if !(a < b && b < c && c < d) || d >= 1<<53 {
		t.Fatalf("ids %d %d %d %d", a, b, c, d)
	}
}
