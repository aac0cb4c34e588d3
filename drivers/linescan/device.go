package linescan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/internal/wake"
	"yipiao/drivers/port"
)

// badRun is how many unusable reads in a row make a scanner worth a technician's look.
const badRun = 3

// glance is the shortest wait for bytes.
const glance = 2 * time.Millisecond

// Settings of the driver, as in the configuration.
type Settings struct {
	IdleMs   int  `json:"idle_ms"`   // silence that ends an unterminated line
	Limit    int  `json:"limit"`     // longest code in bytes
	Tab      bool `json:"tab"`       // TAB ends a line too
	StripAIM bool `json:"strip_aim"` // take "]Q1" and its kind off the front and report it
}

func defaults() Settings { return Settings{IdleMs: 50, Limit: DefaultLimit, StripAIM: true} }

func (s Settings) validate() error {
	return errors.Join(
		settings.Between("idle_ms", s.IdleMs, 5, 2000),
		settings.Between("limit", s.Limit, MinLimit, MaxLimit),
	)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "linescan", Title: "串口扫码器 / Serial line scanner", New: open,
		Ports: []drivers.PortType{drivers.PortSerial, drivers.PortTCP}, Scans: true,
	}
}

func open(raw json.RawMessage) (drivers.Device, error) {
	s := defaults()
	if err := settings.Decode(raw, &s); err != nil {
		return nil, err
	}
	return New(s)
}

// A Scanner drives one line scanner. It only listens.
type Scanner struct{ set Settings }

var _ drivers.Device = (*Scanner)(nil)

// New makes the driver for one scanner.
func New(s Settings) (*Scanner, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &Scanner{set: s}, nil
}

// Run implements drivers.Device.
func (s *Scanner) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	release := wake.OnDone(ctx, p)
	defer release()
	r := &reader{
		set:    s.set,
		framer: Framer{Limit: s.set.Limit, Tab: s.set.Tab, KeepAIM: !s.set.StripAIM},
		emit:   emit,
		vitals: vitals.New(emit),
	}
	r.vitals.Set(drivers.StateOK, "") // an open line is all that a silent scanner can show
	buf := make([]byte, 4096)
	for {
		now := time.Now()
		r.vitals.Flush(now)
		if err := p.SetReadDeadline(r.deadline(now)); err != nil {
			return ended(ctx, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		n, err := p.Read(buf)
		if n > 0 {
			r.take(buf[:n], time.Now())
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.silence(time.Now())
		default:
			return ended(ctx, err)
		}
	}
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("linescan: read: %w", err)
}

// A reader is one run of a Scanner.
type reader struct {
	set    Settings
	framer Framer
	emit   func(drivers.Event)
	vitals *vitals.Tracker
	last   time.Time // when the last byte arrived
	bad    int       // unusable reads in a row
}

// deadline is when silence or a pending health report must be dealt with; zero while neither can
// be. It always lies ahead: a Read whose deadline has passed does not look at the line at all, and
// bytes that arrived while this process was stalled would be taken for silence.
func (r *reader) deadline(now time.Time) time.Time {
	at, ok := r.vitals.Due()
	if r.framer.Pending() {
		idle := r.last.Add(time.Duration(r.set.IdleMs) * time.Millisecond)
		if !ok || idle.Before(at) {
			at, ok = idle, true
		}
	}
	if !ok {
		return time.Time{}
	}
	if soonest := now.Add(glance); at.Before(soonest) {
		return soonest
	}
	return at
}

func (r *reader) take(p []byte, at time.Time) {
	r.last = at
	for len(p) > 0 {
		fr, n, ok := r.framer.Next(p)
		p = p[n:]
		if ok {
			r.report(fr)
		}
	}
}

// silence ends an unterminated line, unless the deadline that passed was another one.
func (r *reader) silence(now time.Time) {
	if now.Sub(r.last) < time.Duration(r.set.IdleMs)*time.Millisecond {
		return
	}
	if fr, ok := r.framer.Idle(); ok {
		r.report(fr)
	}
}

func (r *reader) report(fr Frame) {
	scan := fr.scan()
	scan.At = r.last
	if fr.Fault == drivers.ScanOK {
		r.bad = 0
		r.vitals.Good(r.last)
		r.vitals.Set(drivers.StateOK, "")
	} else {
		r.bad++
		r.vitals.Bad()
		if r.bad >= badRun {
			r.vitals.Set(drivers.StateAttention, fmt.Sprintf("last reads unusable (%s): check speed, parity and cable", fr.Fault))
		}
	}
	r.emit(scan)
}
