// Package dialoguetest holds what the tests of drivers built on package dialogue share: a run in a bubble
// whose events can be looked at, an end at every step, and a port that hands over single bytes.
//
// It knows drivers.Device and drivertest.Bench. It must not know any protocol.
package dialoguetest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
)

// A Run is one call of a driver's Run.
type Run struct {
	Line drivertest.Line

	mu     sync.Mutex // guards the fields below
	events []drivers.Event
	health drivers.Health
}

func (r *Run) emit(e drivers.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h, ok := e.(drivers.Health); ok {
		r.health = h
		return
	}
	r.events = append(r.events, e)
}

// Take lets time pass and returns what was told since the last Take, other than health.
func (r *Run) Take(wait time.Duration) []drivers.Event {
	drivertest.Elapse(wait)
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.events
	r.events = nil
	return all
}

// Health lets time pass and returns the last health that was told.
func (r *Run) Health(wait time.Duration) drivers.Health {
	drivertest.Elapse(wait)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health
}

// Play runs a driver in a bubble, over a device that Plug has plugged in, while test plays with it.
func Play(t *testing.T, b drivertest.Bench, test func(t *testing.T, r *Run)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { play(t, b, func(p port.Port) port.Port { return p }, test) })
}

func play(t *testing.T, b drivertest.Bench, over func(port.Port) port.Port, test func(t *testing.T, r *Run)) {
	dev, err := b.New()
	if err != nil {
		t.Fatal(err)
	}
	lineCtx, unplug := context.WithCancel(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	r := &Run{Line: b.Plug(lineCtx)}
	done := make(chan error, 1)
	go func() { done <- dev.Run(ctx, over(r.Line.Host), r.emit) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		unplug()
		_ = r.Line.Host.Close()
		drivertest.Elapse(5 * time.Second) // the simulator ends too
	}()
	synctest.Wait()
	test(t, r)
}

// Drip provokes over a port that hands over one byte at a time.
func Drip(t *testing.T, b drivertest.Bench) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		play(t, b, func(p port.Port) port.Port { return drip{p} }, func(t *testing.T, r *Run) {
			drivertest.Elapse(5 * time.Second)
			r.Line.Provoke()
			for _, e := range r.Take(20 * time.Second) {
				if r.Line.Provoked(e) {
					return
				}
			}
			t.Error("what was provoked was not told")
		})
	})
}

type drip struct{ port.Port }

func (d drip) Read(p []byte) (int, error) { return d.Port.Read(p[:1]) }

// EveryStep provokes at once and unplugs, or cancels, after each multiple of step up to span.
func EveryStep(t *testing.T, b drivertest.Bench, span, step time.Duration) {
	t.Helper()
	for _, pull := range []bool{true, false} {
		for after := time.Duration(0); after < span; after += step {
			synctest.Test(t, func(t *testing.T) { endAfter(t, b, after, pull) })
		}
	}
}

func endAfter(t *testing.T, b drivertest.Bench, after time.Duration, pull bool) {
	dev, err := b.New()
	if err != nil {
		t.Fatal(err)
	}
	lineCtx, unplug := context.WithCancel(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	line := b.Plug(lineCtx)
	done := make(chan error, 1)
	go func() { done <- dev.Run(ctx, line.Host, func(drivers.Event) {}) }()
	go line.Provoke()
	drivertest.Elapse(after)
	if pull {
		line.Pull()
	} else {
		cancel()
	}
	start := time.Now()
	if err := <-done; (err != nil) != pull || time.Since(start) > time.Second {
		t.Errorf("after %v, pulled %v: %v within %v", after, pull, err, time.Since(start))
	}
	cancel()
	unplug()
	_ = line.Host.Close()
	drivertest.Elapse(5 * time.Second)
}
