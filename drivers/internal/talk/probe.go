package talk

import (
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/vitals"
)

const (
	// lostAfter is how many checks in a row without an answer make a device lost.
	lostAfter = 2
	// againAfter is how soon a check that was not answered is repeated.
	againAfter = 5 * time.Second
	// oneWay is the note on a device that speaks and does not listen.
	oneWay = "codes arrive, but commands are not answered: check the device's command settings and cable"
)

// A Probe says when to ask a silent device whether it is there, and tells its health by the answers. Every is
// the time between checks, which count from the last answer; 0 means that only the first is made.
type Probe struct {
	Every  time.Duration
	Vitals *vitals.Tracker

	due   time.Time
	armed bool
	fails int  // checks in a row without an answer
	heard bool // the device has spoken by itself since the last of them
}

// Start makes the first check due at once.
func (p *Probe) Start(now time.Time) { p.due, p.armed = now, true }

// Due says when the next check is to be made.
func (p *Probe) Due() (at time.Time, ok bool) { return p.due, p.armed }

// Begun is told that a check is under way.
func (p *Probe) Begun() { p.armed = false }

// Answered is told of an answer to a check or a command.
func (p *Probe) Answered(now time.Time) {
	p.fails = 0
	p.Vitals.Set(drivers.StateOK, "")
	p.due, p.armed = now.Add(p.Every), p.Every > 0
}

// Heard is told that the device has sent something by itself.
func (p *Probe) Heard() {
	p.heard = true
	if p.fails > 0 {
		p.Vitals.Set(drivers.StateAttention, oneWay)
		return
	}
	p.Vitals.Set(drivers.StateOK, "")
}

// Failed is told of a check or command without an answer.
func (p *Probe) Failed(now time.Time) {
	p.fails++
	p.due, p.armed = now.Add(againAfter), true
	switch {
	case p.heard:
		p.Vitals.Set(drivers.StateAttention, oneWay)
	case p.fails < lostAfter:
		p.Vitals.Set(drivers.StateAttention, "no answer")
	default:
		p.Vitals.Set(drivers.StateLost, "no answer")
	}
	p.heard = false
}
