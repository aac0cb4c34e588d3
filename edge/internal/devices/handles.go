package devices

import (
	"context"
	"errors"

	"yipiao/drivers"
)

// ErrNoCounter is returned by Withdraw of a gate that does not count by itself.
var ErrNoCounter = errors.New("devices: gate has no counters of its own")

// A Scanner is one configured reader.
type Scanner struct{ u *unit }

// Name is the device's name in the configuration.
func (s *Scanner) Name() string { return s.u.cfg.Name }

// Status reports how it is.
func (s *Scanner) Status() Status { return s.u.snapshot() }

// Subscribe calls fn for every scan, faulty ones included, one after another on a goroutine of the
// Set, until cancel. fn may block: later scans then wait, and beyond a few dozen they are dropped and
// counted as errors. Scan.At tells how old one is.
func (s *Scanner) Subscribe(fn func(drivers.Scan)) (cancel func()) {
	return s.u.queue.subscribe(func(e any) {
		if scan, ok := e.(drivers.Scan); ok {
			fn(scan)
		}
	})
}

// A Gate is one configured gate.
type Gate struct {
	u       *unit
	gate    drivers.Gate
	counter drivers.PassageCounter // nil if it does not count
}

var _ drivers.Gate = (*Gate)(nil)
var _ drivers.PassageCounter = (*Gate)(nil)

// An Up says that a gate can be used again, or for the first time.
type Up struct {
	// NewRun is true when the driver has started anew: what it was told before is forgotten, and a
	// permit of then will have no Passage any more. Withdraw and its counters settle that. It is
	// false when the gate only did not answer for a while: its permit is still followed.
	NewRun bool
	// Counters are the gate's own at that moment; Counted is false for a gate without any.
	Counters drivers.Counters
	Counted  bool
}

// A Down says that a gate cannot be used.
type Down struct {
	// RunEnded is true when the driver has ended, so that no Passage follows for an open permit.
	RunEnded bool
	Note     string // why, short, English
}

// GateEvents are what a lane wants to hear of a gate; nil functions are not called. They are called
// one after another, in the order of what happened, on a goroutine of the Set which they may block
// for long: Release and Withdraw may be called from within.
type GateEvents struct {
	Passage func(drivers.Passage)
	Alarm   func(drivers.Alarm)
	Up      func(Up)
	Down    func(Down)
}

// Name is the device's name in the configuration.
func (g *Gate) Name() string { return g.u.cfg.Name }

// Status reports how it is.
func (g *Gate) Status() Status { return g.u.snapshot() }

// Subscribe calls the functions until cancel. A gate that is up already is told as Up with NewRun, and
// its alarms that are on are told too.
func (g *Gate) Subscribe(to GateEvents) (cancel func()) {
	return g.u.subscribe(func(e any) {
		switch e := e.(type) {
		case drivers.Passage:
			call(to.Passage, e)
		case drivers.Alarm:
			call(to.Alarm, e)
		case Up:
			call(to.Up, e)
		case Down:
			call(to.Down, e)
		}
	})
}

func call[E any](fn func(E), e E) {
	if fn != nil {
		fn(e)
	}
}

// Release implements drivers.Gate. After nil exactly one Passage follows, unless Down with RunEnded
// comes first.
func (g *Gate) Release(ctx context.Context, p drivers.Permit) error { return g.gate.Release(ctx, p) }

// LastCounters implements drivers.PassageCounter.
func (g *Gate) LastCounters() (c drivers.Counters, ok bool) {
	if g.counter == nil {
		return drivers.Counters{}, false
	}
	return g.counter.LastCounters()
}

// Withdraw implements drivers.PassageCounter; it returns ErrNoCounter for a gate that has none.
func (g *Gate) Withdraw(ctx context.Context, d drivers.Direction) (drivers.Counters, error) {
	if g.counter == nil {
		return drivers.Counters{}, ErrNoCounter
	}
	return g.counter.Withdraw(ctx, d)
}

// Counts reports whether the gate counts passages by itself.
func (g *Gate) Counts() bool { return g.counter != nil }
