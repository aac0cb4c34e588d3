package drivertest

import (
	"context"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/face"
	"yipiao/drivers/port"
)

// ticketSteps prints tickets, and pulls the plug or cancels at the steps of one, as everyStep does. Whatever the step, a
// ticket that is proved is out, and one that is not printed never comes out.
func ticketSteps(pull bool) func(*testing.T, *printerRun) {
	return func(t *testing.T, r *printerRun) {
		page, err := face.Layout(&face.Face{Name: "small", WidthMM: 40, HeightMM: 20, Elements: []face.Element{
			{Kind: face.Box, X: 1, Y: 1, W: 38, H: 18, Stroke: 1},
		}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.bench.Page = page
		s := &stepper{}
		r.over = func(p port.Port) port.Port { return (&relay{most: 1, step: s.step}).begin(p) }
		r.up()
		for at := 1; r.ticketStep(s, at, pull); at += 1 + at/10 {
			if pull {
				r.ended()
				Elapse(15 * time.Second)
				r.line.Sim.Tear()
				r.up()
			}
		}
	}
}

// ticketStep prints a ticket up to a step, and reports whether there was such a step.
func (r *printerRun) ticketStep(s *stepper, at int, pull bool) bool {
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	before := len(r.line.Pictures())
	if pull {
		s.arm(at, r.line.Pull)
	} else {
		s.arm(at, cancel)
	}
	proof, err := r.print(ctx, r.job())
	reached := s.reached()
	Elapse(15 * time.Second)
	out := len(r.line.Pictures()) - before
	switch {
	case !reached && proof != drivers.Printed:
		r.t.Errorf("before step %d: %d, %v; want it printed", at, proof, err)
	case proof == drivers.Printed && (out != 1 || err != nil):
		r.t.Errorf("step %d: proved, %v, and %d tickets are out", at, err, out)
	case proof == drivers.NotPrinted && out != 0:
		r.t.Errorf("step %d: not printed (%v), and %d tickets are out", at, err, out)
	case proof != drivers.Printed && err == nil:
		r.t.Errorf("step %d: %d without an error", at, proof)
	}
	r.line.Sim.Tear()
	return reached && !r.t.Failed()
}
