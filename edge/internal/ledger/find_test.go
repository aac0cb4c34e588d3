package ledger_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// TestFind_ByEveryKey: by credential, document, chip and pickup code, the last of which several tickets
// of an order share; a changed or removed ticket leaves its keys; the same after a start from the snapshot
// and after a rebuild.
func TestFind_ByEveryKey(t *testing.T) {
	s := newStation(t)
	w := s.world()
	key := ticket.PayloadHash
	order := make([]ticket.Ticket, 3)
	var page []wire.Entry
	for i := range order {
		tk := w.Ticket
		tk.ID, tk.CredHash = idOf(i), key(payloadOf(w, i))
		tk.Doc, tk.Chip, tk.Pickup = key("doc"+string(rune('a'+i))), key("chip"+string(rune('a'+i))), key("order")
		order[i] = tk
		page = append(page, entryOf(t, s.next()+uint64(i), tk))
	}
	s.apply(page, true)
	want := func(what string, got []ticket.TicketID, ids ...ticket.TicketID) {
		t.Helper()
		slices.Sort(got)
		if !slices.Equal(got, ids) {
			t.Fatalf("%s: %v, want %v", what, got, ids)
		}
	}
	moved := order[1]
	moved.Ver, moved.Doc, moved.CredHash = moved.Ver+1, key("another holder"), key(payloadOf(w, 77))
	s.apply([]wire.Entry{
		entryOf(t, s.next(), moved), {Pos: s.next() + 1, Kind: wire.KindTicket, Key: wire.Key(order[2].ID), Gone: true},
	}, true)
	look := func() {
		t.Helper()
		want("document", s.Find(index.KeyDocument, key("doca")), order[0].ID)
		want("document of before", s.Find(index.KeyDocument, key("docb")))
		want("document of now", s.Find(index.KeyDocument, key("another holder")), moved.ID)
		want("chip", s.Find(index.KeyChip, key("chipb")), moved.ID)
		want("pickup code", s.Find(index.KeyPickup, key("order")), order[0].ID, moved.ID)
		want("nobody's", s.Find(index.KeyPickup, key("nobody's")))
		for code, id := range map[string]ticket.TicketID{payloadOf(w, 0): order[0].ID, payloadOf(w, 77): moved.ID, payloadOf(w, 1): 0, payloadOf(w, 2): 0} {
			if got := s.FindCredential(key(code)); got != id {
				t.Fatalf("credential: %d, want %d", got, id)
			}
		}
	}
	look()
	s.restart()
	if !s.report.Snapshot {
		t.Fatalf("%+v", s.report)
	}
	look()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.dir, "index.snap")); err != nil {
		t.Fatal(err)
	}
	s.start()
	look()
}
