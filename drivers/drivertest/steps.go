package drivertest

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/port"
)

// moments are when Steps pulls the plug or ends the context, from the start of the run.
var moments = []time.Duration{
	0, time.Millisecond, 3 * time.Millisecond, 20 * time.Millisecond, 49 * time.Millisecond, 51 * time.Millisecond,
	120 * time.Millisecond, 499 * time.Millisecond, 501 * time.Millisecond, 1500 * time.Millisecond, 4 * time.Second, 31 * time.Second,
}

// Steps pulls the plug, and ends the context, at every step: at many moments of a run that is busy, and after each
// byte of wire, which the device sends.
func Steps(t *testing.T, b Bench, wire []byte) {
	for _, pull := range []bool{true, false} {
		t.Run(fmt.Sprintf("Pull=%v", pull), func(t *testing.T) {
			for _, at := range moments {
				synctest.Test(t, func(t *testing.T) {
					r := b.start(t, newDevice(t, b))
					go r.line.Provoke()
					Elapse(at)
					r.stopped(t, pull, at.String())
				})
			}
			for n := range wire {
				synctest.Test(t, func(t *testing.T) {
					r := b.start(t, newDevice(t, b))
					Elapse(time.Second)
					r.line.Raw(wire[:n+1])
					Elapse(time.Millisecond)
					r.stopped(t, pull, fmt.Sprintf("byte %d", n))
				})
			}
		})
	}
}

// stopped ends a run and checks how it ends.
func (r *run) stopped(t *testing.T, pull bool, when string) {
	t.Helper()
	if pull {
		r.line.Pull()
	} else {
		r.cancel()
	}
	if took := r.ended(); took > endsWithin {
		t.Errorf("%s: Run returned after %v, want %v at most", when, took, endsWithin)
	}
	if pull && !errors.Is(r.err, port.ErrGone) || !pull && r.err != nil {
		t.Errorf("%s: Run: %v", when, r.err)
	}
}
