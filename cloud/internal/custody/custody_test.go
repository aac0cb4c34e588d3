package custody_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/store"
	"yipiao/cloud/internal/store/pgtest"
	"yipiao/sync/hub"
	"yipiao/sync/hub/hubmem"
	"yipiao/sync/hub/hubtest"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A world is the store over a database of its own. Sealing is left out: "sealed" is the plain text.
type world struct {
	*custody.Store
	t      *testing.T
	db     *store.DB
	venues map[ticket.TenantID]store.VenueID
	halls  map[ticket.TenantID]ticket.HallID
}

var _ hubtest.World = (*world)(nil)

func TestStore(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) {
		hubtest.Run(t, func(t *testing.T) hubtest.World { return open(t, e) })
	})
}

// open opens a new database.
func open(t *testing.T, e pgtest.Engine) *world {
	t.Helper()
	return node(t, e.New(t))
}

// node is a cloud's store over a database that others may have open too.
func node(t *testing.T, name string) *world {
	t.Helper()
	db := pgtest.Open(t, name)
	plain := func(_ ticket.TenantID, sealed []byte, _ string) ([]byte, error) { return sealed, nil }
	return &world{
		Store: custody.New(db, plain), t: t, db: db,
		venues: make(map[ticket.TenantID]store.VenueID), halls: make(map[ticket.TenantID]ticket.HallID),
	}
}

func (w *world) write(fn func(ctx context.Context, tx *store.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// read collects the rows of a query over the station's table.
func read[T any](w *world, query string, f link.Peer, one func(store.Scan, *T) error) []T {
	w.t.Helper()
	var out []T
	err := w.db.Read(context.Background(), func(ctx context.Context, tx *store.Tx) (err error) {
		out, err = store.List(ctx, tx, query+` WHERE tenant = $1 AND station = $2`, []any{f.Tenant, f.Station}, one)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) AddStation(f link.Peer, epoch uint32, chainKey []byte) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *store.Tx) error {
		if _, ok := w.venues[f.Tenant]; !ok {
			v, h := store.Venue{Name: "样例大剧院"}, store.Hall{Code: "11010100101", Name: "一厅", Seats: 100}
			if err := tx.AddTenant(ctx, &store.Tenant{ID: f.Tenant, Name: "样例", FieldKey: []byte("k")}, 1); err != nil {
				return err
			}
			if err := tx.AddVenue(ctx, f.Tenant, &v); err != nil {
				return err
			}
			h.Venue = v.ID
			if err := tx.AddHall(ctx, f.Tenant, &h); err != nil {
				return err
			}
			w.venues[f.Tenant], w.halls[f.Tenant] = v.ID, h.ID
		}
		s := store.Station{Venue: w.venues[f.Tenant], Name: "样例"}
		if err := tx.AddStation(ctx, f.Tenant, &s, "epoch", 1); err != nil {
			return err
		}
		if s.ID != f.Station {
			w.t.Fatalf("station got id %d, want %d", s.ID, f.Station)
		}
		return tx.Activate(ctx, f.Tenant, s.ID, epoch, chainKey, "1")
	})
}

func (w *world) ReplaceMachine(f link.Peer, chainKey []byte) {
	w.t.Helper()
	if _, err := w.Stamp(context.Background(), f); err != nil {
		w.t.Fatal(err)
	}
	w.write(func(ctx context.Context, tx *store.Tx) error {
		s, _, err := tx.Station(ctx, f.Tenant, f.Station)
		if err != nil {
			return err
		}
		r := store.Replacement{Replaces: s.Epoch, ChainKey: chainKey, Serial: "2", FeedEpoch: fmt.Sprintf("epoch after %d", s.Epoch)}
		return tx.Replace(ctx, f.Tenant, f.Station, &r, 9)
	})
	w.Ring(f)
}

func (w *world) Uncertain(f link.Peer) map[ticket.TicketID]uint32 {
	w.t.Helper()
	type row struct {
		id  ticket.TicketID
		gen uint32
	}
	out := make(map[ticket.TicketID]uint32)
	for _, r := range read(w, `SELECT ticket, gen FROM uncertain_right`, f, func(s store.Scan, r *row) error { return s(&r.id, &r.gen) }) {
		out[r.id] = r.gen
	}
	return out
}

func (w *world) PutSession(f link.Peer, s ticket.Session) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *store.Tx) error {
		body, err := json.Marshal(s)
		if err != nil {
			return err
		}
		all, err := tx.SessionsOf(ctx, f.Tenant, w.venues[f.Tenant])
		known := slices.ContainsFunc(all, func(have store.Session) bool { return have.ID == s.ID })
		if err == nil && !known {
			s.Hall = w.halls[f.Tenant]
			err = tx.AddSession(ctx, f.Tenant, &store.Session{Session: s, MaxEntries: 1}, 1)
		}
		if err != nil {
			return err
		}
		return tx.PutItem(ctx, f, wire.KindSession, wire.Key(s.ID), body)
	})
	w.Ring(f)
}

func (w *world) AddTicket(f link.Peer, t ticket.Ticket) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *store.Tx) error {
		return custody.Insert(ctx, tx, f.Tenant, []custody.Sale{{Ticket: t, Home: f.Station}}, []hub.Right{{Max: t.Entry.Max}}, 1)
	})
	w.Ring(f)
}

func (w *world) DeadLetters(f link.Peer) map[uint64]hub.DeadReason {
	w.t.Helper()
	type row struct {
		seq uint64
		why hub.DeadReason
	}
	out := make(map[uint64]hub.DeadReason)
	for _, r := range read(w, `SELECT seq, CASE WHEN settled_ms IS NULL THEN reason ELSE '' END FROM dead_letter`, f,
		func(s store.Scan, r *row) error { return s(&r.seq, &r.why) }) {
		if r.why != "" {
			out[r.seq] = r.why
		}
	}
	return out
}

func (w *world) Conflicts(f link.Peer) map[uint64]hubmem.Conflict {
	w.t.Helper()
	type row struct {
		seq uint64
		c   hubmem.Conflict
	}
	out := make(map[uint64]hubmem.Conflict)
	for _, r := range read(w, `SELECT seq, ticket, reason FROM conflict`, f, func(s store.Scan, r *row) error {
		return s(&r.seq, &r.c.Ticket, &r.c.Reason)
	}) {
		out[r.seq] = r.c
	}
	return out
}

func (w *world) Incidents(f link.Peer) []hubmem.Incident {
	w.t.Helper()
	return read(w, `SELECT kind, seq FROM incident`, f, func(s store.Scan, i *hubmem.Incident) error {
		return s(&i.Code, &i.Seq)
	})
}

func (w *world) Digest(f link.Peer, s ticket.SessionID) (d ticket.Digest) {
	w.t.Helper()
	err := w.db.Read(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		all, err := custody.Digests(ctx, tx, f)
		for _, one := range all {
			if one.Session == s {
				d = one.Digest
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// refusedOrMissing reports a rule's refusal, or a ticket that is not there yet.
func refusedOrMissing(err error) bool {
	return errors.Is(err, hub.ErrUnknownTicket) || errors.Is(err, hub.ErrCustody) || errors.Is(err, hub.ErrInvalid)
}
