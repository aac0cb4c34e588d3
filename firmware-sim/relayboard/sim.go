package relayboard

import (
	"context"
	"fmt"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/rtu"
	"yipiao/firmware-sim/tape"
)

// A Board is a make of relay board.
type Board string

// Boards.
const (
	Waveshare Board = "waveshare"
	LCTech    Board = "lctech"
)

// Settings are how a board and its gate are built. Relays 1 and 2 open entry and exit; inputs 1 to 4 are entry passed,
// exit passed, alarm, fire.
type Settings struct {
	Board   Board         // "" means Waveshare
	Unit    byte          // Modbus address, 0 means 1 (Waveshare) or 255 (LC-Tech)
	OnFor   uint16        // LC-Tech: the code that pulses on, 4 (also 0) or 2
	OpenFor time.Duration // the gate's own time after a pulse; 0 means as long as the relay is closed
	Visitor Visitor       // "" means Walk
	Walk    time.Duration // from opening until the visitor sets off; 0 means 300 ms
	Pass    time.Duration // on the way through; 0 means 120 ms
	Signal  time.Duration // how long a contact "passed" closes; 0 means 300 ms
	Closed  []int         // inputs whose contact is normally closed, from 1
}

func (s Settings) walk() time.Duration   { return orDefault(s.Walk, 300*time.Millisecond) }
func (s Settings) pass() time.Duration   { return orDefault(s.Pass, 120*time.Millisecond) }
func (s Settings) signal() time.Duration { return orDefault(s.Signal, 300*time.Millisecond) }
func (s Settings) onFor() uint16         { return orDefault(s.OnFor, 4) }

func (s Settings) unit() byte {
	if s.Unit == 0 && s.Board == LCTech {
		return 255
	}
	return orDefault(s.Unit, 1)
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// A Sim is one simulated board with its gate. It is safe for concurrent use.
type Sim struct {
	rec  tape.Recorder
	wake chan struct{}

	mu    sync.Mutex // guards the fields below; never held while waiting
	board contacts
	gate  gate
}

var _ board.Device = (*Sim)(nil)

// New makes a board with its gate.
func New(s Settings, rec tape.Recorder) (*Sim, error) {
	s.Board, s.Visitor = orDefault(s.Board, Waveshare), orDefault(s.Visitor, Walk)
	if err := s.Visitor.validate(); err != nil {
		return nil, err
	}
	if s.Board != Waveshare && s.Board != LCTech {
		return nil, fmt.Errorf("board %q is not one of waveshare, lctech", s.Board)
	}
	m := &Sim{rec: rec, wake: make(chan struct{}, 1), gate: gate{set: s, note: rec.Add}}
	m.board = contacts{set: s, turned: m.turned, inputs: m.inputs}
	return m, nil
}

// turned is called under mu.
func (m *Sim) turned(now time.Time, channel int, on bool, wire []byte) {
	text := "断开 / opens"
	if on {
		text = "吸合 / closes"
	}
	m.rec.Add("relay", fmt.Sprintf("继电器 %d %s (relay %d)", channel+1, text, channel+1), wire)
	if channel <= int(Exit) {
		m.gate.relay(now, Direction(channel), on)
	}
}

// inputs is called under mu.
func (m *Sim) inputs() (in [channels]bool) {
	now := time.Now()
	in[0], in[1] = now.Before(m.gate.signal[Entry]), now.Before(m.gate.signal[Exit])
	in[2], in[3] = m.gate.alarm, m.gate.fire
	for _, c := range m.gate.set.Closed {
		if c >= 1 && c <= channels {
			in[c-1] = !in[c-1]
		}
	}
	return in
}

// advance lets everything happen that was due by now, in its order. It is called under mu.
func (m *Sim) advance(now time.Time) (next time.Time) {
	for {
		b, g := m.board.next(), m.gate.next()
		next = b
		if b.IsZero() || !g.IsZero() && g.Before(b) {
			next = g
		}
		if next.IsZero() || next.After(now) {
			return next
		}
		m.board.release(next)
		m.gate.happen(next)
	}
}

// do runs fn after everything that was due has happened, and lets Run look again.
func (m *Sim) do(fn func(now time.Time) error) error {
	m.mu.Lock()
	now := time.Now()
	m.advance(now)
	err := fn(now)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return err
}

// Run is the board's life apart from its line, until ctx is done.
func (m *Sim) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		m.mu.Lock()
		next := m.advance(time.Now())
		m.mu.Unlock()
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
		select {
		case <-timer.C:
		case <-m.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// Serve implements board.Device: it answers Modbus requests.
func (m *Sim) Serve(ctx context.Context, line *board.Line) error {
	err := rtu.Serve(ctx, line, func(req []byte) (out []byte) {
		_ = m.do(func(now time.Time) error {
			out = m.board.answer(now, req)
			return nil
		})
		return out
	})
	if err != nil {
		return fmt.Errorf("relayboard: %w", err)
	}
	return nil
}
