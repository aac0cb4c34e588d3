package tpw_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/tpwgate"
)

// A rig is a driver on a line to a simulated gate, in a bubble.
type rig struct {
	t      *testing.T
	gate   drivers.Device
	sim    *tpwgate.Sim
	line   *board.Line
	events chan drivers.Event
	stop   func() // ends Run
}

func onRig(t *testing.T, set tpwgate.Settings, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim, err := tpwgate.New(set, tape.Recorder{})
		if err != nil {
			t.Fatal(err)
		}
		gate, err := newGate()
		if err != nil {
			t.Fatal(err)
		}
		host, device := board.Pipe(port.ErrGone)
		r := &rig{t: t, gate: gate, sim: sim, line: board.NewLine(device, 9600), events: make(chan drivers.Event, 10000)}
		ctx, cancel := context.WithCancel(context.Background())
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		r.stop = func() {
			stop()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
			ended <- nil
		}
		var life sync.WaitGroup
		life.Go(func() { _ = sim.Run(ctx) })
		life.Go(func() { _ = sim.Serve(ctx, r.line) })
		go func() { ended <- gate.Run(running, host, func(e drivers.Event) { r.events <- e }) }()
		t.Cleanup(func() {
			r.stop()
			cancel()
			life.Wait()
		})
		for await[drivers.Health](r).State != drivers.StateOK {
		}
		test(r)
	})
}

func (r *rig) release(id drivers.PermitID, d drivers.Direction) error {
	return r.gate.(drivers.Gate).Release(context.Background(), drivers.Permit{ID: id, Direction: d, For: 3 * time.Second})
}

func (r *rig) mustRelease(id drivers.PermitID, d drivers.Direction) {
	r.t.Helper()
	if err := r.release(id, d); err != nil {
		r.t.Fatalf("Release: %v", err)
	}
}

// await returns the next event of a type, or fails after a minute of the bubble's time.
func await[E drivers.Event](r *rig) E {
	r.t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case e := <-r.events:
			if got, ok := e.(E); ok {
				return got
			}
		case <-late:
			var want E
			r.t.Fatalf("no %T came", want)
		}
	}
}

func (r *rig) alarm(kind drivers.AlarmKind, on bool) drivers.Alarm {
	r.t.Helper()
	for {
		if a := await[drivers.Alarm](r); a.Kind == kind && a.On == on {
			return a
		}
	}
}

func (r *rig) passage(want drivers.Passage) {
	r.t.Helper()
	if got := await[drivers.Passage](r); got != want {
		r.t.Errorf("%+v, want %+v", got, want)
	}
}

func TestBothDirectionsAtTheSpeedOfTheWire(t *testing.T) {
	onRig(t, tpwgate.Settings{}, func(r *rig) {
		r.sim.SetCounters(999999, 7) // more digits than before
		drivertest.Elapse(time.Second)
		r.mustRelease(1, drivers.Entry)
		r.passage(drivers.Passage{Permit: 1, Outcome: drivers.Passed, Count: 1000000})
		r.mustRelease(2, drivers.Exit)
		r.passage(drivers.Passage{Permit: 2, Outcome: drivers.Passed, Count: 8})
		drivertest.Elapse(time.Second)
		if s := r.sim.State(); s.EntryFree || s.ExitFree {
			t.Errorf("%+v, want a closed gate", s)
		}
	})
}

func TestWhoSetsOffAtTheLastMomentIsCounted(t *testing.T) {
	onRig(t, tpwgate.Settings{Walk: 2950 * time.Millisecond, Pass: 900 * time.Millisecond}, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		r.passage(drivers.Passage{Permit: 1, Outcome: drivers.Passed, Count: 1})
	})
}

func TestTailgatingForcedAndCountersThatWereSet(t *testing.T) {
	onRig(t, tpwgate.Settings{Visitor: tpwgate.Follow, Pass: 400 * time.Millisecond}, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		r.passage(drivers.Passage{Permit: 1, Outcome: drivers.Passed, Count: 1})
		r.alarm(drivers.AlarmTailgate, true)
		r.alarm(drivers.AlarmTailgate, false)
		r.sim.Force(tpwgate.Exit)
		if a := r.alarm(drivers.AlarmForced, true); a.Note != "count without a permit" {
			t.Errorf("note %q", a.Note)
		}
		r.alarm(drivers.AlarmForced, false)
		r.sim.SetCounters(0, 0) // a reset at the gate
		drivertest.Elapse(time.Second)
		if err := r.sim.SetVisitor(tpwgate.Walk, 0); err != nil {
			t.Fatal(err)
		}
		r.mustRelease(2, drivers.Entry)
		r.passage(drivers.Passage{Permit: 2, Outcome: drivers.Passed, Count: 1})
	})
}

func TestFreePassageAndForbiddenAtTheGate(t *testing.T) {
	onRig(t, tpwgate.Settings{Visitor: tpwgate.Manual}, func(r *rig) {
		r.sim.SetFree(tpwgate.Entry, true)
		if a := r.alarm(drivers.AlarmFree, true); a.Note != "entry is free" {
			t.Errorf("note %q", a.Note)
		}
		if err := r.release(1, drivers.Entry); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Release: %v, want ErrRefused", err)
		}
		if _, err := r.gate.(drivers.PassageCounter).Withdraw(context.Background(), drivers.Entry); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Withdraw: %v, want ErrRefused", err)
		}
		r.sim.SetFree(tpwgate.Entry, false)
		r.alarm(drivers.AlarmFree, false)
		r.sim.SetForbidden(tpwgate.Exit, true)
		for await[drivers.Health](r).Note != "exit is forbidden at the gate" {
		}
		if err := r.release(2, drivers.Exit); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Release: %v, want ErrRefused", err)
		}
	})
}

func TestABoardThatRefuses(t *testing.T) {
	onRig(t, tpwgate.Settings{}, func(r *rig) {
		r.sim.SetRefuses(true)
		if err := r.release(1, drivers.Entry); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Release: %v, want ErrRefused", err)
		}
		if s := r.sim.State(); s.EntryFree {
			t.Errorf("%+v", s)
		}
	})
}

func TestAStationThatStopsClosesTheGate(t *testing.T) {
	onRig(t, tpwgate.Settings{Visitor: tpwgate.Stay}, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		if !r.sim.State().EntryFree {
			t.Fatal("not open")
		}
		r.stop()
		drivertest.Elapse(100 * time.Millisecond)
		if s := r.sim.State(); s.EntryFree {
			t.Errorf("%+v, want a closed gate", s)
		}
	})
}

func TestAGateLeftOpenIsClosedAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, err := tpwgate.New(tpwgate.Settings{Visitor: tpwgate.Stay}, tape.Recorder{})
		if err != nil {
			t.Fatal(err)
		}
		sim.SetFree(tpwgate.Entry, true) // the station had a power cut
		gate, err := newGate()
		if err != nil {
			t.Fatal(err)
		}
		host, device := board.Pipe(port.ErrGone)
		ctx, cancel := context.WithCancel(context.Background())
		var life sync.WaitGroup
		life.Go(func() { _ = sim.Serve(ctx, board.NewLine(device, 9600)) })
		var firmware, serial string
		life.Go(func() {
			_ = gate.Run(ctx, host, func(e drivers.Event) {
				if h, ok := e.(drivers.Health); ok {
					firmware, serial = h.Firmware, h.Serial
				}
			})
		})
		drivertest.Elapse(3 * time.Second)
		if s := sim.State(); s.EntryFree || !s.Counting[0] || !s.Counting[1] {
			t.Errorf("%+v, want a closed gate that counts", s)
		}
		cancel()
		life.Wait()
		if firmware != "V1.2" || serial != "000001" {
			t.Errorf("firmware %q, serial %q", firmware, serial)
		}
	})
}
