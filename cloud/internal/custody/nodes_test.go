package custody_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"yipiao/cloud/internal/catalogue"
	"yipiao/cloud/internal/store"
	"yipiao/cloud/internal/store/pgtest"
	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

var chainKey = []byte("0123456789abcdef0123456789abcdef")

// venue makes two stations of one venue, with a session in each feed and a ticket of the first.
func venue(w *world) (first, second link.Peer) {
	w.t.Helper()
	first, second = link.Peer{Tenant: 7, Station: 1}, link.Peer{Tenant: 7, Station: 2}
	for _, f := range []link.Peer{first, second} {
		w.AddStation(f, 1, chainKey)
		w.PutSession(f, ticket.Session{
			ID: feedSession, Code: "110101001012026112503", Type: "1001", Name: "样例话剧", StartMs: 2000, EndMs: 4000, AdmitFromMs: 1000,
			AdmitToMs: 3000, Status: ticket.SessionPlanned, Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryFree,
		})
	}
	w.AddTicket(first, feedTicket(1))
	if err := w.Grant(w.t.Context(), 7, 1); err != nil {
		w.t.Fatal(err)
	}
	return first, second
}

// hubs runs a hub over each node until the test ends.
func hubs(t *testing.T, nodes ...*world) []*hub.Hub {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	out := make([]*hub.Hub, len(nodes))
	for i, n := range nodes {
		out[i] = hub.New(n, nil, func() time.Time { return time.UnixMilli(5000) }, slog.New(slog.DiscardHandler))
		running.Go(func() {
			if err := out[i].Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { stop(); running.Wait() })
	return out
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// caughtUp reads a feed to its head.
func caughtUp(t *testing.T, h *hub.Hub, f link.Peer) wire.FeedRequest {
	t.Helper()
	req := wire.FeedRequest{Limit: 100}
	for {
		page, err := h.Feed(within(t), f, req)
		if err != nil {
			t.Fatal(err)
		}
		req.Epoch, req.Cursor = page.Epoch, page.Next
		if page.CaughtUp {
			return req
		}
	}
}

func one(seq uint64, prev journal.Sum, kind ticket.FactKind, body []byte) journal.Entry {
	e := journal.Entry{Epoch: 1, Seq: seq, Record: journal.Record{Kind: journal.Kind(kind), TimeMs: 1000, Body: body}}
	e.Sum = journal.Chain(chainKey, prev, &e)
	return e
}

// TestNodes_OneCloud: a change at one node wakes a station that waits at the other, by looking five times
// a second; a journal may come in over both.
func TestNodes_OneCloud(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) {
		name := e.New(t)
		here, there := node(t, name), node(t, name)
		first, _ := venue(here)
		h := hubs(t, here, there)
		req := caughtUp(t, h[1], first)
		req.WaitMs = wire.MaxWaitMs
		got := make(chan wire.Page, 1)
		go func() {
			page, err := h[1].Feed(within(t), first, req)
			if err != nil {
				t.Error(err)
			}
			got <- page
		}()
		if err := here.SetStatus(within(t), 7, 1, ticket.StatusBlocked, 9); err != nil {
			t.Fatal(err)
		}
		if page := <-got; len(page.Entries) != 1 || page.Entries[0].Ver != 3 {
			t.Fatalf("the other node's station got %+v", page)
		}
		f := ticket.Fact{Ticket: 1, Session: feedSession, Gen: 1, Used: 1, Inside: true}
		a := one(1, journal.Sum{}, ticket.FactEntryGranted, f.Append(nil))
		b := one(2, a.Sum, 99, []byte("anything"))
		for i, batch := range [][]journal.Entry{{a}, {a, b}, {b}} {
			ack, err := h[i%2].Upload(within(t), first, &wire.Batch{Epoch: 1, Entries: batch})
			if err != nil || ack.Folded != ack.Durable {
				t.Fatalf("upload %d: %+v, %v", i, ack, err)
			}
		}
		if r, err := there.Row(within(t), 7, 1); err != nil || r.Right.Used != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		if dead := here.DeadLetters(first); len(dead) != 1 {
			t.Fatalf("dead letters %v", dead)
		}
	})
}

// TestPostgres_AStuckStationCostsOthersNothing: while somebody holds all that belongs to one station, the
// other one reads, reports and is told of changes.
func TestPostgres_AStuckStationCostsOthersNothing(t *testing.T) {
	w := node(t, pgtest.Postgres(t))
	first, second := venue(w)
	h := hubs(t, w)[0]
	caughtUp(t, h, first)
	held, leave := make(chan struct{}), make(chan struct{})
	var stuck sync.WaitGroup
	var once sync.Once
	release := func() { once.Do(func() { close(leave) }) }
	defer release() // also when the test fails
	stuck.Go(func() {
		w.write(func(ctx context.Context, tx *store.Tx) error {
			for _, q := range []string{
				`UPDATE station SET seen_ms = 1 WHERE tenant = 7 AND id = $1`, `UPDATE feed_head SET head = head WHERE tenant = 7 AND feed = $1`,
				`UPDATE ticket SET ver = ver + 1, seq = NULL WHERE tenant = 7 AND feed = $1`,
			} {
				if _, err := tx.Exec(ctx, q, second.Station); err != nil {
					return err
				}
			}
			close(held)
			<-leave
			return nil
		})
	})
	<-held
	var waiting sync.WaitGroup
	for range 4 { // it asks and reports all the same, and waits
		waiting.Go(func() {
			_, _ = h.Upload(within(t), second, &wire.Batch{Epoch: 1})
		})
	}
	for i := range 3 {
		f := ticket.Fact{Ticket: 1, Session: feedSession, Gen: 1, Used: uint16(i), Inside: true}
		e := one(1, journal.Sum{}, ticket.FactExit, f.Append(nil))
		if i == 0 {
			if ack, err := h.Upload(within(t), first, &wire.Batch{Epoch: 1, Entries: []journal.Entry{e}}); err != nil || ack.Folded != 1 {
				t.Fatalf("%+v, %v", ack, err)
			}
		}
		if err := w.SetStatus(within(t), 7, 1, []ticket.Status{ticket.StatusBlocked, ticket.StatusValid}[i%2], 9); err != nil {
			t.Fatal(err)
		}
		caughtUp(t, h, first)
	}
	release()
	stuck.Wait()
	waiting.Wait()
}

// TestNodes_EveryStationIsToldOfEverything: stations and gate groups that are added at the same time at
// two nodes know of each other, whichever was first.
func TestNodes_EveryStationIsToldOfEverything(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) {
		name := e.New(t)
		nodes := []*world{node(t, name), node(t, name)}
		home, _ := venue(nodes[0])
		const each = 4
		var adding sync.WaitGroup
		for i := range 2 * each {
			adding.Go(func() {
				w := nodes[i%2]
				err := w.db.Write(within(t), func(ctx context.Context, tx *store.Tx) error {
					if i < each {
						_, err := catalogue.AddStation(ctx, tx, 7, 1, "副站", 1)
						return err
					}
					g := ticket.GateGroup{ID: ticket.GateGroupID(i), Hall: 1, HallName: "一厅", Name: "门", Home: home.Station}
					return catalogue.AddGateGroup(ctx, tx, 7, 1, g)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		adding.Wait()
		w := nodes[0]
		got := make(map[link.Peer]int)
		err := w.db.Read(within(t), func(ctx context.Context, tx *store.Tx) error {
			return tx.Rows(ctx, `SELECT tenant, feed FROM feed_item WHERE kind = $1`, []any{wire.KindGateGroup}, func(scan store.Scan) error {
				var f link.Peer
				err := scan(&f.Tenant, &f.Station)
				got[f]++
				return err
			})
		})
		if err != nil || len(got) != each+2 {
			t.Fatalf("%d feeds have gate groups, want %d: %v", len(got), each+2, err)
		}
		for f, n := range got {
			if n != each {
				t.Errorf("%s is told of %d gate groups, want %d", f.Station, n, each)
			}
		}
	})
}
