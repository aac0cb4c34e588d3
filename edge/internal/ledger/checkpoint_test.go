package ledger_test

import (
	"os"
	"path/filepath"
	"testing"

	"yipiao/sync/ticket"
)

// TestSnapshot_NewerThanTheCheckpoint: a snapshot, a crash before the next checkpoint, a start from the
// snapshot and a checkpoint there: the catalogue holds all it says it covers.
func TestSnapshot_NewerThanTheCheckpoint(t *testing.T) {
	s, w := crowd(t, 30)
	s.mustSnapshot()
	a := s.crash().begin()
	a.enter(w, 1, ticket.Admitted) // so that a checkpoint has something to write
	if err := a.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	b := a.crash()
	if got := b.verify(); len(got.Findings) != 0 {
		t.Errorf("%+v", got.Findings)
	}
	c := a.crash()
	if err := os.Remove(filepath.Join(c.dir, "index.snap")); err != nil { // spoilt, or too old
		t.Fatal(err)
	}
	c.begin().enter(w, 0, ticket.MaxEntries)
}
