// Package codeline reports the codes of a scanner that sends them as lines among other things: it cuts them
// with linescan's framer, emits them and keeps the scanner's health.
//
// It knows lines and scans. It must not know what else a scanner sends.
package codeline

import (
	"errors"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/linescan"
)

// badRun is how many unusable reads in a row make a scanner worth a technician's look.
const badRun = 3

// Settings are the part of a driver's settings which is about lines.
type Settings struct {
	IdleMs   int  `json:"idle_ms"`   // silence that ends an unterminated line
	Limit    int  `json:"limit"`     // longest code in bytes
	StripAIM bool `json:"strip_aim"` // take "]Q1" and its kind off the front and report it
}

// Defaults are settings that suit any scanner.
func Defaults() Settings {
	return Settings{IdleMs: 50, Limit: linescan.DefaultLimit, StripAIM: true}
}

// Validate names what is out of range.
func (s Settings) Validate() error {
	return errors.Join(
		settings.Between("idle_ms", s.IdleMs, 5, 2000),
		settings.Between("limit", s.Limit, linescan.MinLimit, linescan.MaxLimit),
	)
}

// A Reader makes scans of bytes. It belongs to the goroutine of a run.
type Reader struct {
	idle   time.Duration
	framer linescan.Framer
	emit   func(drivers.Event)
	vitals *vitals.Tracker
	well   func() // told of a good read
	last   time.Time
	bad    int
}

// NewReader makes a reader. well is called for each good read and says what that means for the health.
func NewReader(s Settings, emit func(drivers.Event), v *vitals.Tracker, well func()) *Reader {
	return &Reader{
		idle:   time.Duration(s.IdleMs) * time.Millisecond,
		framer: linescan.Framer{Limit: s.Limit, KeepAIM: !s.StripAIM},
		emit:   emit, vitals: v, well: well,
	}
}

// Take is given bytes of lines.
func (r *Reader) Take(p []byte, at time.Time) {
	r.last = at
	for len(p) > 0 {
		fr, n, ok := r.framer.Next(p)
		p = p[n:]
		if ok {
			r.report(fr)
		}
	}
}

// Due is when silence ends what has begun; ok is false while nothing has.
func (r *Reader) Due() (at time.Time, ok bool) { return r.last.Add(r.idle), r.framer.Pending() }

// Idle ends what has begun: the line has been silent, or something came that is not of a line.
func (r *Reader) Idle() {
	if fr, ok := r.framer.Idle(); ok {
		r.report(fr)
	}
}

func (r *Reader) report(fr linescan.Frame) {
	if fr.Fault == drivers.ScanOK {
		r.bad = 0
		r.vitals.Good(r.last)
		r.well()
	} else {
		r.bad++
		r.vitals.Bad()
		if r.bad >= badRun {
			r.vitals.Set(drivers.StateAttention, fmt.Sprintf("last reads unusable (%s): check the scanner's settings and cable", fr.Fault))
		}
	}
	r.emit(drivers.Scan{Data: fr.Data, AIM: fr.AIM, Bytes: fr.Bytes, Fault: fr.Fault, At: r.last})
}
