// Package talk runs a driver whose device speaks when it likes and takes commands meanwhile: one goroutine
// reads the port, Run's own does everything else, and commands of any goroutine reach it one at a time.
//
// It knows ports, deadlines and health. It must not know any protocol: that is the Machine.
package talk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/internal/wake"
	"yipiao/drivers/port"
)

const (
	// writeBound is how long a frame may wait for a line that does not take it.
	writeBound = 500 * time.Millisecond
	// grace is how long after a time-out bytes are looked for that came before it: a process that was
	// stalled must not take bytes that wait in the kernel for silence.
	grace = time.Millisecond
	// readSize is more than any read of a tty, and many HID reports or input events.
	readSize = 4096
)

// ErrStuck is returned by Line.Send when the line did not take the frame in time; the run goes on.
var ErrStuck = errors.New("talk: the line takes no bytes")

// A Machine is the protocol during one run. All its methods are called from one goroutine. An error that a
// method returns ends the run.
type Machine[W any] interface {
	// Take is given what one Read returned; p is the machine's own.
	Take(p []byte, at time.Time) error
	// Due says when Tick is wanted; ok is false for never.
	Due() (at time.Time, ok bool)
	// Tick is called once Due has passed and nothing more has arrived.
	Tick(now time.Time) error
	// Obey begins a command. No other comes before c.Finish was called.
	Obey(c *Command[W], now time.Time) error
}

// A Command is what a caller wants, on its way through Run.
type Command[W any] struct {
	What W

	ctx  context.Context
	once sync.Once
	done chan struct{}
	err  error // after done
}

// Finish hands the result to the caller. Calls after the first change nothing.
func (c *Command[W]) Finish(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.done)
	})
}

func (c *Command[W]) finished() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// A Desk takes commands to the run of the moment. The zero Desk is ready; it is safe for concurrent use.
type Desk[W any] struct {
	mu  sync.Mutex // guards the field below
	run *run[W]
}

// Do carries out a command and returns its result: what Finish was given, drivers.ErrNotRunning where no run
// takes it, or ctx.Err() when ctx ends first; the device may then still carry it out.
func (d *Desk[W]) Do(ctx context.Context, what W) error {
	d.mu.Lock()
	r := d.run
	d.mu.Unlock()
	if r == nil {
		return drivers.ErrNotRunning
	}
	c := &Command[W]{What: what, ctx: ctx, done: make(chan struct{})}
	select {
	case r.commands <- c:
	case <-r.ended:
		return drivers.ErrNotRunning
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Desk[W]) attach(r *run[W]) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.run = r
}

// A Line is the port as a machine may use it.
type Line struct {
	ctx context.Context
	p   port.Port
}

// Send writes one frame, or one HID report. ErrStuck may be survived; any other error ends the run.
func (l *Line) Send(frame []byte) error {
	if err := l.p.SetWriteDeadline(time.Now().Add(writeBound)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := l.ctx.Err(); err != nil {
		return err
	}
	_, err := l.p.Write(frame)
	switch {
	case err == nil:
		return nil
	case l.ctx.Err() != nil:
		return l.ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrStuck
	}
	return fmt.Errorf("send: %w", err)
}

// A chunk is what one Read returned.
type chunk struct {
	p  []byte
	at time.Time
}

// A run is one call of Run.
type run[W any] struct {
	port     port.Port
	machine  Machine[W]
	vitals   *vitals.Tracker
	commands chan *Command[W]
	current  *Command[W] // the command under way, or the last one
	chunks   chan chunk  // closed by the reader at its end
	readErr  error       // after chunks was closed
	ended    chan struct{}
}

// Run implements drivers.Device.Run: it drives the machine that build makes until ctx is done (nil) or the port
// or the machine fails. Health is emitted through v.
func (d *Desk[W]) Run(ctx context.Context, p port.Port, v *vitals.Tracker, build func(*Line) Machine[W]) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	release := wake.OnDone(inner, p)
	defer release()
	r := &run[W]{
		port: p, vitals: v, machine: build(&Line{ctx: inner, p: p}),
		commands: make(chan *Command[W]), chunks: make(chan chunk), ended: make(chan struct{}),
	}
	go r.read(inner)
	d.attach(r)
	err := r.loop(inner)
	d.attach(nil)
	close(r.ended)
	if r.current != nil {
		r.current.Finish(fmt.Errorf("%w: the run has ended", drivers.ErrNoAnswer))
	}
	cancel()
	for range r.chunks { // until the reader has let go of the port
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// read hands over what arrives. It sets no deadline, so that the one of wake.OnDone ends it.
func (r *run[W]) read(ctx context.Context) {
	defer close(r.chunks)
	buf := make([]byte, readSize)
	for {
		n, err := r.port.Read(buf)
		if n > 0 {
			select {
			case r.chunks <- chunk{bytes.Clone(buf[:n]), time.Now()}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			r.readErr = fmt.Errorf("read: %w", err)
			return
		}
	}
}

func (r *run[W]) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		r.vitals.Flush(time.Now())
		r.arm(timer)
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c, open := <-r.chunks:
			err = r.take(c, open)
		case c := <-r.open():
			err = r.obey(c)
		case <-timer.C:
			err = r.tick(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// open is where commands come from: nowhere while one is under way.
func (r *run[W]) open() <-chan *Command[W] {
	if r.current != nil && !r.current.finished() {
		return nil
	}
	return r.commands
}

func (r *run[W]) obey(c *Command[W]) error {
	if c.ctx.Err() != nil {
		return nil
	}
	r.current = c
	return r.machine.Obey(c, time.Now())
}

func (r *run[W]) take(c chunk, open bool) error {
	if !open {
		return r.readErr
	}
	return r.machine.Take(c.p, c.at)
}

// arm sets the timer for what is due next.
func (r *run[W]) arm(timer *time.Timer) {
	at, ok := r.machine.Due()
	if due, any := r.vitals.Due(); any && (!ok || due.Before(at)) {
		at, ok = due, true
	}
	if !ok {
		timer.Stop()
		return
	}
	timer.Reset(time.Until(at))
}

func (r *run[W]) tick(ctx context.Context) error {
	if at, ok := r.machine.Due(); !ok || time.Now().Before(at) {
		return nil // it was the health's turn
	}
	look := time.NewTimer(grace)
	defer look.Stop()
	select {
	case c, open := <-r.chunks:
		return r.take(c, open)
	case <-ctx.Done():
		return ctx.Err()
	case <-look.C:
	}
	return r.machine.Tick(time.Now())
}
