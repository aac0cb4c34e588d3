package ledger

import (
	"fmt"
	"sort"

	"yipiao/sync/journal/seglog"
)

// Keep says how much of the journal stays (sync.md section 3): facts of at least MinMs, and up to MaxMs
// (milliseconds of age) as long as all segments together are not larger than Bytes.
type Keep struct {
	MinMs, MaxMs int64
	Bytes        int64
}

const dayMs = 24 * 3600 * 1000

// DefaultKeep is 90 days or 4 GiB, never less than 7 days.
func DefaultKeep() Keep { return Keep{MinMs: 7 * dayMs, MaxMs: 90 * dayMs, Bytes: 4 << 30} }

// trimStep is how many facts are given up at a time while the journal is too large.
const trimStep = 10_000

// Trim removes journal segments that need not be kept, and returns how many. A fact that is not
// uploaded, not covered by checkpoint and snapshot, or that may still answer a nonce always stays.
func (l *Ledger) Trim(k Keep) (removed int, err error) {
	log, ok := l.journal.(*seglog.Log)
	if !ok {
		return 0, nil
	}
	now, _, trusted := l.cfg.Clock.Now()
	if !trusted {
		return 0, nil // an age by a clock that nobody trusts is none
	}
	free := min(l.acked.Load(), l.covered.Load(), l.nonces.oldest()-1)
	if s := l.snap.covered.Load(); s != 0 {
		free = min(free, s)
	}
	if removed, err = log.Trim(min(free+1, l.sinceMs(now-k.MaxMs))); err != nil {
		return removed, fmt.Errorf("trim journal: %w", err)
	}
	limit := min(free+1, l.sinceMs(now-k.MinMs))
	for st := log.Stats(); st.Bytes > k.Bytes && st.First < limit; st = log.Stats() {
		n, err := log.Trim(min(limit, st.First+trimStep))
		if err != nil {
			return removed, fmt.Errorf("trim journal: %w", err)
		}
		removed += n
		if st.First+trimStep >= limit && n == 0 {
			break
		}
	}
	return removed, nil
}

// sinceMs is the first kept fact of a time or later, End+1 for none. Facts stand in order of time but for
// clocks that were set back, where an earlier one is as good.
func (l *Ledger) sinceMs(ms int64) uint64 {
	first, durable := l.FirstFact(), l.Durable().Seq
	if first > durable {
		return durable + 1
	}
	n := sort.Search(int(durable-first)+1, func(i int) bool {
		e, err := l.entry(first + uint64(i))
		return err == nil && e.TimeMs >= ms
	})
	return first + uint64(n)
}

// CheckSpace measures how much room is left for facts; Stats shows it.
func (l *Ledger) CheckSpace() error {
	log, ok := l.journal.(*seglog.Log)
	if !ok {
		return nil
	}
	_, err := log.CheckSpace()
	return err
}
