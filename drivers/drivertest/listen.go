package drivertest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/port"
)

// Heard is what a driver has emitted. It is safe for concurrent use.
type Heard struct {
	mu     sync.Mutex // guards the fields below
	scans  []drivers.Scan
	health drivers.Health
}

func (h *Heard) take(e drivers.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e := e.(type) {
	case drivers.Scan:
		h.scans = append(h.scans, e)
	case drivers.Health:
		h.health = e
	}
}

// After lets time pass and returns the scans since the last call, and the last health.
func (h *Heard) After(d time.Duration) ([]drivers.Scan, drivers.Health) {
	Elapse(d)
	h.mu.Lock()
	defer h.mu.Unlock()
	scans := h.scans
	h.scans = nil
	return scans, h.health
}

// Listen runs a scanner's driver in a bubble over the port that plug makes there, and then the test. Run must end
// with nil when its context does.
func Listen(t *testing.T, dev drivers.Device, plug func(ctx context.Context) port.Port, test func(t *testing.T, heard *Heard)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		p, heard, done := plug(ctx), &Heard{}, make(chan error, 1)
		synctest.Wait()
		go func() { done <- dev.Run(ctx, p, heard.take) }()
		synctest.Wait()
		test(t, heard)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
