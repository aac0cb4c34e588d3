package lotgate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/turnstile"
)

func TestLostAcknowledgementIsReadBack(t *testing.T) {
	cases := []struct {
		name    string
		visitor turnstile.Visitor
		walk    time.Duration
		want    drivers.PassageOutcome
	}{
		{"permit still open", turnstile.Walk, 2 * time.Second, drivers.Passed},
		{"person in the lane", turnstile.Walk, 450 * time.Millisecond, drivers.Passed},
		{"person through already", turnstile.Walk, 100 * time.Millisecond, drivers.Passed},
		{"nobody comes", turnstile.Stay, 0, drivers.Lapsed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			onRig(t, turnstile.Settings{Visitor: c.visitor, Walk: c.walk}, unitOne, func(r *rig) {
				r.up()
				if err := r.release(1, drivers.Exit, 5*time.Second); err != nil { // nothing left to set up
					t.Fatal(err)
				}
				await[drivers.Passage](r)
				r.line.SetFaults(board.Faults{Lose: 1})
				if err := r.release(2, drivers.Entry, 5*time.Second); err != nil {
					t.Fatalf("Release: %v, want nil: the gate has the permit", err)
				}
				if got := await[drivers.Passage](r); got.Permit != 2 || got.Outcome != c.want {
					t.Errorf("%+v, want outcome %d", got, c.want)
				}
				if n := len(r.host.frames(entryGrant)); n != 1 {
					t.Errorf("granted %d times, want once", n)
				}
				if n := len(r.host.frames(readingBack)); n != 1 {
					t.Errorf("read back %d times, want once", n)
				}
				none[drivers.Passage](r, time.Minute)
			})
		})
	}
}

func TestLostPermitIsWithdrawn(t *testing.T) {
	onRig(t, turnstile.Settings{}, unitOne, func(r *rig) {
		r.up()
		drivertest.Elapse(100 * time.Millisecond)
		r.line.SetFaults(board.Faults{Deaf: true})
		healed := time.AfterFunc(520*time.Millisecond, func() { r.line.SetFaults(board.Faults{}) })
		defer healed.Stop()
		if err := r.release(1, drivers.Entry, 5*time.Second); !errors.Is(err, drivers.ErrNoAnswer) {
			t.Fatalf("Release: %v, want ErrNoAnswer", err)
		}
		if n := len(r.host.frames(entryClose)); n != 1 {
			t.Errorf("withdrawn %d times, want once", n)
		}
		if s := r.sim.State(); s.EntryPermits != 0 || s.EntryCount != 0 {
			t.Errorf("%+v, want a closed gate", s)
		}
		none[drivers.Passage](r, time.Minute)
	})
}

func TestMuteGateIsClosedAtTheNextContact(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Stay}, unitOne, func(r *rig) {
		r.up()
		drivertest.Elapse(100 * time.Millisecond)
		r.line.SetFaults(board.Faults{Mute: true})
		if err := r.release(1, drivers.Entry, 5*time.Second); !errors.Is(err, drivers.ErrNoAnswer) {
			t.Fatalf("Release: %v, want ErrNoAnswer", err)
		}
		r.line.SetFaults(board.Faults{})
		before := len(r.host.frames(entryClose))
		drivertest.Elapse(2 * time.Second)
		closes, polls := r.host.frames(entryClose), r.host.frames(statusPoll)
		if len(closes) <= before {
			t.Fatal("not withdrawn again although the withdrawal was never acknowledged")
		}
		if first := closes[before]; first.at.After(polls[len(polls)-1].at) {
			t.Error("polled before the withdrawal")
		}
		if s := r.sim.State(); s.EntryPermits != 0 {
			t.Errorf("%+v, want a closed gate", s)
		}
	})
}

func TestCallerThatHasLeftOpensNothing(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Stay}, unitOne, func(r *rig) {
		r.up()
		drivertest.Elapse(100 * time.Millisecond)
		r.line.SetFaults(board.Faults{DelayMs: 200}) // the acknowledgement comes when nobody waits for it
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		err := r.gate.(drivers.Gate).Release(ctx, drivers.Permit{ID: 1, Direction: drivers.Entry, For: 5 * time.Second})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Release: %v, want its context's error", err)
		}
		drivertest.Elapse(time.Second)
		if s := r.sim.State(); s.EntryPermits != 0 || len(r.host.frames(entryGrant)) != 1 {
			t.Errorf("%+v, want the permit withdrawn", s)
		}
		none[drivers.Passage](r, time.Minute)
	})
}

func TestPermitLeftFromEarlierIsWithdrawnAndNeverAddedTo(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Manual}, unitOne, func(r *rig) {
		r.up()
		if err := r.release(1, drivers.Entry, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		r.stop() // the station restarts
		if err := <-r.ran; err != nil {
			t.Fatal(err)
		}
		if s := r.sim.State(); s.EntryPermits != 1 {
			t.Fatalf("%+v, want the permit still open", s)
		}
		r.run()
		for h := await[drivers.Health](r); h.Note != "a permit of earlier is still open"; h = await[drivers.Health](r) {
		}
		if err := r.release(2, drivers.Entry, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		if s := r.sim.State(); s.EntryPermits != 1 {
			t.Errorf("%d entry permits, want 1", s.EntryPermits)
		}
		if n := len(r.host.frames(entryClose)); n != 1 {
			t.Errorf("withdrawn %d times, want once", n)
		}
		if err := r.sim.Pass(turnstile.Entry); err != nil {
			t.Fatal(err)
		}
		if got := await[drivers.Passage](r); got.Permit != 2 || got.Outcome != drivers.Passed {
			t.Errorf("%+v", got)
		}
	})
}

func TestCountersWrapAndReset(t *testing.T) {
	onRig(t, turnstile.Settings{}, unitOne, func(r *rig) {
		r.sim.SetCounters(0xFFFFFFFF, 0x0001FFFF)
		r.up()
		if err := r.release(1, drivers.Entry, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		if got := await[drivers.Passage](r); got.Outcome != drivers.Passed || got.Count != 0 {
			t.Errorf("%+v, want passed with the counter at 0", got)
		}
		if err := r.release(2, drivers.Exit, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		if got := await[drivers.Passage](r); got.Outcome != drivers.Passed || got.Count != 0x00020000 {
			t.Errorf("%+v, want passed with the counter at 20000 (hex)", got)
		}
		r.visitor(turnstile.Stay)
		if err := r.release(3, drivers.Entry, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		r.sim.SetCounters(0xFFFFFFF0, 0) // set back by a repair
		if got := await[drivers.Passage](r); got.Permit != 3 || got.Outcome != drivers.Lapsed {
			t.Errorf("%+v, want lapsed: a counter that was set back counts nobody", got)
		}
		none[drivers.Alarm](r, 10*time.Second)
	})
}

func TestWithdrawWaitsForWhoIsInTheLane(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Manual, Pass: 2 * time.Second}, unitOne, func(r *rig) {
		r.up()
		if err := r.release(1, drivers.Entry, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		if err := r.sim.Pass(turnstile.Entry); err != nil {
			t.Fatal(err)
		}
		drivertest.Elapse(500 * time.Millisecond)
		c, err := r.gate.(drivers.PassageCounter).Withdraw(context.Background(), drivers.Entry)
		if err != nil || c.Entry != 1 || c.EntryPermits != 0 {
			t.Errorf("Withdraw: %+v, %v; want the person counted", c, err)
		}
		if got := await[drivers.Passage](r); got.Outcome != drivers.Passed || got.Count != 1 {
			t.Errorf("%+v, want passed", got)
		}
		none[drivers.Alarm](r, 10*time.Second)
	})
}

// TestNoPersonIsLostOrInvented lets people through a gate on a bad line. Whatever happens on the
// line, each acknowledged permit ends exactly once, everyone who was reported was counted by the gate,
// and nobody walks through on a permit that was said to be void.
func TestNoPersonIsLostOrInvented(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			set := turnstile.Settings{Pass: 150 * time.Millisecond, TakeEarly: seed%2 == 1}
			onRig(t, set, unitOne, func(r *rig) {
				r.up()
				passed := uint32(0)
				for id := drivers.PermitID(1); id <= 30; id++ {
					passed += oneVisitor(r, rnd, id)
				}
				r.line.SetFaults(board.Faults{})
				none[drivers.Passage](r, time.Minute)
				if got := r.sim.State().EntryCount; got != passed {
					t.Errorf("the gate counted %d, reported as passed were %d", got, passed)
				}
			})
		})
	}
}

// oneVisitor releases the gate once on a line with random faults, and returns how many passed.
func oneVisitor(r *rig, rnd *rand.Rand, id drivers.PermitID) uint32 {
	visitor := turnstile.Walk
	if rnd.IntN(3) == 0 {
		visitor = turnstile.Stay
	}
	if err := r.sim.SetVisitor(visitor, time.Duration(1+rnd.IntN(1500))*time.Millisecond); err != nil {
		r.t.Fatal(err)
	}
	r.line.SetFaults(board.Faults{
		Lose: rnd.IntN(3), Flip: rnd.IntN(2), Drop: rnd.IntN(2), Duplicate: rnd.IntN(2), DelayMs: rnd.IntN(40),
	})
	drivertest.Elapse(time.Duration(rnd.IntN(1200)) * time.Millisecond)
	err := r.release(id, drivers.Entry, 2*time.Second)
	if err != nil {
		if !errors.Is(err, drivers.ErrNoAnswer) {
			r.t.Errorf("Release %d: %v", id, err)
		}
		return 0
	}
	p := await[drivers.Passage](r)
	if p.Permit != id {
		r.t.Errorf("%+v, want permit %d", p, id)
	}
	if p.Outcome == drivers.Passed {
		return 1
	}
	return 0
}
