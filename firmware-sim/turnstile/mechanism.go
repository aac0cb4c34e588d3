package turnstile

import (
	"errors"
	"fmt"
	"time"

	"yipiao/firmware-sim/rtu"
)

// A Direction is a way through the turnstile.
type Direction int

// Directions.
const (
	Entry Direction = iota
	Exit
)

var directionNames = [...]struct{ zh, en string }{{"入口", "entry"}, {"出口", "exit"}}

// A Visitor is what the person in front of the turnstile does once it opens.
type Visitor string

// Visitors.
const (
	Walk   Visitor = "walk"   // walks through after a moment
	Stay   Visitor = "stay"   // never does
	Manual Visitor = "manual" // waits for Pass
	Follow Visitor = "follow" // walks through, and somebody without a permit follows right behind
)

// free is the permit that never runs out.
const free = 0xFFFF

// Modes of the turnstile, register 0x3000.
const (
	normal = iota
	blocked
	antiPanic
)

// ErrClosed is returned by Pass while no permit is open.
var ErrClosed = errors.New("turnstile: closed, no permit is open")

// ErrOccupied is returned while somebody is in the lane.
var ErrOccupied = errors.New("turnstile: somebody is in the lane")

// A mechanism is the turnstile without its line. Its methods take the time and are called under the
// Turnstile's lock.
type mechanism struct {
	set  Settings
	note func(kind, text string, wire []byte)
	save func(entry, exit uint32)

	permits    [2]uint16
	closeAt    [2]time.Time // an unused permit runs out
	walkAt     [2]time.Time // the visitor sets off
	counts     [2]uint32
	lane       *passage
	faultBits  uint16
	mode       uint16
	accumulate uint16
	startSecs  uint16 // register 0x3011
	finishSecs uint16 // register 0x3012
}

// A passage is a body in the lane.
type passage struct {
	dir    Direction
	until  time.Time
	forced bool
	paid   bool // its permit has been taken already
}

// grant is a write to a permit register.
func (m *mechanism) grant(now time.Time, d Direction, passes uint16, wire []byte) rtu.Refusal {
	name := directionNames[d]
	if passes == 0 {
		had := m.permits[d]
		m.shut(d)
		if had > 0 {
			m.note("withdrawn", fmt.Sprintf("%s许可收回 / %s permit withdrawn", name.zh, name.en), wire)
		}
		return 0
	}
	if m.mode != normal {
		return rtu.Cannot
	}
	if m.accumulate != 0 && m.permits[d] != free && passes != free {
		passes += m.permits[d]
	}
	m.permits[d] = passes
	m.note("permit", fmt.Sprintf("收到放行指令，%s许可 %d / permit written, %s permits=%d", name.zh, passes, name.en, passes), wire)
	m.open(now, d)
	return 0
}

// open starts the clock of a permit, and the visitor.
func (m *mechanism) open(now time.Time, d Direction) {
	m.closeAt[d] = time.Time{}
	if m.permits[d] != free {
		m.closeAt[d] = now.Add(time.Duration(m.startSecs) * time.Second)
	}
	if m.set.Visitor.walks() {
		m.walkAt[d] = now.Add(m.set.walk())
	}
}

func (m *mechanism) shut(d Direction) {
	m.permits[d] = 0
	m.closeAt[d], m.walkAt[d] = time.Time{}, time.Time{}
}

// enter puts a body into the lane.
func (m *mechanism) enter(now time.Time, d Direction, forced bool) error {
	if m.lane != nil {
		return ErrOccupied
	}
	if !forced && m.permits[d] == 0 && m.mode != antiPanic {
		return ErrClosed
	}
	m.closeAt[d], m.walkAt[d] = time.Time{}, time.Time{} // who has started may finish
	m.lane = &passage{dir: d, until: now.Add(m.set.pass()), forced: forced}
	if m.set.TakeEarly {
		m.take(m.lane)
	}
	if forced {
		name := directionNames[d]
		m.note("forced", fmt.Sprintf("有人闯入%s / somebody forces the %s", name.zh, name.en), nil)
	}
	return nil
}

// take uses up one permit for a passage.
func (m *mechanism) take(p *passage) {
	if p.paid || p.forced {
		return
	}
	p.paid = true
	if n := m.permits[p.dir]; n > 0 && n != free {
		m.permits[p.dir]--
	}
}

// leave ends a passage: the counter moves.
func (m *mechanism) leave(now time.Time) {
	p := m.lane
	m.lane = nil
	m.take(p)
	m.counts[p.dir]++
	m.save(m.counts[Entry], m.counts[Exit])
	name := directionNames[p.dir]
	m.note("passed", fmt.Sprintf("通过，%s计数 %d / passed, %s counter=%d", name.zh, m.counts[p.dir], name.en, m.counts[p.dir]), nil)
	if m.permits[p.dir] > 0 {
		m.open(now, p.dir)
	}
	if m.set.Visitor == Follow && !p.forced {
		m.lane = &passage{dir: p.dir, until: now.Add(m.set.pass()), forced: true}
		m.note("tailgated", fmt.Sprintf("有人尾随通过%s / somebody follows through the %s", name.zh, name.en), nil)
	}
}

func (v Visitor) walks() bool { return v == Walk || v == Follow }

// next is when something will happen by itself; zero if nothing will.
func (m *mechanism) next() time.Time {
	var at time.Time
	consider := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if m.lane != nil {
		consider(m.lane.until)
	}
	for d := range m.permits {
		consider(m.closeAt[d])
		if m.lane == nil { // a second visitor waits for the lane
			consider(m.walkAt[d])
		}
	}
	return at
}

// advance lets everything happen that was due by now, in its order.
func (m *mechanism) advance(now time.Time) {
	for {
		at := m.next()
		if at.IsZero() || at.After(now) {
			return
		}
		m.happen(at)
	}
}

func (m *mechanism) happen(at time.Time) {
	if m.lane != nil && m.lane.until.Equal(at) {
		m.leave(at)
		return
	}
	for _, d := range []Direction{Entry, Exit} {
		switch {
		case m.lane == nil && m.walkAt[d].Equal(at):
			m.walkAt[d] = time.Time{}
			_ = m.enter(at, d, false) // a visitor who finds it closed again turns back
			return
		case m.closeAt[d].Equal(at):
			m.shut(d)
			name := directionNames[d]
			m.note("lapsed", fmt.Sprintf("%s许可超时，无人通过 / %s permit lapsed unused", name.zh, name.en), nil)
			return
		}
	}
}
