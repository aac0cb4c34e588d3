package tpw

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/permits"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/port"
)

// Settings of the driver, as in the configuration.
type Settings struct {
	TimeoutMs  int `json:"timeout_ms"`   // how long an answer may take
	PollMs     int `json:"poll_ms"`      // between polls while a permit is open
	IdlePollMs int `json:"idle_poll_ms"` // between polls otherwise
}

func defaults() Settings { return Settings{TimeoutMs: 250, PollMs: 60, IdlePollMs: 500} }

func (s Settings) validate() error {
	return errors.Join(
		settings.Between("timeout_ms", s.TimeoutMs, 50, 2000),
		settings.Between("poll_ms", s.PollMs, 50, 100),
		settings.Between("idle_poll_ms", s.IdlePollMs, 100, 2000),
	)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "tpw", Title: "TPW-321ASP 摆闸 / TPW-321ASP swing gate", New: open,
		Ports: []drivers.PortType{drivers.PortSerial, drivers.PortTCP},
	}
}

func open(raw json.RawMessage) (drivers.Device, error) {
	s := defaults()
	if err := settings.Decode(raw, &s); err != nil {
		return nil, err
	}
	return New(s)
}

// A Gate drives one swing gate. It counts by itself and opens for one person at a time.
type Gate struct {
	set    Settings
	desk   permits.Desk
	raised permits.Alarms // for Run alone

	mu       sync.Mutex // guards the fields below
	counters drivers.Counters
	known    bool // counters have been read
}

var (
	_ drivers.Device         = (*Gate)(nil)
	_ drivers.Gate           = (*Gate)(nil)
	_ drivers.PassageCounter = (*Gate)(nil)
)

// New makes the driver for one gate.
func New(s Settings) (*Gate, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &Gate{set: s}, nil
}

// Run implements drivers.Device. When ctx ends it closes a gate that is open for a permit.
func (g *Gate) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	s := newSession(g, p, emit)
	err := g.desk.Run(func(commands <-chan *permits.Command) error { return s.run(ctx, p, commands) })
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("tpw: %w", err)
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

// Release implements drivers.Gate. Besides the errors of the contract it refuses (ErrRefused) a direction that somebody
// has switched to another mode.
func (g *Gate) Release(ctx context.Context, permit drivers.Permit) error {
	if err := permits.Check(permit); err != nil {
		return err
	}
	return g.desk.Do(ctx, permit)
}

// Withdraw implements drivers.PassageCounter. It waits until who had set off must be through; a permit of this run that
// it closes ends with a Passage before it returns.
func (g *Gate) Withdraw(ctx context.Context, d drivers.Direction) (drivers.Counters, error) {
	return g.desk.Withdraw(ctx, d)
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }
