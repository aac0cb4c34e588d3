package custody_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/store"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/simtest"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// TestSim: the cloud's store over SQLite behind all nodes of the simulation (I1 to I6).
func TestSim(t *testing.T) {
	simtest.Seeds(t, "cloud", simtest.Build{Cloud: func() simtest.Cloud { return newSimCloud(t) }, Machine: simtest.MemoryMachine, Light: true}, 1, 10*time.Second)
}

// A simCloud is a world that opens and closes its database itself: both must happen in virtual time.
type simCloud struct {
	*world
	dir string
}

func newSimCloud(t *testing.T) *simCloud {
	dir, err := os.MkdirTemp(t.TempDir(), "cloud")
	if err != nil {
		panic(err)
	}
	db, err := store.Open(context.Background(), filepath.Join(dir, "cloud.sqlite"))
	if err != nil {
		panic(err)
	}
	plain := func(_ ticket.TenantID, sealed []byte, _ string) ([]byte, error) { return sealed, nil }
	return &simCloud{dir: dir, world: &world{
		Store: custody.New(db, plain), t: t, db: db,
		venues: make(map[ticket.TenantID]store.VenueID), halls: make(map[ticket.TenantID]ticket.HallID),
	}}
}

// Close closes the database, which must be sound.
func (c *simCloud) Close() error {
	return errors.Join(c.db.Check(context.Background()), c.db.Close(), os.RemoveAll(c.dir))
}

func (c *simCloud) put(f link.Peer, kind wire.EntryKind, key string, v any) {
	c.t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	c.write(func(ctx context.Context, tx *store.Tx) error { return tx.PutItem(ctx, f, kind, key, body) })
	c.Ring(f)
}

func (c *simCloud) PutGateGroup(f link.Peer, g ticket.GateGroup) {
	c.put(f, wire.KindGateGroup, wire.Key(g.ID), g)
}

func (c *simCloud) PutSignKey(f link.Peer, k ticket.SignKey) {
	c.put(f, wire.KindSignKey, wire.Key(k.ID), k)
}

// Facts lists the stored facts; the cloud keeps no order between epochs.
func (c *simCloud) Facts(f link.Peer) []journal.Entry {
	c.t.Helper()
	var out []journal.Entry
	err := c.db.Read(context.Background(), func(ctx context.Context, tx *store.Tx) (err error) {
		out, err = store.List(ctx, tx, `
			SELECT epoch, seq, time_ms, offset_ms, kind, body
			FROM fact
			WHERE tenant = $1 AND station = $2
			ORDER BY epoch, seq`, []any{f.Tenant, f.Station}, func(scan store.Scan, e *journal.Entry) error {
			return scan(&e.Epoch, &e.Seq, &e.TimeMs, &e.OffsetMs, &e.Kind, &e.Body)
		})
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}
