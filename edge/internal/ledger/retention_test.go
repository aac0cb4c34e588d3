package ledger_test

import (
	"testing"
	"time"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

const day = 24 * 3600 * 1000

// TestTrim_KeepsWhatIsNeeded: nothing goes that is not uploaded, or not covered, or young, or that a
// retry may ask for; all else goes by age, or by size where that is allowed.
func TestTrim_KeepsWhatIsNeeded(t *testing.T) {
	s, w := crowd(t, 3)
	fill := func(days int) (last uint64) {
		s.clock.set(start.Add(time.Duration(days)*24*time.Hour), true)
		for range 600 { // more than a segment of 64 KiB
			s.enter(w, 0, ticket.SessionEnded)
		}
		if err := s.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		return s.Durable().Seq
	}
	trim := func(k ledger.Keep) uint64 {
		t.Helper()
		if _, err := s.Trim(k); err != nil {
			t.Fatal(err)
		}
		return s.FirstFact()
	}
	old := ledger.Keep{MinMs: 7 * day, MaxMs: 30 * day, Bytes: 1 << 40}
	var ends []uint64
	for _, d := range []int{1, 10, 20, 30, 40} {
		ends = append(ends, fill(d))
	}
	if got := trim(old); got != 1 {
		t.Fatalf("not uploaded, but begins at %d", got)
	}
	s.SetAcked(wire.Ack{Durable: ends[4]})
	first := trim(old)
	if first == 1 || first > ends[1]+1 {
		t.Fatalf("by age: begins at %d, want what is older than 30 days gone: %v", first, ends)
	}
	small := ledger.Keep{MinMs: 7 * day, MaxMs: 30 * day, Bytes: 1}
	if got := trim(small); got <= first || got > ends[3]+1 {
		t.Fatalf("by size: begins at %d, want between %d and %d", got, first, ends[3]+1)
	}
	young := ledger.Keep{MinMs: 1, MaxMs: 2, Bytes: 1}
	if got := trim(young); got > ends[3]+1 {
		t.Fatalf("answers of the last day are gone: begins at %d", got)
	}
	s.clock.set(start.Add(41*24*time.Hour), false)
	before := s.FirstFact()
	if got := trim(young); got != before {
		t.Fatalf("trimmed by a clock that nobody trusts: %d, was %d", got, before)
	}
	s.clock.set(start.Add(41*24*time.Hour), true)
	s.restart()
	s.enter(w, 0, ticket.SessionEnded)
}
