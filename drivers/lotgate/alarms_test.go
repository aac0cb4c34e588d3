package lotgate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/firmware-sim/turnstile"
)

func TestForcedEntryIsAnAlarm(t *testing.T) {
	onRig(t, turnstile.Settings{Pass: 2 * time.Second}, unitOne, func(r *rig) {
		r.up()
		if err := r.sim.Force(turnstile.Entry); err != nil {
			t.Fatal(err)
		}
		if a := r.alarm(drivers.AlarmForced, true); a.Note != "body in the lane without a permit" {
			t.Errorf("note %q", a.Note)
		}
		none[drivers.Passage](r, time.Second)
		r.alarm(drivers.AlarmForced, false)
	})
}

func TestCountWithoutAPermitIsAnAlarm(t *testing.T) {
	// Through between two polls: the sensor shows nothing.
	onRig(t, turnstile.Settings{Pass: 10 * time.Millisecond}, unitOne, func(r *rig) {
		r.up()
		drivertest.Elapse(50 * time.Millisecond)
		if err := r.sim.Force(turnstile.Exit); err != nil {
			t.Fatal(err)
		}
		if a := r.alarm(drivers.AlarmForced, true); a.Note != "count without a permit" {
			t.Errorf("note %q", a.Note)
		}
		r.alarm(drivers.AlarmForced, false)
	})
}

func TestForcedWhileAPermitIsOpenIsNotThePassage(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Manual}, unitOne, func(r *rig) {
		r.up()
		if err := r.release(1, drivers.Entry, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		if err := r.sim.Force(turnstile.Entry); err != nil {
			t.Fatal(err)
		}
		r.alarm(drivers.AlarmForced, true)
		none[drivers.Passage](r, 3*time.Second)
		if err := r.sim.Pass(turnstile.Entry); err != nil {
			t.Fatal(err)
		}
		if got, want := await[drivers.Passage](r), (drivers.Passage{Permit: 1, Outcome: drivers.Passed, Count: 2}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestFireFaultAndBlocked(t *testing.T) {
	onRig(t, turnstile.Settings{}, unitOne, func(r *rig) {
		r.up()
		r.sim.SetFire(true)
		r.alarm(drivers.AlarmFire, true)
		if err := r.release(1, drivers.Entry, 5*time.Second); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Release during a fire: %v, want ErrRefused", err)
		}
		if err := r.sim.Pass(turnstile.Exit); err != nil { // people leave
			t.Fatal(err)
		}
		none[drivers.Alarm](r, 3*time.Second)
		r.sim.SetFire(false)
		r.alarm(drivers.AlarmFire, false)

		r.sim.SetFault(0x0004)
		if a := r.alarm(drivers.AlarmFault, true); a.Note != "error bits 0x0004" {
			t.Errorf("note %q", a.Note)
		}
		r.sim.SetFault(0)
		r.alarm(drivers.AlarmFault, false)

		r.sim.SetBlocked(true)
		if a := r.alarm(drivers.AlarmFault, true); a.Note != "blocked" {
			t.Errorf("note %q", a.Note)
		}
		if err := r.release(2, drivers.Entry, 5*time.Second); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Release of a blocked gate: %v, want ErrRefused", err)
		}
		r.sim.SetBlocked(false)
		r.alarm(drivers.AlarmFault, false)
	})
}

func TestGateThatRefusesByException(t *testing.T) {
	onRig(t, turnstile.Settings{}, unitOne, func(r *rig) {
		r.up()
		drivertest.Elapse(100 * time.Millisecond)
		r.sim.SetBlocked(true) // the driver has not seen it yet
		if err := r.release(1, drivers.Entry, 5*time.Second); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Release: %v, want ErrRefused", err)
		}
		none[drivers.Passage](r, time.Minute)
	})
}

func TestAlarmOfAnEarlierRunIsCleared(t *testing.T) {
	onRig(t, turnstile.Settings{}, unitOne, func(r *rig) {
		r.up()
		r.sim.SetFire(true)
		r.alarm(drivers.AlarmFire, true)
		r.stop()
		<-r.ran
		r.sim.SetFire(false)
		r.run()
		r.alarm(drivers.AlarmFire, false)
	})
}

func TestUnitThatIsNotThereIsLost(t *testing.T) {
	onRig(t, turnstile.Settings{Unit: 2}, unitOne, func(r *rig) {
		h := await[drivers.Health](r)
		if h.State != drivers.StateLost || h.Note != "unit 1: no answer" || h.Errors == 0 {
			t.Errorf("%+v", h)
		}
	})
}

func TestFreePassageOfTheKeyIsMirroredAndLeftAlone(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Manual}, unitOne, func(r *rig) {
		r.up()
		r.sim.SetFree(turnstile.Entry, true)
		if a := r.alarm(drivers.AlarmFree, true); a.Note != "entry is free" {
			t.Errorf("note %q", a.Note)
		}
		if err := r.release(1, drivers.Entry, 5*time.Second); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Release: %v, want ErrRefused", err)
		}
		if _, err := r.gate.(drivers.PassageCounter).Withdraw(context.Background(), drivers.Entry); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Withdraw: %v, want ErrRefused", err)
		}
		if err := r.sim.Pass(turnstile.Entry); err != nil { // still free, and nobody's alarm
			t.Fatal(err)
		}
		none[drivers.Alarm](r, 5*time.Second)
		r.sim.SetFree(turnstile.Entry, false)
		r.alarm(drivers.AlarmFree, false)
	})
}

func TestFreePassageTakesAPermitOver(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Manual}, unitOne, func(r *rig) {
		r.up()
		if err := r.release(1, drivers.Entry, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		r.sim.SetFree(turnstile.Entry, true)
		if got := await[drivers.Passage](r); got.Permit != 1 || got.Outcome != drivers.Unknown {
			t.Errorf("%+v, want permit 1 with nothing known", got)
		}
	})
}

func TestTailgatingIsAnAlarm(t *testing.T) {
	for name, pass := range map[string]time.Duration{"seen between": 700 * time.Millisecond, "faster than the polls": 5 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			onRig(t, turnstile.Settings{Visitor: turnstile.Follow, Pass: pass}, unitOne, func(r *rig) {
				r.up()
				if err := r.release(1, drivers.Entry, 5*time.Second); err != nil {
					t.Fatal(err)
				}
				if got := await[drivers.Passage](r); got.Outcome != drivers.Passed {
					t.Errorf("%+v, want passed", got)
				}
				r.alarm(drivers.AlarmTailgate, true)
				none[drivers.Passage](r, time.Second)
				r.alarm(drivers.AlarmTailgate, false)
			})
		})
	}
}
