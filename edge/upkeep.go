package edge

import (
	"context"
	"time"

	"yipiao/edge/internal/ledger"
)

// Times of the station's housekeeping.
const (
	checkpointEvery = 2 * time.Second
	spaceEvery      = 10 * time.Second
	snapshotLook    = time.Minute
	trimEvery       = time.Hour
	overdueEvery    = time.Minute
)

// upkeep writes checkpoints and snapshots, watches the room on the disk and gives up what the journal
// need not keep. None of it is on the way of a decision; what fails is said and tried again.
func (s *Station) upkeep(ctx context.Context) error {
	tasks := []struct {
		name  string
		every time.Duration
		run   func() error
	}{
		{"checkpoint", checkpointEvery, s.ledger.Checkpoint},
		{"watch the clock", checkpointEvery, s.watchClock},
		{"release pages", checkpointEvery, s.ledger.ReleasePages}, // after a checkpoint, which looks at many
		{"measure room for facts", spaceEvery, s.ledger.CheckSpace},
		{"snapshot", snapshotLook, s.snapshot},
		{"trim journal", trimEvery, s.trim},
		{"miss handhelds", overdueEvery, s.overdue},
	}
	due := make([]time.Time, len(tasks))
	for i, t := range tasks {
		due[i] = time.Now().Add(t.every)
	}
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for i, t := range tasks {
			if time.Now().Before(due[i]) {
				continue
			}
			due[i] = time.Now().Add(t.every)
			if err := t.run(); err != nil {
				s.log.Error("upkeep failed, will be tried again", "task", t.name, "error", err)
			}
		}
	}
}

func (s *Station) snapshot() error {
	if !s.ledger.SnapshotDue() {
		return nil
	}
	return s.ledger.Snapshot()
}

func (s *Station) trim() error {
	n, err := s.ledger.Trim(ledger.DefaultKeep())
	if n > 0 {
		s.log.Info("journal trimmed", "segments", n)
	}
	return err
}

// quietFor is how long no verdict was given when gates count as idle.
const quietFor = 10 * time.Second

// idle reports whether large feed pages are welcome.
func (s *Station) idle() bool { return time.Now().UnixMilli()-s.asked.Load() > quietFor.Milliseconds() }
