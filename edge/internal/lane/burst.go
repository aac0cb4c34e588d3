package lane

import (
	"sort"
	"time"

	"yipiao/sync/ticket"
)

// More than burstMost equal refusals within burstGap at a lane's own scanner are counted instead of
// recorded one by one (sync.md section 3), until burstGap has passed without one. The count is written
// then, and at the latest every burstWrite.
const (
	burstMost  = 5
	burstGap   = time.Second
	burstWrite = 10 * time.Second
)

// bursts counts refusals by reason: pure, one event at a time. The zero value is ready.
type bursts struct{ by map[ticket.Reason]*burst }

type burst struct {
	recent   []time.Time // of the last ordinary ones, at most burstMost
	last     time.Time
	counting bool
	count    int64     // counted and not written yet
	since    time.Time // of the first of them
}

// refused takes a refusal at now and reports whether it is counted instead of recorded.
func (b *bursts) refused(r ticket.Reason, now time.Time) bool {
	if b.by == nil {
		b.by = make(map[ticket.Reason]*burst)
	}
	x := b.by[r]
	if x == nil {
		x = &burst{}
		b.by[r] = x
	}
	for len(x.recent) > 0 && now.Sub(x.recent[0]) >= burstGap {
		x.recent = x.recent[1:]
	}
	x.counting = x.counting && now.Sub(x.last) < burstGap || len(x.recent) >= burstMost
	x.last = now
	if !x.counting {
		x.recent = append(x.recent, now)
		return false
	}
	if x.count == 0 {
		x.since = now
	}
	x.count++
	return true
}

// A repeated is a count to be written.
type repeated struct {
	reason ticket.Reason
	count  int64
}

// due lists, by reason, the counts to be written at now; all at the end of the lane's work.
func (b *bursts) due(now time.Time, all bool) []repeated {
	var out []repeated
	for r, x := range b.by {
		if x.count > 0 && (all || now.Sub(x.last) >= burstGap || now.Sub(x.since) >= burstWrite) {
			out = append(out, repeated{r, x.count})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].reason < out[j].reason })
	return out
}

// written takes a count off that is in the journal.
func (b *bursts) written(r repeated) { b.by[r.reason].count -= r.count }
