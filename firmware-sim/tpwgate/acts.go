package tpwgate

import (
	"fmt"
	"time"
)

// Pass lets somebody walk through a direction that is free, whatever the visitor does. The error is ErrClosed.
func (m *Sim) Pass(d Direction) error {
	return m.do(func(g *mechanism, now time.Time) error {
		if g.modes[d] != free {
			return ErrClosed
		}
		g.enter(now, d, 1)
		return nil
	})
}

// Force lets somebody through without a permit: the counter moves.
func (m *Sim) Force(d Direction) {
	_ = m.do(func(g *mechanism, now time.Time) error {
		g.note("forced", fmt.Sprintf("有人闯入%s / somebody forces the %s", names[d].zh, names[d].en), nil)
		g.enter(now, d, 1)
		return nil
	})
}

// SetVisitor changes what the person in front of the gate does; one who walks sets off at once if it is free. walk 0
// leaves the time as it is.
func (m *Sim) SetVisitor(v Visitor, walk time.Duration) error {
	if err := v.validate(); err != nil {
		return err
	}
	return m.do(func(g *mechanism, now time.Time) error {
		g.set.Visitor, g.set.Walk = v, orDefault(walk, g.set.Walk)
		for d := range g.walkAt {
			g.walkAt[d] = time.Time{}
			if g.modes[d] == free && (v == Walk || v == Follow) {
				g.walkAt[d] = now.Add(g.set.walk())
			}
		}
		return nil
	})
}

// SetFree switches a direction to free passage at the gate, or back to controlled.
func (m *Sim) SetFree(d Direction, on bool) {
	_ = m.do(func(g *mechanism, now time.Time) error {
		mode := byte(controlled)
		if on {
			mode = free
		}
		g.setMode(now, d, mode, nil)
		return nil
	})
}

// SetForbidden forbids a direction at the gate, or makes it controlled again.
func (m *Sim) SetForbidden(d Direction, on bool) {
	_ = m.do(func(g *mechanism, now time.Time) error {
		mode := byte(controlled)
		if on {
			mode = forbidden
		}
		g.setMode(now, d, mode, nil)
		return nil
	})
}

// SetRefuses makes the board fail every command, or work again.
func (m *Sim) SetRefuses(on bool) {
	_ = m.do(func(g *mechanism, _ time.Time) error {
		g.refuses = on
		return nil
	})
}

// SetCounters turns the counters to values.
func (m *Sim) SetCounters(entry, exit uint32) {
	_ = m.do(func(g *mechanism, _ time.Time) error {
		g.counts = [2]uint32{entry, exit}
		return nil
	})
}

// PowerCycle is what a power cut does: both directions are controlled, counters are kept but do not count.
func (m *Sim) PowerCycle() {
	_ = m.do(func(g *mechanism, now time.Time) error {
		g.setMode(now, Entry, controlled, nil)
		g.setMode(now, Exit, controlled, nil)
		g.counting = [2]bool{}
		g.note("power", "断电重启 / power cycled", nil)
		return nil
	})
}

// State is what a gate shows.
type State struct {
	Visitor    Visitor `json:"visitor"`
	WalkMs     int64   `json:"walk_ms"`
	EntryFree  bool    `json:"entry_free"`
	ExitFree   bool    `json:"exit_free"`
	EntryCount uint32  `json:"entry_count"`
	ExitCount  uint32  `json:"exit_count"`
	Counting   [2]bool `json:"counting"`
}

// State reports how the gate is.
func (m *Sim) State() (s State) {
	_ = m.do(func(g *mechanism, _ time.Time) error {
		s = State{
			Visitor: g.set.Visitor, WalkMs: g.set.walk().Milliseconds(), EntryFree: g.modes[Entry] == free, ExitFree: g.modes[Exit] == free,
			EntryCount: g.counts[Entry], ExitCount: g.counts[Exit], Counting: g.counting,
		}
		return nil
	})
	return s
}
