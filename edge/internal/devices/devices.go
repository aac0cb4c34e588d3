// Package devices owns the station's drivers: it opens their ports, runs them, opens again what was
// unplugged, keeps their health, and hands what they report to whoever subscribed.
//
// It knows ports, drivers and devices by name. It must not know lanes or tickets: a lane subscribes
// and gives orders through a handle. It is the only package that imports drivers/all and drivers/port.
package devices

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/all"
	"yipiao/drivers/port"
	"yipiao/drivers/port/bridgeport"
)

// Standard returns a registry with every protocol of this build.
func Standard() *drivers.Registry {
	var r drivers.Registry
	all.Register(&r)
	return &r
}

// A Set is the station's devices. Its methods may be called from any goroutine.
type Set struct {
	log    *slog.Logger
	units  []*unit
	byName map[string]*unit
	open   func(context.Context, Port) (port.Port, error)
	trust  *bridgeport.Trust // nil: no bridge is used

	healthMu sync.Mutex // one health callback at a time; guards the field below
	onHealth func(Status)
}

// New validates the configuration and makes the drivers. It opens nothing. The error joins a
// *ConfigError for everything that is wrong. A nil registry means Standard.
func New(cfg []Config, reg *drivers.Registry, log *slog.Logger) (*Set, error) {
	if reg == nil {
		reg = Standard()
	}
	units, err := build(cfg, reg)
	if err != nil {
		return nil, err
	}
	s := &Set{log: log, units: units, byName: make(map[string]*unit)}
	s.open = s.openPort
	for _, u := range units {
		u.log = log.With("device", u.cfg.Name)
		u.health = s.tellHealth
		s.byName[u.cfg.Name] = u
	}
	return s, nil
}

// Trust says how bridges are spoken to; call it before Run where a device has a port behind one.
func (s *Set) Trust(t bridgeport.Trust) { s.trust = &t }

// OnHealth sets what is called when something of a device has changed that people want to know: state, note,
// firmware, number, or what a printer says; call it before Run. Calls come one at a time, each device's in
// order.
func (s *Set) OnHealth(fn func(Status)) {
	s.healthMu.Lock()
	defer s.healthMu.Unlock()
	s.onHealth = fn
}

func (s *Set) tellHealth(st Status) {
	s.healthMu.Lock()
	defer s.healthMu.Unlock()
	if s.onHealth != nil {
		s.onHealth(st)
	}
}

// Run keeps the devices running until ctx is done and returns nil after every driver has ended, every
// port is closed and every event has been delivered.
func (s *Set) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for i, u := range s.units {
		wait := newBackoff(uint64(time.Now().UnixNano()), uint64(i))
		all.Go(func() {
			u.supervise(ctx, u.opener(s.open), wait)
			u.queue.close()
		})
		all.Go(u.queue.deliver)
	}
	<-ctx.Done() // a set without devices runs too
	all.Wait()
	return nil
}

// A Status is how one device is, for pages and for the journal.
type Status struct {
	Name     string
	Kind     string
	Title    string // of the kind, Chinese first
	Port     string // the line, as "/dev/ttyUSB0 9600 8N1"
	State    drivers.State
	Note     string    // what is wrong, short, English; "" while nothing is
	Since    time.Time // when it came into this state; zero before Run
	LastGood time.Time // last good frame; zero if none yet
	Frames   uint64    // good frames since the station started
	Errors   uint64    // bad ones
	Opens    uint64    // how often the port has been opened
	Firmware string    // as the device tells it, "" where it does not
	Serial   string    // the device's own number, likewise
	// Printer is what a printer says of its paper, cover and the like; nil for other devices and before it
	// has said anything. Do not change it.
	Printer *drivers.PrinterStatus
}

// Snapshot reports all devices in the order of the configuration.
func (s *Set) Snapshot() []Status {
	list := make([]Status, len(s.units))
	for i, u := range s.units {
		list[i] = u.snapshot()
	}
	return list
}

// Status reports one device; ok is false for a name that is not configured.
func (s *Set) Status(name string) (st Status, ok bool) {
	u, ok := s.byName[name]
	if !ok {
		return Status{}, false
	}
	return u.snapshot(), true
}

// Scanner finds a device whose scans a lane wants.
func (s *Set) Scanner(name string) (*Scanner, error) {
	u, ok := s.byName[name]
	if !ok {
		return nil, fmt.Errorf("no device %q is configured", name)
	}
	if !u.kind.Scans {
		return nil, fmt.Errorf("device %q (%s) reads no codes", name, u.kind.Name)
	}
	return &Scanner{u: u}, nil
}

// Gate finds a device that opens for one person.
func (s *Set) Gate(name string) (*Gate, error) {
	u, ok := s.byName[name]
	if !ok {
		return nil, fmt.Errorf("no device %q is configured", name)
	}
	gate, ok := u.dev.(drivers.Gate)
	if !ok {
		return nil, fmt.Errorf("device %q (%s) is no gate", name, u.kind.Name)
	}
	counter, _ := u.dev.(drivers.PassageCounter)
	return &Gate{u: u, gate: gate, counter: counter}, nil
}
