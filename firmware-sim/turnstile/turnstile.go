package turnstile

import (
	"context"
	"fmt"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/rtu"
	"yipiao/firmware-sim/tape"
)

// Settings are how a turnstile is built.
type Settings struct {
	Unit      byte          // Modbus address, 0 means 1
	Visitor   Visitor       // "" means Walk
	Walk      time.Duration // from opening until the visitor sets off; 0 means 300 ms
	Pass      time.Duration // time in the lane; 0 means 120 ms
	TakeEarly bool          // a permit is used up on entering the lane and not on leaving it
	State     string        // file which keeps the counters, or ""
}

func (s Settings) unit() byte          { return orDefault(s.Unit, 1) }
func (s Settings) walk() time.Duration { return orDefault(s.Walk, 300*time.Millisecond) }
func (s Settings) pass() time.Duration { return orDefault(s.Pass, 120*time.Millisecond) }

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// A Turnstile is one simulated turnstile.
type Turnstile struct {
	set  Settings
	rec  tape.Recorder
	wake chan struct{}

	mu   sync.Mutex // guards the field below
	mech mechanism
}

var _ board.Device = (*Turnstile)(nil)

// New makes a turnstile, with the counters of its state file where there is one.
func New(s Settings, rec tape.Recorder) (*Turnstile, error) {
	s.Visitor = orDefault(s.Visitor, Walk)
	if err := s.Visitor.validate(); err != nil {
		return nil, err
	}
	t := &Turnstile{set: s, rec: rec, wake: make(chan struct{}, 1)}
	kept, err := loadCounters(s.State)
	if err != nil {
		return nil, err
	}
	t.mech = mechanism{
		set: s, note: rec.Add, save: t.keep,
		counts: [2]uint32{kept.Entry, kept.Exit}, startSecs: 5, finishSecs: 5,
	}
	return t, nil
}

func (v Visitor) validate() error {
	switch v {
	case Walk, Stay, Manual, Follow:
		return nil
	}
	return fmt.Errorf("visitor %q is not one of walk, stay, manual, follow", v)
}

func (t *Turnstile) keep(entry, exit uint32) {
	if err := saveCounters(t.set.State, counters{entry, exit}); err != nil {
		t.rec.Add("state-lost", "计数保存失败 / counters not saved: "+err.Error(), nil)
	}
}

// do runs fn on the mechanism after everything that was due has happened, and lets Run look again.
func (t *Turnstile) do(fn func(m *mechanism, now time.Time) error) error {
	t.mu.Lock()
	now := time.Now()
	t.mech.advance(now)
	err := fn(&t.mech, now)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return err
}

// Run is the turnstile's life apart from its line: permits lapse and visitors walk until ctx is done.
func (t *Turnstile) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		t.mu.Lock()
		t.mech.advance(time.Now())
		next := t.mech.next()
		t.mu.Unlock()
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-timer.C:
		case <-t.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// Serve implements board.Device: it answers Modbus requests.
func (t *Turnstile) Serve(ctx context.Context, line *board.Line) error {
	err := rtu.Serve(ctx, line, func(req []byte) (out []byte) {
		_ = t.do(func(m *mechanism, now time.Time) error {
			out = answer(t.set.unit(), req, registers{m: m, now: now})
			return nil
		})
		return out
	})
	if err != nil {
		return fmt.Errorf("turnstile: %w", err)
	}
	return nil
}
