package ledger_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

// crowd is a station with n tickets, every third of them used, in one session that admits.
func crowd(t *testing.T, n int) (*station, *decisions.World) {
	t.Helper()
	s := newStation(t)
	w := s.world()
	s.apply(many(t, w, n), true)
	for i := 0; i < n; i += 3 {
		s.enter(w, i, ticket.Admitted)
	}
	return s, w
}

func (s *station) enter(w *decisions.World, i int, want ticket.Reason) {
	s.t.Helper()
	req := request(w, 0, "door")
	req.Payload = payloadOf(w, i)
	s.nonce++
	req.Nonce = ticket.Nonce{0xee, byte(s.nonce), byte(s.nonce >> 8)}
	if a := s.do(req); a.Verdict.Reason != want {
		s.t.Fatalf("ticket %d: %s, want %s", i, a.Verdict.Reason, want)
	}
}

// crash copies what is on the disk, as after a kill, and starts a station on it.
func (s *station) crash() *station {
	s.t.Helper()
	c := &station{t: s.t, clock: s.clock, nonce: s.nonce}
	for {
		c.dir = s.t.TempDir()
		err := os.CopyFS(c.dir, os.DirFS(s.dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a segment that is being made ahead has got its name between listing and reading
		}
		if err != nil {
			s.t.Fatal(err)
		}
		return c
	}
}

func (s *station) begin() *station {
	s.t.Helper()
	s.start()
	s.t.(*testing.T).Cleanup(func() { _ = s.Close() })
	return s
}

func (s *station) mustSnapshot() {
	s.t.Helper()
	if err := s.Snapshot(); err != nil {
		s.t.Fatal(err)
	}
}

func wantSame(t *testing.T, a, b *station) {
	t.Helper()
	x, y := a.Digests(), b.Digests()
	if len(x) == 0 || len(x) != len(y) {
		t.Fatalf("%d sessions, want %d", len(y), len(x))
	}
	for id, d := range x {
		if y[id] != d {
			t.Fatalf("session %d: %+v, want %+v", id, y[id], d)
		}
	}
	p, q := a.Stats(), b.Stats()
	if p.Tickets != q.Tickets || len(p.Sessions) != len(q.Sessions) || p.Feed != q.Feed {
		t.Fatalf("%+v, want %+v", q, p)
	}
	for i := range p.Sessions {
		if p.Sessions[i] != q.Sessions[i] {
			t.Fatalf("%+v, want %+v", q.Sessions[i], p.Sessions[i])
		}
	}
}

// TestSnapshot_IsUsedAtTheNextStart: also with pages, entries and a tombstone after it, and with nothing
// but a kill in between.
func TestSnapshot_IsUsedAtTheNextStart(t *testing.T) {
	s, w := crowd(t, 60)
	s.mustSnapshot()
	changed := w.Ticket
	changed.ID, changed.CredHash, changed.Ver = idOf(2), ticket.PayloadHash(payloadOf(w, 2)), changed.Ver+5
	changed.Status = ticket.StatusBlocked
	added := w.Ticket
	added.ID, added.CredHash = idOf(1000), ticket.PayloadHash(payloadOf(w, 1000))
	s.apply([]wire.Entry{
		entryOf(t, s.next(), changed), entryOf(t, s.next()+1, added),
		{Pos: s.next() + 2, Kind: wire.KindTicket, Key: wire.Key(idOf(5)), Gone: true},
	}, true)
	s.enter(w, 1, ticket.Admitted)
	s.enter(w, 1000, ticket.Admitted)
	c := s.crash().begin()
	if !c.report.Snapshot || c.report.Damage != nil {
		t.Fatalf("%+v", c.report)
	}
	wantSame(t, s, c)
	c.enter(w, 0, ticket.MaxEntries)
	c.enter(w, 1, ticket.MaxEntries)
	c.enter(w, 1000, ticket.MaxEntries)
	c.enter(w, 2, ticket.Blocked)
	c.enter(w, 4, ticket.Admitted)
}

// TestSnapshot_AndRebuildAgree: a start without it finds the same.
func TestSnapshot_AndRebuildAgree(t *testing.T) {
	s, _ := crowd(t, 40)
	s.mustSnapshot()
	c := s.crash()
	if err := os.Remove(filepath.Join(c.dir, "index.snap")); err != nil {
		t.Fatal(err)
	}
	if c.begin(); c.report.Snapshot || c.report.Damage != nil {
		t.Fatalf("%+v", c.report)
	}
	wantSame(t, s, c)
}

// TestSnapshot_DamagedIsRebuiltLoudly: whatever byte is flipped or wherever it ends, the station finds
// the same tickets, and says what was wrong.
func TestSnapshot_DamagedIsRebuiltLoudly(t *testing.T) {
	s, _ := crowd(t, 20)
	s.mustSnapshot()
	whole, err := os.ReadFile(filepath.Join(s.dir, "index.snap"))
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 12 {
		c := s.crash()
		raw := append([]byte(nil), whole...)
		if i%3 == 0 {
			raw = raw[:rnd.IntN(len(raw))]
		} else {
			raw[rnd.IntN(len(raw))] ^= 1 << rnd.IntN(8)
		}
		if err := os.WriteFile(filepath.Join(c.dir, "index.snap"), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if c.begin(); c.report.Snapshot || len(c.report.Damage) != 1 || !strings.Contains(c.report.Damage[0], "snapshot") {
			t.Fatalf("%+v", c.report)
		}
		wantSame(t, s, c)
	}
}

// TestSnapshot_OfAnotherCatalogueIsNotUsed: an old file that somebody has put back.
func TestSnapshot_OfAnotherCatalogueIsNotUsed(t *testing.T) {
	s, w := crowd(t, 20)
	s.mustSnapshot()
	old, err := os.ReadFile(filepath.Join(s.dir, "index.snap"))
	if err != nil {
		t.Fatal(err)
	}
	s.enter(w, 1, ticket.Admitted)
	s.mustSnapshot()
	c := s.crash()
	if err := os.WriteFile(filepath.Join(c.dir, "index.snap"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if c.begin(); c.report.Snapshot || len(c.report.Damage) != 1 {
		t.Fatalf("%+v", c.report)
	}
	wantSame(t, s, c)
}

// feedOf is the world's own part of the feed.
func feedOf(t *testing.T, w *decisions.World) []wire.Entry {
	t.Helper()
	before, _, err := w.Feed()
	if err != nil {
		t.Fatal(err)
	}
	return before
}

// TestSnapshot_PassedOverOnceIsNeverUsed: one that could not be read at a start does not know what the
// feed has changed since, however whole it looks later.
func TestSnapshot_PassedOverOnceIsNeverUsed(t *testing.T) {
	s, w := crowd(t, 12)
	s.mustSnapshot()
	c := s.crash()
	file := filepath.Join(c.dir, "index.snap")
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	c.begin()
	blocked := w.Ticket
	blocked.ID, blocked.CredHash, blocked.Ver, blocked.Status = idOf(2), ticket.PayloadHash(payloadOf(w, 2)), blocked.Ver+1, ticket.StatusBlocked
	c.apply([]wire.Entry{entryOf(t, c.next(), blocked)}, true)
	d := c.crash()
	if err := os.Rename(filepath.Join(d.dir, "index.snap.away"), filepath.Join(d.dir, "index.snap")); err != nil {
		t.Fatal(err)
	}
	if d.begin(); d.report.Snapshot || len(d.report.Damage) != 1 {
		t.Fatalf("%+v", d.report)
	}
	d.enter(w, 2, ticket.Blocked)
	d.mustSnapshot()
	if e := d.crash().begin(); !e.report.Snapshot {
		t.Fatalf("%+v", e.report)
	}
}

// smash overwrites the catalogue from a page on with noise.
func (s *station) smash(from int64) {
	s.t.Helper()
	path := filepath.Join(s.dir, "catalogue.db")
	info, err := os.Stat(path)
	if err != nil {
		s.t.Fatal(err)
	}
	noise := make([]byte, info.Size()-from)
	rnd := rand.NewChaCha8([32]byte{7})
	_, _ = rnd.Read(noise)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = f.WriteAt(noise, from)
	if err = errors.Join(err, f.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// TestCatalogue_SmashedIsRebuiltFromTheSnapshot: nobody enters on lost data, nothing that was used
// becomes unused, devices keep their registration, and the feed brings the rest.
func TestCatalogue_SmashedIsRebuiltFromTheSnapshot(t *testing.T) {
	for name, from := range map[string]int64{"all of it": 0, "all but the first pages": 4 * 4096} {
		t.Run(name, func(t *testing.T) {
			s, w := crowd(t, 30)
			if err := s.PutLocal("device/h1", "registered"); err != nil {
				t.Fatal(err)
			}
			s.mustSnapshot()
			s.enter(w, 1, ticket.Admitted) // in the journal only
			c := s.crash()
			c.smash(from)
			c.begin()
			if len(c.report.Damage) != 1 || !strings.Contains(c.report.Damage[0], "catalogue.db.bad") {
				t.Fatalf("%+v", c.report)
			}
			for _, i := range []int{0, 1, 2} {
				c.enter(w, i, ticket.UnknownKey) // keys come with the feed, too
			}
			if _, at := c.Cursor(); at != 0 {
				t.Fatalf("cursor %d", at)
			}
			c.apply(feedOf(t, w), false)
			c.apply(many(t, w, 30), true)
			c.enter(w, 0, ticket.MaxEntries)
			c.enter(w, 1, ticket.MaxEntries)
			c.enter(w, 2, ticket.Admitted)
			var device string
			err := c.EachLocal("device/", func(_ string, decode func(any) error) error { return decode(&device) })
			if err != nil || device != "registered" {
				t.Fatalf("%q, %v", device, err)
			}
		})
	}
}

// TestCatalogue_SmashedIsRebuiltFromAWholeJournal: without a snapshot, as long as nothing was trimmed.
func TestCatalogue_SmashedIsRebuiltFromAWholeJournal(t *testing.T) {
	s, w := crowd(t, 9)
	c := s.crash()
	c.smash(0)
	if c.begin(); len(c.report.Damage) != 2 {
		t.Fatalf("%+v", c.report)
	}
	c.apply(feedOf(t, w), false)
	c.apply(many(t, w, 9), true)
	c.enter(w, 0, ticket.MaxEntries)
	c.enter(w, 1, ticket.Admitted)
}

// TestCatalogue_LostForGoodIsNotOpened: with a trimmed journal nobody knows any more what was used.
func TestCatalogue_LostForGoodIsNotOpened(t *testing.T) {
	s, w := crowd(t, 3)
	for i := 1; s.FirstFact() == 1; i++ {
		for range 200 {
			s.enter(w, 0, ticket.MaxEntries)
		}
		if err := s.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.log.Trim(s.Durable().Seq); err != nil {
			t.Fatal(err)
		}
	}
	c := s.crash()
	c.smash(0)
	if err := c.tryStart(); !errors.Is(err, ledger.ErrLost) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "catalogue.db")); err != nil {
		t.Fatalf("the damaged file was not left alone: %v", err)
	}
}

// TestCatalogue_SpoiltStateIsNotBelieved: bbolt has no checksum for data, so the value has one.
func TestCatalogue_SpoiltStateIsNotBelieved(t *testing.T) {
	s, w := crowd(t, 9)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	values(t, filepath.Join(s.dir, "catalogue.db"), "state", func(b *bbolt.Bucket, k, v [][]byte) error {
		v[0][5] = 0 // used: not at all
		return b.Put(k[0], v[0])
	})
	if err := os.Remove(filepath.Join(s.dir, "index.snap")); err != nil {
		t.Fatal(err)
	}
	s.start()
	if len(s.report.Damage) == 0 {
		t.Fatalf("%+v", s.report)
	}
	s.apply(feedOf(t, w), false)
	s.apply(many(t, w, 9), true)
	s.enter(w, 0, ticket.MaxEntries)
}
