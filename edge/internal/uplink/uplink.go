// Package uplink watches the station's ways to the cloud: which of them work, which one to use, since when, and
// how old the newest word from the cloud is (sync.md section 6).
//
// It must not know what is exchanged, nor journal anything itself: a change of state is told to its owner.
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
	Online  State = "online"  // the first link works and is used
	Backup  State = "backup"  // another one is used (CINE-7.1.2)
	Extreme State = "extreme" // no path to the cloud (CINE-7.1.2, HO-1)
)

// Reaches reports whether there is a way to the cloud.
func (s State) Reaches() bool { return s == Online || s == Backup }

// A Link is one way to the cloud.
type Link struct {
	Name string // as people know it, such as 有线 or 4G
	// Probe asks the cloud for its clock over this link alone, Unix milliseconds.
	Probe func(ctx context.Context) (int64, error)
}

// LinkStatus is what pages show of one link.
type LinkStatus struct {
	Name      string
	Known     bool // it has been probed
	Up        bool
	LastHeard time.Time // newest answer to a probe
	RoundTrip time.Duration
	LastError string // of the newest failure, technical
}

// Status is what pages show.
type Status struct {
	State     State
	Since     time.Time
	LastHeard time.Time     // newest answer of any kind
	RoundTrip time.Duration // of the link in use
	LastError string        // of the newest failure, technical
	Active    int           // the link in use, -1 for none
	Links     []LinkStatus
}

// Config is what a Monitor needs.
type Config struct {
	Links []Link // the first is used when it works, then the second, and so on
	// Was is the state of before the start, so that only a change is told; Unknown for none.
	Was State
	// Measured is told every answer's clock with the times between which it was asked.
	Measured func(cloudMs int64, sent, got time.Time)
	// Changed is told every change of state, one at a time, before it shows in Status. link is the name of
	// the link in use from now on, "" for none.
	Changed func(ctx context.Context, from, to State, link string)
	// Answer reports whether an error of a call is the cloud's own answer: then the link is in order.
	Answer   func(error) bool
	Every    time.Duration // between probes; a quarter of it after a failure
	Deadline time.Duration // of one probe
	Log      *slog.Logger
}

// A Monitor is safe for concurrent use.
type Monitor struct {
	cfg   Config
	kicks []chan struct{} // of each link: probe it now

	telling sync.Mutex // one change is told at a time; taken before mu

	mu      sync.Mutex // guards the fields below
	machine machine
	status  Status
	told    State           // to Changed
	carries string          // the link that was told with it
	dead    []chan struct{} // of each link: closed while it does not work and another one is used
}

// New checks the configuration.
func New(cfg Config) (*Monitor, error) {
	if len(cfg.Links) == 0 || cfg.Changed == nil || cfg.Measured == nil || cfg.Answer == nil || cfg.Every <= 0 || cfg.Deadline <= 0 {
		return nil, errors.New("uplink: links, callbacks and times are required")
	}
	if cfg.Was == "" {
		cfg.Was = Unknown
	}
	n := len(cfg.Links)
	m := &Monitor{cfg: cfg, machine: newMachine(n), told: cfg.Was, status: Status{State: Unknown, Active: -1, Links: make([]LinkStatus, n)}}
	for i, l := range cfg.Links {
		if l.Probe == nil {
			return nil, errors.New("uplink: a link needs a probe")
		}
		m.status.Links[i].Name = l.Name
		m.kicks = append(m.kicks, make(chan struct{}, 1))
		m.dead = append(m.dead, make(chan struct{}))
	}
	return m, nil
}

// Status returns the present state.
func (m *Monitor) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := m.status
	st.Links = append([]LinkStatus(nil), st.Links...)
	return st
}

// Heard notes an answer of the cloud to something else, for the age of data.
func (m *Monitor) Heard(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.After(m.status.LastHeard) {
		m.status.LastHeard = at
	}
}

// Run probes every link until ctx ends.
func (m *Monitor) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for i := range m.cfg.Links {
		all.Go(func() { m.watch(ctx, i) })
	}
	all.Wait()
	return nil
}

func (m *Monitor) watch(ctx context.Context, i int) {
	for ctx.Err() == nil {
		ok := m.probe(ctx, i)
		if ctx.Err() != nil {
			return
		}
		m.outcome(ctx, i, ok)
		wait := m.cfg.Every
		if !ok || !m.up(i) {
			wait /= 4
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-m.kicks[i]:
			t.Stop()
		case <-ctx.Done():
			t.Stop()
		}
	}
}

func (m *Monitor) up(i int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.machine.paths[i].up
}

func (m *Monitor) probe(ctx context.Context, i int) bool {
	bounded, cancel := context.WithTimeout(ctx, m.cfg.Deadline)
	defer cancel()
	sent := time.Now()
	ms, err := m.cfg.Links[i].Probe(bounded)
	got := time.Now()
	m.mu.Lock()
	l := &m.status.Links[i]
	if err != nil {
		l.LastError, m.status.LastError = err.Error(), err.Error()
	} else {
		l.LastHeard, l.RoundTrip = got, got.Sub(sent)
		if got.After(m.status.LastHeard) {
			m.status.LastHeard = got
		}
	}
	m.mu.Unlock()
	if err == nil {
		m.cfg.Measured(ms, sent, got)
	}
	return err == nil
}

// outcome takes the result of one probe, tells what has changed and then shows it.
func (m *Monitor) outcome(ctx context.Context, i int, ok bool) {
	m.telling.Lock()
	defer m.telling.Unlock()
	m.mu.Lock()
	shown := m.status.State
	m.machine.outcome(i, ok)
	state, active := m.machine.state, m.machine.active
	from, name := m.told, ""
	if active >= 0 {
		name = m.cfg.Links[active].Name
	}
	tell := state != Unknown && (from != state || state == Backup && m.carries != "" && m.carries != name)
	if state != Unknown {
		m.told, m.carries = state, name
	}
	m.mark()
	m.mu.Unlock()
	if tell {
		m.cfg.Log.Info("uplink changed", "from", string(from), "to", string(state), "link", name)
		m.cfg.Changed(ctx, from, state, name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if shown != state {
		m.status.State, m.status.Since = state, time.Now()
	}
	m.status.Active = active
	if active >= 0 {
		m.status.RoundTrip = m.status.Links[active].RoundTrip
	}
}

// mark closes and reopens what calls under way look at. It is called under mu.
func (m *Monitor) mark() {
	for i := range m.machine.paths {
		p := &m.machine.paths[i]
		m.status.Links[i].Known, m.status.Links[i].Up = p.known, p.up
		closed := isClosed(m.dead[i])
		switch gone := !p.up && m.machine.active >= 0 && m.machine.active != i; {
		case gone && !closed:
			close(m.dead[i])
		case !gone && closed:
			m.dead[i] = make(chan struct{})
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
