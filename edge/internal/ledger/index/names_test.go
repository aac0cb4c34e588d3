package index_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
)

// When lane names overflow, a lane is unknown: no gate fails for it.
func TestNames_Overflow(t *testing.T) {
	var n index.Names
	for i := 1; i <= math.MaxUint16; i++ {
		if got := n.Number(fmt.Sprint("门", i)); int(got) != i {
			t.Fatalf("name %d has number %d", i, got)
		}
	}
	for _, name := range []string{"", "one more", strings.Repeat("x", 1025)} {
		if got := n.Number(name); got != 0 {
			t.Errorf("%.10q has number %d", name, got)
		}
	}
	if n.Number("门1") != 1 || n.Name(math.MaxUint16) != "门65535" || n.Name(0) != "" {
		t.Error("a name has lost its number")
	}
}

func TestSessions_NumbersAreUsedAgain(t *testing.T) {
	var n index.Sessions
	if n.ID(1) != 0 || n.Number(0) != 0 {
		t.Error("there is a session in the beginning")
	}
	for id := range ticket.SessionID(math.MaxUint16) {
		n.Number(id + 1000)
	}
	if got := n.Number(1); got != 0 {
		t.Fatalf("session 65,536 has number %d", got)
	}
	gone := n.Number(2000)
	n.Drop(gone)
	n.Drop(gone)
	n.Drop(0)
	if n.ID(gone) != 0 {
		t.Error("a dropped number still names its session")
	}
	if got := n.Number(1); got != gone || n.ID(gone) != 1 {
		t.Errorf("number %d, want %d", got, gone)
	}
	if got := n.Number(2000); got != 0 {
		t.Errorf("number %d was given twice", got)
	}
}
