package relayboard

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

// ErrClosed is returned by Pass while the gate is shut.
var ErrClosed = errors.New("relayboard: the gate is closed")

// A gate is what hangs on the contacts. A relay that closes opens it: for OpenFor and one person, or, where that is 0,
// for as long as the relay stays closed.
type gate struct {
	set  Settings
	note func(kind, text string, wire []byte)

	open    [2]bool
	shutAt  [2]time.Time // by its own time; zero = by the relay
	walkAt  [2]time.Time // the visitor sets off
	doneAt  [2]time.Time // somebody is through
	walkers [2]int       // who are on their way, one behind the other
	signal  [2]time.Time // the contact "passed" closes until then
	counts  [2]uint32
	alarm   bool
	fire    bool
}

// relay is told of a relay of a direction.
func (g *gate) relay(now time.Time, d Direction, on bool) {
	n := names[d]
	switch {
	case on:
		g.open[d], g.shutAt[d] = true, time.Time{}
		if g.set.OpenFor > 0 {
			g.shutAt[d] = now.Add(g.set.OpenFor)
		}
		g.note("open", fmt.Sprintf("%s开门 / %s opens", n.zh, n.en), nil)
		if g.set.Visitor == Walk || g.set.Visitor == Follow {
			g.walkAt[d] = now.Add(g.set.walk())
		}
	case g.set.OpenFor == 0:
		g.shut(d, "关门 / closes")
	}
}

func (g *gate) shut(d Direction, text string) {
	if g.open[d] {
		g.note("closed", names[d].zh+text, nil)
	}
	g.open[d], g.shutAt[d], g.walkAt[d] = false, time.Time{}, time.Time{}
}

// enter lets people start through.
func (g *gate) enter(now time.Time, d Direction, people int) {
	g.walkAt[d] = time.Time{}
	if g.walkers[d] == 0 {
		g.doneAt[d] = now.Add(g.set.pass())
	}
	g.walkers[d] += people
}

// leave counts one who is through.
func (g *gate) leave(now time.Time, d Direction) {
	g.walkers[d]--
	g.counts[d]++
	g.signal[d] = now.Add(g.set.signal())
	g.note("passed", fmt.Sprintf("通过，%s累计 %d / passed, %s total=%d", names[d].zh, g.counts[d], names[d].en, g.counts[d]), nil)
	if !g.shutAt[d].IsZero() { // one person for each pulse
		g.shut(d, "关门 / closes")
	}
	g.doneAt[d] = time.Time{}
	if g.walkers[d] > 0 { // behind the contact of the one before
		g.doneAt[d] = now.Add(2 * g.set.signal())
	}
}

func (g *gate) next() (at time.Time) {
	for _, times := range [][2]time.Time{g.shutAt, g.walkAt, g.doneAt} {
		for _, t := range times {
			if !t.IsZero() && (at.IsZero() || t.Before(at)) {
				at = t
			}
		}
	}
	return at
}

func (g *gate) happen(at time.Time) {
	due := func(t time.Time) bool { return !t.IsZero() && !t.After(at) }
	for _, d := range []Direction{Entry, Exit} {
		if due(g.doneAt[d]) {
			g.leave(at, d)
		}
		if due(g.walkAt[d]) {
			people := 1
			if g.set.Visitor == Follow {
				people = 2
			}
			g.enter(at, d, people)
		}
		if due(g.shutAt[d]) {
			g.shut(d, "超时关门 / closes, nobody came")
		}
	}
}
