package tpwgate

import (
	"errors"
	"fmt"
	"time"
)

// A Direction is a way through the gate.
type Direction int

// Directions.
const (
	Entry Direction = iota
	Exit
)

var names = [...]struct{ zh, en string }{{"入口", "entry"}, {"出口", "exit"}}

// A Visitor is what the person in front of the gate does once it opens.
type Visitor string

// Visitors.
const (
	Walk   Visitor = "walk"   // walks through after a moment
	Stay   Visitor = "stay"   // never does
	Manual Visitor = "manual" // waits for Pass
	Follow Visitor = "follow" // walks through, and somebody without a permit follows
)

func (v Visitor) validate() error {
	switch v {
	case Walk, Stay, Manual, Follow:
		return nil
	}
	return fmt.Errorf("visitor %q is not one of walk, stay, manual, follow", v)
}

// Modes of a direction.
const (
	controlled = 0x30
	free       = 0x31
	forbidden  = 0x32
	freeCard   = 0x33
)

// ErrClosed is returned by Pass while the direction is not free.
var ErrClosed = errors.New("tpwgate: closed")

// A mechanism is the gate without its line. Its methods take the time and are called under the Sim's lock.
type mechanism struct {
	set  Settings
	note func(kind, text string, wire []byte)

	modes    [2]byte
	counting [2]bool
	counts   [2]uint32
	walkAt   [2]time.Time // the visitor sets off
	doneAt   [2]time.Time // somebody is through
	walkers  [2]int       // who are on their way
	refuses  bool         // every command fails
	working  byte
	delay    [3]byte
	speed    byte
	infrared byte
}

func newMechanism(s Settings, note func(kind, text string, wire []byte)) mechanism {
	return mechanism{
		set: s, note: note, modes: [2]byte{controlled, controlled}, working: '0', delay: [3]byte{'0', '0', '5'}, speed: '4', infrared: '3',
	}
}

// setMode makes a direction work in another way.
func (m *mechanism) setMode(now time.Time, d Direction, mode byte, wire []byte) {
	if m.modes[d] == mode {
		return
	}
	m.modes[d] = mode
	m.walkAt[d] = time.Time{}
	text := map[byte]string{controlled: "受控 / controlled", free: "自由通行 / free", forbidden: "禁止 / forbidden", freeCard: "刷卡后自由 / free after a card"}[mode]
	m.note("mode", names[d].zh+text, wire)
	if mode == free && (m.set.Visitor == Walk || m.set.Visitor == Follow) {
		m.walkAt[d] = now.Add(m.set.walk())
	}
}

func (m *mechanism) enter(now time.Time, d Direction, people int) {
	if m.walkers[d] == 0 {
		m.doneAt[d] = now.Add(m.set.pass())
	}
	m.walkers[d] += people
}

func (m *mechanism) leave(now time.Time, d Direction) {
	m.walkers[d]--
	if m.counting[d] {
		m.counts[d]++
	}
	m.note("passed", fmt.Sprintf("通过，%s计数 %d / passed, %s counter=%d", names[d].zh, m.counts[d], names[d].en, m.counts[d]), nil)
	m.doneAt[d] = time.Time{}
	if m.walkers[d] > 0 {
		m.doneAt[d] = now.Add(m.set.pass())
	}
}

// next is when something will happen by itself; zero if nothing will.
func (m *mechanism) next() (at time.Time) {
	for _, times := range [][2]time.Time{m.walkAt, m.doneAt} {
		for _, t := range times {
			if !t.IsZero() && (at.IsZero() || t.Before(at)) {
				at = t
			}
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
		for _, d := range []Direction{Entry, Exit} {
			if m.doneAt[d].Equal(at) {
				m.leave(at, d)
			}
			if m.walkAt[d].Equal(at) {
				m.walkAt[d] = time.Time{}
				people := 1
				if m.set.Visitor == Follow {
					people = 2
				}
				m.enter(at, d, people)
			}
		}
	}
}

// obey carries out a command that is no part of the parameters' conversation; nil is no answer.
func (m *mechanism) obey(now time.Time, typ byte, content, wire []byte) []byte {
	n, known := contents[typ]
	if !known || len(content) != n || m.refuses {
		return frame(failure)
	}
	ok := true
	switch typ {
	case success: // of nothing
		return nil
	case readCount:
		if !between(content, '0', '1') {
			return frame(failure)
		}
		side := Direction(content[0] - '0')
		return frame([]byte{switches, reset}[side], fmt.Appendf(nil, "%06d", m.counts[side])...)
	case sideModes:
		if ok = between(content, controlled, freeCard); ok {
			m.setMode(now, Entry, content[0], wire)
			m.setMode(now, Exit, content[1], wire)
		}
	case switches:
		if ok = between(content, '0', '3'); ok {
			m.counting[(content[0]-'0')/2] = content[0]%2 == 0
		}
	case reset:
		if ok = between(content, '0', '1'); ok {
			m.counts[content[0]-'0'] = 0
		}
	default:
		ok = m.tune(typ, content)
	}
	if !ok {
		return frame(failure)
	}
	return frame(success)
}

// tune takes a parameter that changes nothing here but what the board says of itself.
func (m *mechanism) tune(typ byte, content []byte) bool {
	ranges := map[byte][2]byte{workingMode: {'0', '3'}, delayTime: {'0', '9'}, speed: {'1', '7'}, infrared: {'1', '5'}, panel: {'1', '5'}}
	r := ranges[typ]
	if !between(content, r[0], r[1]) {
		return false
	}
	switch typ {
	case workingMode:
		m.working = content[0]
	case delayTime:
		m.delay = [3]byte(content)
	case speed:
		m.speed = content[0]
	case infrared:
		m.infrared = content[0]
	}
	return true
}

// parameters are what the board says of itself, in the manual's order.
func (m *mechanism) parameters() [][]byte {
	return [][]byte{
		frame(model, []byte("TPW-321ASP")...), frame(version, []byte(m.set.version())...), frame(identity, []byte(m.set.id())...),
		frame(workingMode, m.working), frame(sideModes, m.modes[0], m.modes[1]), frame(delayTime, m.delay[:]...), frame(speed, m.speed),
		frame(switches, fmt.Appendf(nil, "%06d", m.counts[0])...), frame(reset, fmt.Appendf(nil, "%06d", m.counts[1])...),
		frame(infrared, m.infrared),
	}
}
