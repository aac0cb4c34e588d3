package edge

import (
	"sync"
	"time"

	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// doors remember the last verdict at lanes without a scanner of their own, where handhelds check: what
// a lane with a scanner shows by itself. Seat and holder are looked up when somebody looks.
type doors struct {
	mu    sync.Mutex
	shown map[string]lane.Shown
}

func (d *doors) add(o ledger.Observed) bool {
	if o.Fact == nil || o.Fact.Verdict == nil || o.Fact.Nonce == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shown == nil {
		d.shown = make(map[string]lane.Shown)
	}
	d.shown[o.Fact.Lane] = lane.Shown{
		Lane: o.Fact.Lane, Verdict: *o.Fact.Verdict, Ticket: o.Fact.Ticket, Seq: o.Seq, At: time.UnixMilli(o.TimeMs),
	}
	return true
}

func (d *doors) last(name string, l *ledger.Ledger) lane.Shown {
	d.mu.Lock()
	s := d.shown[name]
	d.mu.Unlock()
	switch s.Verdict.Reason {
	case ticket.BadSignature, ticket.UnknownKey, ticket.KeyRevoked: // must not show whose seat the code names
		return s
	}
	if s.Ticket != 0 {
		if t, _, ok := l.Ticket(s.Ticket); ok {
			s.Seat, s.Holder = t.Seat, t.Holder
		}
	}
	return s
}
