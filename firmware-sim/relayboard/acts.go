package relayboard

import (
	"fmt"
	"time"
)

// Pass lets somebody walk through the open gate, whatever the visitor does. The error is ErrClosed.
func (m *Sim) Pass(d Direction) error {
	return m.do(func(now time.Time) error {
		if !m.gate.open[d] && !m.gate.fire {
			return ErrClosed
		}
		m.gate.enter(now, d, 1)
		return nil
	})
}

// Force lets somebody through a shut gate: its contact says so.
func (m *Sim) Force(d Direction) {
	_ = m.do(func(now time.Time) error {
		m.gate.note("forced", fmt.Sprintf("有人闯入%s / somebody forces the %s", names[d].zh, names[d].en), nil)
		m.gate.enter(now, d, 1)
		return nil
	})
}

// SetVisitor changes what the person in front of the gate does; one who walks sets off at once if it is open. walk 0
// leaves the time as it is.
func (m *Sim) SetVisitor(v Visitor, walk time.Duration) error {
	if err := v.validate(); err != nil {
		return err
	}
	return m.do(func(now time.Time) error {
		g := &m.gate
		g.set.Visitor, g.set.Walk = v, orDefault(walk, g.set.Walk)
		for d := range g.walkAt {
			g.walkAt[d] = time.Time{}
			if g.open[d] && (v == Walk || v == Follow) {
				g.walkAt[d] = now.Add(g.set.walk())
			}
		}
		return nil
	})
}

// SetAlarm closes or opens the gate's alarm contact.
func (m *Sim) SetAlarm(on bool) {
	m.contact(&m.gate.alarm, on, "alarm", "闸机报警触点 / alarm contact")
}

// SetFire closes or opens the fire contact; the gate stands open meanwhile.
func (m *Sim) SetFire(on bool) { m.contact(&m.gate.fire, on, "fire", "消防触点 / fire contact") }

func (m *Sim) contact(which *bool, on bool, kind, text string) {
	_ = m.do(func(time.Time) error {
		*which = on
		m.gate.note(kind, fmt.Sprintf("%s %v", text, on), nil)
		return nil
	})
}

// SetStuck welds a relay's contact (from 1): it does not open any more, or is mended.
func (m *Sim) SetStuck(relay int, on bool) {
	_ = m.do(func(time.Time) error {
		if relay >= 1 && relay <= channels {
			m.board.stuck[relay-1] = on
		}
		return nil
	})
}

// Switch switches a relay (from 1) as the board's own keys or another master do.
func (m *Sim) Switch(relay int, on bool) {
	_ = m.do(func(now time.Time) error {
		if relay >= 1 && relay <= channels {
			m.board.turn(now, relay-1, on, 0, nil)
		}
		return nil
	})
}

// PowerCycle is what a power cut does: every relay opens.
func (m *Sim) PowerCycle() {
	_ = m.do(func(now time.Time) error {
		for ch := range channels {
			m.board.turn(now, ch, false, 0, nil)
		}
		m.gate.note("power", "断电重启 / power cycled", nil)
		return nil
	})
}

// State is what a board and its gate show.
type State struct {
	Board      Board          `json:"board"`
	Visitor    Visitor        `json:"visitor"`
	WalkMs     int64          `json:"walk_ms"`
	Relays     [channels]bool `json:"relays"`
	Inputs     [channels]bool `json:"inputs"`
	EntryOpen  bool           `json:"entry_open"`
	ExitOpen   bool           `json:"exit_open"`
	EntryCount uint32         `json:"entry_count"` // people, for the simulation: the board counts nothing
	ExitCount  uint32         `json:"exit_count"`
	Fire       bool           `json:"fire"`
	Alarm      bool           `json:"alarm"`
}

// State reports how the board is.
func (m *Sim) State() (s State) {
	_ = m.do(func(time.Time) error {
		g := &m.gate
		s = State{
			Board: m.board.set.Board, Visitor: g.set.Visitor, WalkMs: g.set.walk().Milliseconds(),
			Relays: m.board.on, Inputs: m.inputs(), EntryOpen: g.open[Entry], ExitOpen: g.open[Exit],
			EntryCount: g.counts[Entry], ExitCount: g.counts[Exit], Fire: g.fire, Alarm: g.alarm,
		}
		return nil
	})
	return s
}
