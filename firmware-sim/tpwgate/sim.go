package tpwgate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

const (
	// frameGap ends a command that broke off.
	frameGap = 20 * time.Millisecond
	// answerWithin is how long the board waits for the PC between two parameters.
	answerWithin = 2 * time.Second
)

// Settings are how a gate is built.
type Settings struct {
	Visitor Visitor       // "" means Walk
	Walk    time.Duration // from opening until the visitor sets off; 0 means 300 ms
	Pass    time.Duration // on the way through; 0 means 120 ms
	Version string        // "" means V1.2
	ID      string        // "" means 000001
}

func (s Settings) walk() time.Duration { return orDefault(s.Walk, 300*time.Millisecond) }
func (s Settings) pass() time.Duration { return orDefault(s.Pass, 120*time.Millisecond) }
func (s Settings) version() string     { return orDefault(s.Version, "V1.2") }
func (s Settings) id() string          { return orDefault(s.ID, "000001") }

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// A Sim is one simulated gate. It is safe for concurrent use.
type Sim struct {
	rec  tape.Recorder
	wake chan struct{}

	mu   sync.Mutex // guards the field below; never held while waiting
	mech mechanism
}

var _ board.Device = (*Sim)(nil)

// New makes a gate.
func New(s Settings, rec tape.Recorder) (*Sim, error) {
	s.Visitor = orDefault(s.Visitor, Walk)
	if err := s.Visitor.validate(); err != nil {
		return nil, err
	}
	return &Sim{rec: rec, wake: make(chan struct{}, 1), mech: newMechanism(s, rec.Add)}, nil
}

// do runs fn after everything that was due has happened, and lets Run look again.
func (m *Sim) do(fn func(g *mechanism, now time.Time) error) error {
	m.mu.Lock()
	now := time.Now()
	m.mech.advance(now)
	err := fn(&m.mech, now)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return err
}

// Run is the gate's life apart from its line, until ctx is done.
func (m *Sim) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		m.mu.Lock()
		m.mech.advance(time.Now())
		next := m.mech.next()
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

// Serve implements board.Device.
func (m *Sim) Serve(ctx context.Context, line *board.Line) error {
	stopped := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stopped()
	c := conversation{sim: m, line: line}
	var pending []byte
	buf := make([]byte, 256)
	for {
		var until time.Time
		if len(pending) > 0 {
			until = time.Now().Add(frameGap)
		}
		if err := line.SetReadDeadline(until); err != nil {
			return fmt.Errorf("tpwgate: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		n, err := line.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case board.Quiet(err):
			pending = nil
		case err != nil:
			return fmt.Errorf("tpwgate: %w", err)
		}
		pending = append(pending, buf[:n]...)
		for {
			typ, content, used, ok := next(pending)
			wire := pending[:used]
			pending = pending[used:]
			if !ok {
				break
			}
			c.take(typ, content, wire)
		}
	}
}

// A conversation is one line to a PC, and how far the parameters have been told.
type conversation struct {
	sim  *Sim
	line *board.Line

	greeted time.Time // the connection was asked for, and the parameters may be
	rest    [][]byte  // parameters that follow
	until   time.Time // the PC's answer to the last one is due
}

// take answers one command.
func (c *conversation) take(typ byte, content, wire []byte) {
	now := time.Now()
	var out []byte
	_ = c.sim.do(func(g *mechanism, now time.Time) error {
		switch {
		case (typ == success || typ == connect) && len(c.rest) > 0 && now.Before(c.until): // the manual has both
			out, c.rest = c.rest[0], c.rest[1:]
		case typ == connect && len(content) == 0 && now.Before(c.greeted.Add(answerWithin)):
			all := g.parameters()
			out, c.rest, c.greeted = all[0], all[1:], time.Time{}
		case typ == connect && len(content) == 0:
			out, c.rest, c.greeted = frame(connect), nil, now
		default:
			c.rest = nil
			out = g.obey(now, typ, content, wire)
		}
		return nil
	})
	c.until = now.Add(answerWithin)
	if out != nil {
		_, _ = c.line.Write(out) // a line that fails here fails the next Read
	}
}
