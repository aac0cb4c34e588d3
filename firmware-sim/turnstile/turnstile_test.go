package turnstile_test

import (
	"context"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
)

// Frames to unit 1, from the shared vectors.
const (
	grantEntry = "0110004000010200016950"
	grantExit  = "0110004100010200016881"
	closeEntry = "011000400001020000a890"
)

// A rig is a turnstile on a line in a bubble.
type rig struct {
	t    *testing.T
	sim  *turnstile.Turnstile
	host *board.PipeEnd
	tape *tape.Tape
}

func onRig(t *testing.T, set turnstile.Settings, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tp := tape.New(100)
		sim, err := turnstile.New(set, tp.Recorder("gate-1"))
		if err != nil {
			t.Fatal(err)
		}
		host, device := board.Pipe(errors.New("gone"))
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		go func() { _ = sim.Run(ctx) }()
		go func() { _ = sim.Serve(ctx, board.NewLine(device, 0)) }()
		test(&rig{t: t, sim: sim, host: host, tape: tp})
	})
}

// elapse lets time pass in a bubble; it panics outside of one.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// send puts bytes on the line and returns what comes back within 100 ms, in hex.
func (r *rig) send(frame string) string {
	r.t.Helper()
	wire, err := hex.DecodeString(frame)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.host.Write(wire); err != nil {
		r.t.Fatal(err)
	}
	_ = r.host.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	buf := make([]byte, 256)
	n, err := r.host.Read(buf)
	if err != nil && !board.Quiet(err) {
		r.t.Fatal(err)
	}
	return hex.EncodeToString(buf[:n])
}

func (r *rig) kinds() string {
	var words []string
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, e := range r.tape.Since(ctx, "gate-1", 0) {
		words = append(words, e.Kind)
	}
	return strings.Join(words, " ")
}

func TestVisitorWalksThrough(t *testing.T) {
	onRig(t, turnstile.Settings{}, func(r *rig) {
		if got := r.send(grantEntry); got != "011000400001001d" {
			t.Fatalf("answered %s", got)
		}
		if s := r.sim.State(); s.EntryPermits != 1 || s.EntryCount != 0 || s.InLane {
			t.Errorf("just opened: %+v", s)
		}
		elapse(350 * time.Millisecond)
		if s := r.sim.State(); !s.InLane {
			t.Errorf("after 350 ms: %+v, want somebody in the lane", s)
		}
		elapse(time.Second)
		if s := r.sim.State(); s.EntryPermits != 0 || s.EntryCount != 1 || s.InLane {
			t.Errorf("after the passage: %+v", s)
		}
		if got := r.kinds(); got != "permit passed" {
			t.Errorf("events %q", got)
		}
		events := r.tape.Since(t.Context(), "gate-1", 0)
		if events[0].Hex != grantEntry || !strings.Contains(events[0].Text, "entry permits=1") {
			t.Errorf("%+v", events[0])
		}
		if want := "通过，入口计数 1 / passed, entry counter=1"; events[1].Text != want {
			t.Errorf("text %q, want %q", events[1].Text, want)
		}
	})
}

func TestVisitorStaysAndThePermitLapses(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Stay}, func(r *rig) {
		r.send(grantEntry)
		elapse(4800 * time.Millisecond)
		if s := r.sim.State(); s.EntryPermits != 1 {
			t.Errorf("before its time: %+v", s)
		}
		elapse(300 * time.Millisecond)
		if s := r.sim.State(); s.EntryPermits != 0 || s.EntryCount != 0 {
			t.Errorf("after its time: %+v", s)
		}
		if got := r.kinds(); got != "permit lapsed" {
			t.Errorf("events %q", got)
		}
	})
}

func TestManualPassAndForce(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Manual}, func(r *rig) {
		if err := r.sim.Pass(turnstile.Exit); !errors.Is(err, turnstile.ErrClosed) {
			t.Errorf("Pass of a closed gate: %v, want ErrClosed", err)
		}
		r.send(grantExit)
		if err := r.sim.Pass(turnstile.Exit); err != nil {
			t.Fatal(err)
		}
		if err := r.sim.Force(turnstile.Entry); !errors.Is(err, turnstile.ErrOccupied) {
			t.Errorf("Force with somebody in the lane: %v, want ErrOccupied", err)
		}
		elapse(time.Second)
		if err := r.sim.Force(turnstile.Entry); err != nil {
			t.Fatal(err)
		}
		elapse(time.Second)
		if s := r.sim.State(); s.ExitCount != 1 || s.EntryCount != 1 || s.ExitPermits != 0 {
			t.Errorf("%+v", s)
		}
		if got := r.kinds(); got != "permit passed forced passed" {
			t.Errorf("events %q", got)
		}
	})
}

func TestPermitWithdrawnInTime(t *testing.T) {
	onRig(t, turnstile.Settings{}, func(r *rig) {
		r.send(grantEntry)
		r.send(closeEntry)
		elapse(time.Minute)
		if s := r.sim.State(); s.EntryCount != 0 || s.EntryPermits != 0 {
			t.Errorf("%+v, want nobody through", s)
		}
	})
}

func TestSeveralPermitsAndAccumulation(t *testing.T) {
	onRig(t, turnstile.Settings{}, func(r *rig) {
		r.send("01063010000146cf") // accumulate
		r.send(grantEntry)
		r.send(grantEntry)
		if s := r.sim.State(); s.EntryPermits != 2 {
			t.Fatalf("%d permits, want 2 added up", s.EntryPermits)
		}
		elapse(10 * time.Second)
		if s := r.sim.State(); s.EntryCount != 2 || s.EntryPermits != 0 {
			t.Errorf("%+v, want two through", s)
		}
	})
}

func TestBrokenFramesAreNotAnswered(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Stay}, func(r *rig) {
		for _, frame := range []string{
			"0110004000010200016951", // a wrong checksum
			"011000400001",           // breaks off
			"ffffffffffffffffffffff", // noise
			"00",
		} {
			if got := r.send(frame); got != "" {
				t.Errorf("%s was answered with %s", frame, got)
			}
			if got := r.send(grantEntry); got == "" {
				t.Errorf("a good frame after %s and silence was not answered", frame)
			}
		}
		if got := r.send("012b0e01007077"); got != "01ab019ef0" {
			t.Errorf("an unknown function was answered with %q, want exception 1", got)
		}
	})
}

func TestFireBlockedAndPowerCut(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Manual}, func(r *rig) {
		r.send(grantEntry)
		r.sim.SetFire(true)
		if s := r.sim.State(); !s.Fire || s.EntryPermits != 0 {
			t.Errorf("%+v", s)
		}
		if got := r.send(grantEntry); !strings.HasPrefix(got, "019004") {
			t.Errorf("a permit during a fire was answered with %s, want exception 4", got)
		}
		if err := r.sim.Pass(turnstile.Exit); err != nil {
			t.Errorf("Pass during a fire: %v", err)
		}
		elapse(time.Second)
		r.sim.SetFire(false)
		r.send("01063011000916c9") // nine seconds
		if s := r.sim.State(); s.StartSeconds != 9 {
			t.Fatalf("start time %d, want 9", s.StartSeconds)
		}
		r.sim.PowerCycle()
		if s := r.sim.State(); s.StartSeconds != 5 || s.ExitCount != 1 || s.Fire {
			t.Errorf("after a power cut: %+v, want the counters and no settings", s)
		}
	})
}

func TestCountersOutliveTheSimulator(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "gate-1.json")
	onRig(t, turnstile.Settings{State: file}, func(r *rig) {
		r.send(grantEntry)
		elapse(time.Second)
	})
	again, err := turnstile.New(turnstile.Settings{State: file}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if s := again.State(); s.EntryCount != 1 {
		t.Errorf("%+v, want the count of before", s)
	}
}

func TestVisitorCanBeChangedWhileAPermitIsOpen(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Stay}, func(r *rig) {
		r.send(grantEntry)
		if err := r.sim.SetVisitor(turnstile.Walk, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		elapse(time.Second)
		if s := r.sim.State(); s.EntryCount != 1 || s.WalkMs != 50 {
			t.Errorf("%+v, want somebody through", s)
		}
		if err := r.sim.SetVisitor("run", 0); err == nil {
			t.Error("an unknown visitor: nil, want an error")
		}
	})
}
