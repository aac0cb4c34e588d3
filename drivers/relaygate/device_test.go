package relaygate_test

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
	"yipiao/drivers/relaygate"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/relayboard"
	"yipiao/firmware-sim/tape"
)

// A rig is a driver on a line to a simulated board, in a bubble.
type rig struct {
	t      *testing.T
	gate   drivers.Device
	sim    *relayboard.Sim
	line   *board.Line
	events chan drivers.Event
}

func onRig(t *testing.T, set relayboard.Settings, config string, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim, err := relayboard.New(set, tape.Recorder{})
		if err != nil {
			t.Fatal(err)
		}
		gate, err := relaygate.Kind().New([]byte(config))
		if err != nil {
			t.Fatal(err)
		}
		host, device := board.Pipe(port.ErrGone)
		r := &rig{t: t, gate: gate, sim: sim, line: board.NewLine(device, 9600), events: make(chan drivers.Event, 10000)}
		ctx, cancel := context.WithCancel(context.Background())
		var life sync.WaitGroup
		life.Go(func() { _ = sim.Run(ctx) })
		life.Go(func() { _ = sim.Serve(ctx, r.line) })
		life.Go(func() {
			if err := gate.Run(ctx, host, func(e drivers.Event) { r.events <- e }); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		t.Cleanup(func() {
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

// quiet fails if an alarm or a passage comes within a time.
func (r *rig) quiet(within time.Duration) {
	r.t.Helper()
	late := time.After(within)
	for {
		select {
		case e := <-r.events:
			if _, health := e.(drivers.Health); !health {
				r.t.Errorf("%T came: %+v", e, e)
			}
		case <-late:
			return
		}
	}
}

func TestBothDirections(t *testing.T) {
	onRig(t, relayboard.Settings{OpenFor: 5 * time.Second}, `{}`, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		r.passage(drivers.Passage{Permit: 1, Outcome: drivers.Passed, Count: 1})
		r.mustRelease(2, drivers.Exit)
		r.passage(drivers.Passage{Permit: 2, Outcome: drivers.Passed, Count: 1})
		if s := r.sim.State(); s.EntryCount != 1 || s.ExitCount != 1 {
			t.Errorf("%+v", s)
		}
		r.quiet(10 * time.Second)
	})
}

// TestABoardClosesByItself: a host that dies after the pulse leaves no open gate.
func TestABoardClosesByItself(t *testing.T) {
	for _, b := range []relayboard.Board{relayboard.Waveshare, relayboard.LCTech} {
		onRig(t, relayboard.Settings{Board: b, Visitor: relayboard.Stay}, `{"pulse_ms":0,"board":"`+string(b)+`"}`, func(r *rig) {
			r.mustRelease(1, drivers.Entry)
			r.line.SetFaults(board.Faults{Mute: true, Deaf: true})
			drivertest.Elapse(2900 * time.Millisecond)
			if !r.sim.State().Relays[0] {
				t.Errorf("%s: the relay is off before its time", b)
			}
			drivertest.Elapse(200 * time.Millisecond)
			if r.sim.State().Relays[0] {
				t.Errorf("%s: the relay is still on", b)
			}
		})
	}
}

func TestAHeldGateClosesBehindThePerson(t *testing.T) {
	onRig(t, relayboard.Settings{}, `{"pulse_ms":0}`, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		r.passage(drivers.Passage{Permit: 1, Outcome: drivers.Passed, Count: 1})
		drivertest.Elapse(100 * time.Millisecond)
		if r.sim.State().EntryOpen {
			t.Error("the gate is still open 100 ms after the passage")
		}
	})
}

func TestTailgatingAndForcedEntry(t *testing.T) {
	onRig(t, relayboard.Settings{OpenFor: 5 * time.Second, Visitor: relayboard.Follow}, `{}`, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		r.passage(drivers.Passage{Permit: 1, Outcome: drivers.Passed, Count: 1})
		r.alarm(drivers.AlarmTailgate, true)
		r.alarm(drivers.AlarmTailgate, false)
		drivertest.Elapse(10 * time.Second)
	})
	onRig(t, relayboard.Settings{Signal: 800 * time.Millisecond}, `{"signal_ms":800}`, func(r *rig) {
		r.sim.Force(relayboard.Exit)
		if a := r.alarm(drivers.AlarmForced, true); a.Note != "passed without a permit" {
			t.Errorf("note %q", a.Note)
		}
		r.alarm(drivers.AlarmForced, false)
	})
}

func TestTheGatesOwnAlarmAndFire(t *testing.T) {
	onRig(t, relayboard.Settings{Closed: []int{3, 4}}, `{"normally_closed":[3,4]}`, func(r *rig) {
		r.sim.SetAlarm(true)
		if a := r.alarm(drivers.AlarmForced, true); a.Note != "the gate's own alarm" {
			t.Errorf("note %q", a.Note)
		}
		r.sim.SetAlarm(false)
		r.alarm(drivers.AlarmForced, false)
		r.sim.SetFire(true)
		r.alarm(drivers.AlarmFire, true)
		if err := r.release(1, drivers.Entry); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Release during a fire: %v, want ErrRefused", err)
		}
		if err := r.sim.Pass(relayboard.Exit); err != nil { // people leave
			t.Fatal(err)
		}
		r.quiet(3 * time.Second)
		r.sim.SetFire(false)
		r.alarm(drivers.AlarmFire, false)
	})
}

func TestFireDuringAPermitLeavesItUnknown(t *testing.T) {
	onRig(t, relayboard.Settings{OpenFor: 3 * time.Second, Visitor: relayboard.Stay}, `{"open_s":3}`, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		r.sim.SetFire(true)
		r.passage(drivers.Passage{Permit: 1, Outcome: drivers.Unknown})
	})
}

func TestWhatCannotBeSeenIsNotClaimed(t *testing.T) {
	onRig(t, relayboard.Settings{OpenFor: 3 * time.Second}, `{"open_s":3,"entry_input":0}`, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		r.passage(drivers.Passage{Permit: 1, Outcome: drivers.Unknown})
	})
	onRig(t, relayboard.Settings{OpenFor: 3 * time.Second}, `{"open_s":3}`, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		r.line.SetFaults(board.Faults{Mute: true}) // while the person walks
		drivertest.Elapse(1777 * time.Millisecond)
		r.line.SetFaults(board.Faults{})
		r.passage(drivers.Passage{Permit: 1, Outcome: drivers.Unknown})
	})
}

func TestARelayThatStaysOn(t *testing.T) {
	onRig(t, relayboard.Settings{OpenFor: 3 * time.Second}, `{"open_s":3}`, func(r *rig) {
		r.sim.SetStuck(1, true)
		r.mustRelease(1, drivers.Entry)
		if a := r.alarm(drivers.AlarmFault, true); a.Note != "relay 1 stays on after its time" {
			t.Errorf("note %q", a.Note)
		}
		r.sim.SetStuck(1, false)
		r.alarm(drivers.AlarmFault, false)
		if r.sim.State().Relays[0] {
			t.Error("the relay is still on")
		}
	})
	// A board that takes the code the other way round: on for good, which the driver ends.
	onRig(t, relayboard.Settings{Board: relayboard.LCTech, OnFor: 2, OpenFor: 3 * time.Second}, `{"board":"lctech","open_s":3}`, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		r.alarm(drivers.AlarmFault, true)
		r.alarm(drivers.AlarmFault, false)
		if r.sim.State().Relays[0] {
			t.Error("the relay is still on")
		}
	})
}

func TestARelayOfSomebodyElseIsFreePassage(t *testing.T) {
	onRig(t, relayboard.Settings{Visitor: relayboard.Stay}, `{"pulse_ms":0}`, func(r *rig) {
		r.sim.Switch(1, true)
		if a := r.alarm(drivers.AlarmFree, true); a.Note != "relay 1 is switched on by somebody else" {
			t.Errorf("note %q", a.Note)
		}
		if err := r.release(1, drivers.Entry); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Release: %v, want ErrRefused", err)
		}
		r.sim.Switch(1, false)
		r.alarm(drivers.AlarmFree, false)
		r.mustRelease(2, drivers.Entry)
	})
}

func TestABounceIsNobody(t *testing.T) {
	onRig(t, relayboard.Settings{OpenFor: 3 * time.Second, Signal: 20 * time.Millisecond}, `{"open_s":3}`, func(r *rig) {
		r.mustRelease(1, drivers.Entry)
		r.passage(drivers.Passage{Permit: 1, Outcome: drivers.Lapsed})
	})
}

func TestSettingsThatCannotBe(t *testing.T) {
	for _, config := range []string{
		`{"board":"other"}`, `{"pulse_ms":250}`, `{"exit_relay":1}`, `{"exit_input":1}`, `{"normally_closed":[7]}`,
		`{"unit":256}`, `{"fire_input":9}`, `{"poll_ms":20}`,
	} {
		if _, err := relaygate.Kind().New([]byte(config)); err == nil {
			t.Errorf("%s: nil, want an error", config)
		}
	}
}
