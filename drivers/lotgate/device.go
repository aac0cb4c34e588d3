package lotgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/port"
)

// Settings of the driver, as in the configuration.
type Settings struct {
	Unit       int `json:"unit"`         // Modbus address
	TimeoutMs  int `json:"timeout_ms"`   // how long an answer may take
	GapMs      int `json:"gap_ms"`       // silence between frames: 4 at 9600 baud, 2 from 19200 up
	PollMs     int `json:"poll_ms"`      // between polls while a permit is open
	IdlePollMs int `json:"idle_poll_ms"` // between polls otherwise
}

func defaults() Settings {
	return Settings{Unit: 1, TimeoutMs: 500, GapMs: 4, PollMs: 60, IdlePollMs: 500}
}

func (s Settings) validate() error {
	return errors.Join(
		settings.Between("unit", s.Unit, 1, 247),
		settings.Between("timeout_ms", s.TimeoutMs, 20, 5000),
		settings.Between("gap_ms", s.GapMs, 1, 100),
		settings.Between("poll_ms", s.PollMs, 50, 100),
		settings.Between("idle_poll_ms", s.IdlePollMs, 100, 2000),
	)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "lotgate", Title: "LOT 闸机 (Modbus RTU) / LOT turnstile", New: open,
		Ports: []drivers.PortType{drivers.PortSerial, drivers.PortTCP}, Bus: true,
	}
}

func open(raw json.RawMessage) (drivers.Device, error) {
	s := defaults()
	if err := settings.Decode(raw, &s); err != nil {
		return nil, err
	}
	return New(s)
}

// A Gate drives one turnstile. It counts by itself and opens for one person at a time.
type Gate struct {
	set    Settings
	raised map[drivers.AlarmKind]string // alarms which are on, with their notes; for Run alone

	mu       sync.Mutex // guards the fields below
	running  *session
	counters drivers.Counters
	known    bool // counters have been read
}

var (
	_ drivers.Device         = (*Gate)(nil)
	_ drivers.Gate           = (*Gate)(nil)
	_ drivers.PassageCounter = (*Gate)(nil)
)

// New makes the driver for one turnstile.
func New(s Settings) (*Gate, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &Gate{set: s, raised: make(map[drivers.AlarmKind]string)}, nil
}

// Run implements drivers.Device.
func (g *Gate) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	s := newSession(g, p, emit)
	g.attach(s)
	err := s.run(ctx, p)
	g.attach(nil)
	s.end()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("lotgate: %w", err)
}

func (g *Gate) attach(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = s
}

func (g *Gate) session() *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running
}

// LastCounters implements drivers.PassageCounter.
func (g *Gate) LastCounters() (c drivers.Counters, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counters, g.known
}

func (g *Gate) setCounters(c drivers.Counters) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counters, g.known = c, true
}

// Release implements drivers.Gate. Besides the errors of the contract it refuses (ErrRefused) while
// the turnstile is blocked or stands open for a fire.
func (g *Gate) Release(ctx context.Context, permit drivers.Permit) error {
	if err := check(permit); err != nil {
		return err
	}
	_, err := g.do(ctx, &command{ctx: ctx, permit: permit, direction: permit.Direction, release: true})
	return err
}

// Withdraw implements drivers.PassageCounter. If somebody is in the lane it waits until the person is
// through, so that the passage is in the counters; a permit of this run that it closes ends with a Passage
// before Withdraw returns.
func (g *Gate) Withdraw(ctx context.Context, d drivers.Direction) (drivers.Counters, error) {
	if d != drivers.Entry && d != drivers.Exit {
		return drivers.Counters{}, fmt.Errorf("lotgate: direction %d is neither entry nor exit", d)
	}
	return g.do(ctx, &command{ctx: ctx, direction: d})
}

func (g *Gate) do(ctx context.Context, c *command) (drivers.Counters, error) {
	c.done = make(chan struct{})
	s := g.session()
	if s == nil {
		return drivers.Counters{}, drivers.ErrNotRunning
	}
	select {
	case s.commands <- c:
	case <-s.ended:
		return drivers.Counters{}, drivers.ErrNotRunning
	case <-ctx.Done():
		return drivers.Counters{}, ctx.Err()
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if c.abandon() {
			return drivers.Counters{}, ctx.Err()
		}
		<-c.done
	}
	return c.counters, c.err
}

func check(p drivers.Permit) error {
	if p.Direction != drivers.Entry && p.Direction != drivers.Exit {
		return fmt.Errorf("lotgate: permit %d: direction %d is neither entry nor exit", p.ID, p.Direction)
	}
	if p.For < time.Second || p.For > time.Minute || p.For%time.Second != 0 {
		return fmt.Errorf("lotgate: permit %d for %v: want whole seconds, 1 s to 60 s", p.ID, p.For)
	}
	return nil
}
