// Package uplink watches the station's way to the cloud: whether it works, since when, and how old the
// newest word from the cloud is.
//
// It must not know what is exchanged, nor journal anything itself: a change of state is told to its
// owner. There is one uplink so far, so the states are online and extreme (HO-1).
package uplink

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// A State is what the station can reach.
type State string

// States.
const (
	Unknown State = "unknown" // nothing tried yet
	Online  State = "online"
	Extreme State = "extreme" // no path to the cloud (CINE-7.1.2)
)

// Hysteresis: so many answers in a row change the state, so that a single lost packet does not.
const (
	failsToExtreme = 2
	goodToOnline   = 2
)

// Status is what pages show.
type Status struct {
	State     State
	Since     time.Time
	LastHeard time.Time // newest answer of any kind
	RoundTrip time.Duration
	LastError string // of the newest failure, technical
}

// machine is the pure part: outcomes in, state out.
type machine struct {
	state State
	fails int
	good  int
}

// outcome takes the result of one probe and reports whether the state changed.
func (m *machine) outcome(ok bool) bool {
	before := m.state
	if ok {
		m.good, m.fails = m.good+1, 0
	} else {
		m.good, m.fails = 0, m.fails+1
	}
	switch {
	case m.state == Unknown && ok, m.good >= goodToOnline:
		m.state = Online
	case m.state == Unknown, m.fails >= failsToExtreme:
		m.state = Extreme
	}
	return m.state != before
}

// Config is what a Monitor needs.
type Config struct {
	// Probe asks the cloud for its clock, Unix milliseconds.
	Probe func(ctx context.Context) (int64, error)
	// Measured is told every answer's clock with the times between which it was asked.
	Measured func(cloudMs int64, sent, got time.Time)
	// Changed is told every change of state, one at a time, before it shows in Status.
	Changed  func(ctx context.Context, from, to State)
	Every    time.Duration // between probes; a quarter of it after a failure
	Deadline time.Duration // of one probe
	Log      *slog.Logger
}

// A Monitor is safe for concurrent use.
type Monitor struct {
	cfg Config

	mu     sync.Mutex
	status Status
}

// New checks the configuration.
func New(cfg Config) (*Monitor, error) {
	if cfg.Probe == nil || cfg.Changed == nil || cfg.Measured == nil || cfg.Every <= 0 || cfg.Deadline <= 0 {
		return nil, errors.New("uplink: probe, callbacks and times are required")
	}
	return &Monitor{cfg: cfg, status: Status{State: Unknown}}, nil
}

// Status returns the present state.
func (m *Monitor) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

// Heard notes an answer of the cloud to something else, for the age of data.
func (m *Monitor) Heard(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.After(m.status.LastHeard) {
		m.status.LastHeard = at
	}
}

// Run probes until ctx ends.
func (m *Monitor) Run(ctx context.Context) error {
	machine := machine{state: Unknown}
	for ctx.Err() == nil {
		ok := m.probe(ctx)
		if ctx.Err() != nil {
			return nil
		}
		before := machine.state
		if machine.outcome(ok) {
			m.changed(ctx, before, machine.state)
		}
		wait := m.cfg.Every
		if !ok || machine.state != Online {
			wait /= 4
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
	return nil
}

func (m *Monitor) probe(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, m.cfg.Deadline)
	defer cancel()
	sent := time.Now()
	ms, err := m.cfg.Probe(bounded)
	got := time.Now()
	m.mu.Lock()
	if err != nil {
		m.status.LastError = err.Error()
	} else {
		m.status.LastHeard, m.status.RoundTrip = got, got.Sub(sent)
	}
	m.mu.Unlock()
	if err == nil {
		m.cfg.Measured(ms, sent, got)
	}
	return err == nil
}

func (m *Monitor) changed(ctx context.Context, from, to State) {
	m.cfg.Log.Info("uplink changed", "from", string(from), "to", string(to))
	m.cfg.Changed(ctx, from, to)
	m.mu.Lock()
	m.status.State, m.status.Since = to, time.Now()
	m.mu.Unlock()
}
