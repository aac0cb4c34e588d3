package turnstile

import (
	"fmt"
	"time"
)

// Pass lets somebody walk through with an open permit, whatever the visitor does. The error is
// ErrClosed or ErrOccupied.
func (t *Turnstile) Pass(d Direction) error {
	return t.do(func(m *mechanism, now time.Time) error { return m.enter(now, d, false) })
}

// Force lets somebody through without a permit: the lane's sensor sees a body, the counter moves.
func (t *Turnstile) Force(d Direction) error {
	return t.do(func(m *mechanism, now time.Time) error { return m.enter(now, d, true) })
}

// SetVisitor changes what the person in front of the turnstile does; with Walk and a permit that is
// open already, it sets off. walk 0 leaves the time as it is.
func (t *Turnstile) SetVisitor(v Visitor, walk time.Duration) error {
	if err := v.validate(); err != nil {
		return err
	}
	return t.do(func(m *mechanism, now time.Time) error {
		m.set.Visitor = v
		m.set.Walk = orDefault(walk, m.set.Walk)
		for d := range m.walkAt {
			m.walkAt[d] = time.Time{}
			if v.walks() && m.permits[d] > 0 {
				m.walkAt[d] = now.Add(m.set.walk())
			}
		}
		return nil
	})
}

// SetFire switches anti-panic on or off: the turnstile stands open by itself.
func (t *Turnstile) SetFire(on bool) {
	_ = t.do(func(m *mechanism, _ time.Time) error {
		m.mode = normal
		text := "消防联动解除 / anti-panic ended"
		if on {
			m.mode = antiPanic
			m.shut(Entry)
			m.shut(Exit)
			text = "消防联动，通道常开 / anti-panic, standing open"
		}
		m.note("fire", text, nil)
		return nil
	})
}

// SetBlocked blocks the turnstile, as its key switch does, or frees it.
func (t *Turnstile) SetBlocked(on bool) {
	_ = t.do(func(m *mechanism, _ time.Time) error {
		m.mode = normal
		text := "闭锁解除 / unblocked"
		if on {
			m.mode = blocked
			text = "已闭锁 / blocked"
		}
		m.note("blocked", text, nil)
		return nil
	})
}

// SetFree switches a direction to free passage, as its key does, or closes it again.
func (t *Turnstile) SetFree(d Direction, on bool) {
	_ = t.do(func(m *mechanism, _ time.Time) error {
		m.shut(d)
		text := "自由通行解除 / free passage ended"
		if on {
			m.permits[d] = free
			text = directionNames[d].zh + "自由通行 / free passage, " + directionNames[d].en
		}
		m.note("free", text, nil)
		return nil
	})
}

// SetFault sets the error bits; 0 is healthy.
func (t *Turnstile) SetFault(bits uint16) {
	_ = t.do(func(m *mechanism, _ time.Time) error {
		m.faultBits = bits
		m.note("fault", fmt.Sprintf("故障位 %#04x / error bits %#04x", bits, bits), nil)
		return nil
	})
}

// SetCounters turns the counters to values, as a repair would.
func (t *Turnstile) SetCounters(entry, exit uint32) {
	_ = t.do(func(m *mechanism, _ time.Time) error {
		m.counts = [2]uint32{entry, exit}
		m.save(entry, exit)
		return nil
	})
}

// PowerCycle is what a power cut does: permits and settings are gone, counters are not.
func (t *Turnstile) PowerCycle() {
	_ = t.do(func(m *mechanism, _ time.Time) error {
		m.shut(Entry)
		m.shut(Exit)
		m.lane = nil
		m.mode, m.faultBits, m.accumulate = normal, 0, 0
		m.startSecs, m.finishSecs = 5, 5
		m.note("power", "断电重启 / power cycled", nil)
		return nil
	})
}

// State is what a turnstile shows.
type State struct {
	Visitor      Visitor `json:"visitor"`
	WalkMs       int64   `json:"walk_ms"`
	EntryCount   uint32  `json:"entry_count"`
	ExitCount    uint32  `json:"exit_count"`
	EntryPermits uint16  `json:"entry_permits"`
	ExitPermits  uint16  `json:"exit_permits"`
	InLane       bool    `json:"in_lane"`
	Fire         bool    `json:"fire"`
	Blocked      bool    `json:"blocked"`
	FaultBits    uint16  `json:"fault_bits"`
	StartSeconds uint16  `json:"start_seconds"`
}

// State reports how the turnstile is.
func (t *Turnstile) State() State {
	var s State
	_ = t.do(func(m *mechanism, _ time.Time) error {
		s = State{
			Visitor: m.set.Visitor, WalkMs: m.set.walk().Milliseconds(),
			EntryCount: m.counts[Entry], ExitCount: m.counts[Exit],
			EntryPermits: m.permits[Entry], ExitPermits: m.permits[Exit],
			InLane: m.lane != nil, Fire: m.mode == antiPanic, Blocked: m.mode == blocked,
			FaultBits: m.faultBits, StartSeconds: m.startSecs,
		}
		return nil
	})
	return s
}
