package edge

import (
	"sync"
	"time"

	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/ledger"
)

// doors remember the last verdict at lanes without a scanner of their own, where handhelds check: what
// a lane with a scanner shows by itself.
type doors struct {
	mu    sync.Mutex
	shown map[string]lane.Shown
}

func (d *doors) add(o ledger.Observed, l *ledger.Ledger) (lane.Shown, bool) {
	if o.Fact == nil || o.Fact.Verdict == nil || o.Fact.Nonce == nil {
		return lane.Shown{}, false
	}
	s := lane.Shown{Lane: o.Fact.Lane, Verdict: *o.Fact.Verdict, Ticket: o.Fact.Ticket, Seq: o.Seq, At: time.UnixMilli(o.TimeMs)}
	if t, _, ok := l.Ticket(o.Fact.Ticket); ok && o.Fact.Ticket != 0 {
		s.Seat, s.Holder = t.Seat, t.Holder
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shown == nil {
		d.shown = make(map[string]lane.Shown)
	}
	d.shown[s.Lane] = s
	return s, true
}

func (d *doors) last(name string) lane.Shown {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown[name]
}
