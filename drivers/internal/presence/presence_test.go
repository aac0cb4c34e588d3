package presence_test

import (
	"encoding/binary"
	"testing"
	"time"

	"yipiao/drivers/internal/presence"
)

func TestAChipThatStaysIsNewOnce(t *testing.T) {
	f := presence.New(2 * time.Second)
	at := time.Unix(1000, 0)
	for i := range 1000 { // 100 times a second for ten seconds
		if got := f.See([]byte("A"), at.Add(time.Duration(i)*10*time.Millisecond)); got != (i == 0) {
			t.Fatalf("look %d: new %v", i, got)
		}
	}
	last := at.Add(9990 * time.Millisecond)
	if f.See([]byte("A"), last.Add(1999*time.Millisecond)) {
		t.Error("new after an absence that is too short")
	}
	if !f.See([]byte("A"), last.Add(1999*time.Millisecond+2*time.Second)) {
		t.Error("not new after its absence")
	}
	if !f.See([]byte("B"), last) {
		t.Error("another chip is not new")
	}
}

func TestItDoesNotGrowWithoutEnd(t *testing.T) {
	f := presence.New(time.Second)
	at := time.Unix(1000, 0)
	id := make([]byte, 8)
	for i := range uint64(20000) {
		binary.BigEndian.PutUint64(id, i)
		if !f.See(id, at.Add(time.Duration(i)*time.Millisecond)) {
			t.Fatalf("chip %d is not new", i)
		}
	}
}
