package drivertest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"yipiao/drivers/port"
)

// busyFor is the stretch of a run whose steps are tried.
const busyFor = 2 * time.Second

// A stepper ends a run at one of its steps.
type stepper struct {
	mu   sync.Mutex // guards the fields below
	left int        // until then
	end  func()     // nil before the run is known
}

func (s *stepper) step() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left--
	if s.left == 0 && s.end != nil {
		s.end()
	}
}

// arm lets it end what begins now after so many steps.
func (s *stepper) arm(left int, end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.end = left, end
}

// of tells it how to end the run, which it does at once where that is due.
func (s *stepper) of(end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = end
	if s.left <= 0 {
		end()
	}
}

func (s *stepper) reached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left <= 0
}

// everyStep pulls the plug, or cancels, at the reads and the writes of a run, of which a read is one byte where it can be:
// at each of the first ten, and then at every so many, in ever longer strides.
func everyStep(t *testing.T, b Bench, pull, whole bool) {
	most := 1
	if whole {
		most = 0
	}
	for at, again := 1, true; again && !t.Failed(); at += 1 + at/10 {
		s := &stepper{left: at}
		b.via(t, &relay{most: most, step: s.step}, func(t *testing.T, run *run) {
			end := run.cancel
			if pull {
				end = run.line.Pull
			}
			go run.line.Provoke()
			s.of(end)
			select {
			case <-run.done:
			case <-time.After(busyFor):
				end()
			}
			again = s.reached()
			if took := run.ended(); took > endsWithin {
				t.Errorf("step %d: Run returned after %v, want %v at most", at, took, endsWithin)
			}
			if pull && !errors.Is(run.err, port.ErrGone) || !pull && run.err != nil {
				t.Errorf("step %d: Run: %v", at, run.err)
			}
		})
	}
}
