// Package dialoguetest holds what the tests of drivers built on package dialogue share: a run in a bubble
// whose events can be looked at, and a suite of their codecs.
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
	synctest.Test(t, func(t *testing.T) { play(t, b, test) })
}

func play(t *testing.T, b drivertest.Bench, test func(t *testing.T, r *Run)) {
	dev, err := b.New()
	if err != nil {
		t.Fatal(err)
	}
	lineCtx, unplug := context.WithCancel(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	r := &Run{Line: b.Plug(lineCtx)}
	done := make(chan error, 1)
	go func() { done <- dev.Run(ctx, r.Line.Host, r.emit) }()
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
