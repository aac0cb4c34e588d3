package lane

import (
	"time"

	"yipiao/drivers"
	"yipiao/sync/ticket"
)

// repeatFor is how long a code that did not end in a passage is taken for the same scan, counted from
// its last read.
const repeatFor = 2 * time.Second

// A plan is what to do with a scan: decide it, or only show something, without a fact.
type plan struct {
	decide bool
	show   Shown
}

// machine is the double-read rule of a lane: pure, one event at a time.
type machine struct {
	busy  bool        // a permit is open
	code  ticket.Hash // of the last read that counts as a scan
	at    time.Time   // of its last read; zero: the next read is a new request
	shown Shown
}

// scan says what to do with a read at now.
func (m *machine) scan(s drivers.Scan, now time.Time) plan {
	if s.Fault == drivers.ScanTorn {
		return plan{show: Shown{Verdict: ticket.Verdict{Reason: ticket.Misread}, At: now}}
	}
	code := ticket.PayloadHash(string(s.Data))
	same := code == m.code && !m.at.IsZero()
	switch {
	case m.busy && same:
		return m.again(now)
	case m.busy:
		return plan{show: Shown{Verdict: ticket.Verdict{Reason: ticket.GateBusy}, At: now}}
	case same && now.Sub(m.at) < repeatFor:
		return m.again(now)
	}
	m.code, m.at = code, now
	return plan{decide: true}
}

func (m *machine) again(now time.Time) plan {
	m.at = now
	s := m.shown
	s.Repeat = true
	return plan{show: s}
}

// decided remembers what was shown for the scan being handled; opened says that a permit is now open.
func (m *machine) decided(s Shown, opened bool) {
	m.shown, m.busy = s, opened
}

// forget lets the next read of the same code be a new request: this one was not decided.
func (m *machine) forget() { m.at = time.Time{} }

// ended makes the lane ready: after a passage the next read is a new request.
func (m *machine) ended() {
	m.busy = false
	m.forget()
}
