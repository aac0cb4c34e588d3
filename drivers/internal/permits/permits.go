// Package permits is what drivers of gates have in common: permits on their way from any goroutine to the one of Run,
// and alarms that are told when they change.
//
// It knows the contract of drivers.Gate. It must not know any protocol.
package permits

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"yipiao/drivers"
)

// Check refuses a permit that no gate can be given.
func Check(p drivers.Permit) error {
	if p.Direction != drivers.Entry && p.Direction != drivers.Exit {
		return fmt.Errorf("permit %d: direction %d is neither entry nor exit", p.ID, p.Direction)
	}
	if p.For < time.Second || p.For > time.Minute || p.For%time.Second != 0 {
		return fmt.Errorf("permit %d for %v: want whole seconds, 1 s to 60 s", p.ID, p.For)
	}
	return nil
}

// Side is the index of a direction: 0 for entry, 1 for exit.
func Side(d drivers.Direction) int { return int(d - drivers.Entry) }

// A Command is a permit on its way through Run, or (Withdraw) the wish to have all of a direction back.
type Command struct {
	Permit   drivers.Permit
	Withdraw bool // Permit has just its Direction

	ctx      context.Context
	done     chan struct{} // closed by Finish
	counters drivers.Counters
	err      error

	mu       sync.Mutex // guards the fields below
	finished bool
	left     bool
}

// Gone is the error of a caller that does not wait any more, nil while it does.
func (c *Command) Gone() error { return c.ctx.Err() }

// Finish hands the result to the caller. It reports false if the caller has gone: a permit is then to be taken back.
func (c *Command) Finish(counters drivers.Counters, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return false
	}
	c.finished = true
	c.counters, c.err = counters, err
	close(c.done)
	return true
}

// abandon is called by a caller whose context has ended. It reports false if the result is there already.
func (c *Command) abandon() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = !c.finished
	return c.left
}

// A Desk takes commands to the run of the moment. The zero Desk is ready; it is safe for concurrent use.
type Desk struct {
	mu  sync.Mutex // guards the field below
	run *run
}

type run struct {
	commands chan *Command
	ended    chan struct{}
}

// Run lets commands in while serve runs, and returns its error. serve takes them one at a time and finishes each.
func (d *Desk) Run(serve func(commands <-chan *Command) error) error {
	r := &run{commands: make(chan *Command), ended: make(chan struct{})}
	d.attach(r)
	err := serve(r.commands)
	d.attach(nil)
	close(r.ended)
	return err
}

func (d *Desk) attach(r *run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.run = r
}

// Do is Gate.Release: it carries a permit to the run and waits for the result, drivers.ErrNotRunning where no run
// takes it, or ctx.Err().
func (d *Desk) Do(ctx context.Context, p drivers.Permit) error {
	_, err := d.do(ctx, &Command{Permit: p})
	return err
}

// Withdraw is PassageCounter.Withdraw likewise.
func (d *Desk) Withdraw(ctx context.Context, way drivers.Direction) (drivers.Counters, error) {
	if way != drivers.Entry && way != drivers.Exit {
		return drivers.Counters{}, fmt.Errorf("direction %d is neither entry nor exit", way)
	}
	return d.do(ctx, &Command{Permit: drivers.Permit{Direction: way}, Withdraw: true})
}

func (d *Desk) do(ctx context.Context, c *Command) (drivers.Counters, error) {
	c.ctx, c.done = ctx, make(chan struct{})
	d.mu.Lock()
	r := d.run
	d.mu.Unlock()
	if r == nil {
		return drivers.Counters{}, drivers.ErrNotRunning
	}
	select {
	case r.commands <- c:
	case <-r.ended:
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

// Alarms are the alarms that are on, with their notes. They outlast a run, so that what was on when one ended is
// cleared by the next. The zero Alarms is ready.
type Alarms struct{ on map[drivers.AlarmKind]string }

// Raise tells an alarm that has changed.
func (a *Alarms) Raise(emit func(drivers.Event), kind drivers.AlarmKind, on bool, note string) {
	told, was := a.on[kind]
	switch {
	case on && (!was || told != note):
		if a.on == nil {
			a.on = make(map[drivers.AlarmKind]string)
		}
		a.on[kind] = note
		emit(drivers.Alarm{Kind: kind, On: true, Note: note})
	case !on && was:
		delete(a.on, kind)
		emit(drivers.Alarm{Kind: kind})
	}
}

// A Sign points to something that is an alarm for a while after the last time it was seen. The zero Sign is none.
type Sign struct {
	At   time.Time
	Note string
}

// See notes that it was seen.
func (s *Sign) See(now time.Time, note string) { s.At, s.Note = now, note }

// hold is how long a sign stays an alarm.
const hold = 3 * time.Second

// Lasts reports whether it is still an alarm.
func (s *Sign) Lasts(now time.Time) bool { return !s.At.IsZero() && now.Sub(s.At) < hold }

// Own reports whether err is one of a caller or of the gate, and says nothing about the port.
func Own(err error) bool {
	for _, e := range []error{
		drivers.ErrPermitOpen, drivers.ErrRefused, drivers.ErrNoAnswer, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
