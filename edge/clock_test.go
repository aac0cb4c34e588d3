package edge

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"yipiao/edge/internal/clock"
	"yipiao/sync/ticket"
)

// A setClock is a machine whose wall clock somebody sets.
type setClock struct {
	*clock.Clock
	by time.Duration
}

// TestClockThatJumpsIsSaid: a station whose machine is set an hour ahead goes on in its own time, says so in a fact,
// and tells the cloud.
func TestClockThatJumpsIsSaid(t *testing.T) {
	cloud := newTestCloud(t)
	began := time.Now()
	sc := &setClock{}
	sc.Clock = clock.NewOn(began.UnixMilli(), clock.Machine{
		Wall: func() time.Time { return time.Now().Add(sc.by) }, Passed: func() time.Duration { return time.Since(began) },
		Slept: func() time.Duration { return 0 }, Synced: func() bool { return false },
	})
	s, err := assemble(Config{Data: cloud.enrol(), Listen: Listen{LAN: "127.0.0.1:0"}, segment: 64 << 10}, slog.New(slog.NewTextHandler(io.Discard, nil)), sc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.ledger.Close() })
	sc.by = time.Hour
	for range 2 {
		if err := s.watchClock(); err != nil {
			t.Fatal(err)
		}
	}
	if ms, _, trusted := s.clock.Now(); !trusted || time.UnixMilli(ms).Sub(began).Abs() > 5*time.Minute {
		t.Errorf("the station's time is %v, trusted %v", time.UnixMilli(ms), trusted)
	}
	entries, err := s.ledger.Journal(1, 100, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, e := range entries {
		var n ticket.Note
		if ticket.FactKind(e.Kind) == ticket.FactClockAdjusted && n.Decode(e.Body) == nil && n.State == "jump_ignored" {
			said++
			if d := time.Duration(n.Value)*time.Millisecond - time.Hour; d.Abs() > time.Minute {
				t.Errorf("jumped by %d ms", n.Value)
			}
		}
	}
	if said != 1 {
		t.Errorf("said %d times", said)
	}
}
