package drivertest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
)

// A GateBench is a Bench whose device is a gate.
type GateBench struct {
	Bench
	// Walks says whether the simulated visitor walks through once the gate opens.
	Walks func(bool)
	// Mute cuts what the device sends.
	Mute func(bool)
	// Counted is the device's own count of entries.
	Counted func() uint32
	// Keeps says that the gate stays open by its own time once it has been told: nothing takes a permit back.
	Keeps bool
	// Blind says that the device sends nothing: it acknowledges no permit, and how one ends is Unknown with count 0.
	Blind bool
}

// ends is what a device says of the end of a permit.
func (b GateBench) ends(id drivers.PermitID, o drivers.PassageOutcome, count uint32) drivers.Passage {
	if b.Blind {
		return drivers.Passage{Permit: id, Outcome: drivers.Unknown}
	}
	return drivers.Passage{Permit: id, Outcome: o, Count: count}
}

// void is how many may pass on a permit that was void: nobody, or who found the gate open by its own time.
func (b GateBench) void() uint32 {
	if b.Keeps {
		return 1
	}
	return 0
}

// Gate checks the contract of drivers.Gate, and of drivers.PassageCounter where the device has it. setUp is
// called within each bubble.
func Gate(t *testing.T, setUp func(t *testing.T) GateBench) {
	checks := []struct {
		name    string
		answers bool // it is about answers, which a blind device has none of
		check   func(*testing.T, GateBench)
	}{
		{"OnePassageForEachPermit", false, onePassageEach},
		{"PermitLapses", false, permitLapses},
		{"OnePermitAtATime", false, onePermitAtATime},
		{"BadPermitsAreRefused", false, badPermits},
		{"NotRunning", false, notRunning},
		{"NoAnswerVoidsThePermit", true, noAnswerVoids},
		{"ContextEndVoidsThePermit", true, contextVoids},
		{"RunEndReleasesCallers", true, runEndReleasesCallers},
		{"WithdrawClosesAndCounts", false, withdrawCloses},
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if b := setUp(t); !b.Blind || !c.answers {
					c.check(t, b)
				}
			})
		})
	}
}

const permitFor = 3 * time.Second

func release(ctx context.Context, dev drivers.Device, id drivers.PermitID) error {
	return dev.(drivers.Gate).Release(ctx, drivers.Permit{ID: id, Direction: drivers.Entry, For: permitFor})
}

// passages returns the passages with an ID.
func (r *run) passages(id drivers.PermitID) (all []drivers.Passage) {
	for _, s := range r.seen() {
		if p, ok := s.event.(drivers.Passage); ok && p.Permit == id {
			all = append(all, p)
		}
	}
	return all
}

// settle lets the bubble's time pass until any permit must have ended.
func settle() { Elapse(time.Minute) }

func isPassage(e drivers.Event) bool { _, ok := e.(drivers.Passage); return ok }

func onePassageEach(t *testing.T, b GateBench) {
	dev := newDevice(t, b.Bench)
	r := b.start(t, dev)
	next := r.up()
	b.Walks(true)
	for id := drivers.PermitID(1); id <= 5; id++ {
		before := b.Counted()
		if err := release(t.Context(), dev, id); err != nil {
			t.Fatalf("Release %d: %v", id, err)
		}
		var e drivers.Event
		e, next = r.await(next, "a passage", isPassage)
		if p, want := e.(drivers.Passage), b.ends(id, drivers.Passed, before+1); p != want {
			t.Errorf("%+v, want %+v", p, want)
		}
	}
	settle()
	for id := drivers.PermitID(1); id <= 5; id++ {
		if n := len(r.passages(id)); n != 1 {
			t.Errorf("%d passages for permit %d, want exactly one", n, id)
		}
	}
}

func permitLapses(t *testing.T, b GateBench) {
	dev := newDevice(t, b.Bench)
	r := b.start(t, dev)
	next := r.up()
	b.Walks(false)
	start := time.Now()
	if err := release(t.Context(), dev, 1); err != nil {
		t.Fatal(err)
	}
	e, _ := r.await(next, "the permit to lapse", isPassage)
	if p := e.(drivers.Passage); p != b.ends(1, drivers.Lapsed, p.Count) {
		t.Errorf("%+v, want permit 1 lapsed", p)
	}
	if took := time.Since(start); took < permitFor || took > permitFor+2*time.Second {
		t.Errorf("lapsed after %v, want about %v", took, permitFor)
	}
	settle()
	if n := len(r.passages(1)); n != 1 {
		t.Errorf("%d passages, want exactly one", n)
	}
}

func onePermitAtATime(t *testing.T, b GateBench) {
	dev := newDevice(t, b.Bench)
	r := b.start(t, dev)
	next := r.up()
	b.Walks(false)
	if err := release(t.Context(), dev, 1); err != nil {
		t.Fatal(err)
	}
	if err := release(t.Context(), dev, 2); !errors.Is(err, drivers.ErrPermitOpen) {
		t.Errorf("second Release: %v, want ErrPermitOpen", err)
	}
	r.await(next, "the permit to lapse", isPassage)
	if err := release(t.Context(), dev, 3); err != nil {
		t.Errorf("Release after the permit has ended: %v", err)
	}
	settle()
	if n := len(r.passages(2)); n != 0 {
		t.Errorf("%d passages for a permit that was refused", n)
	}
}

func badPermits(t *testing.T, b GateBench) {
	dev := newDevice(t, b.Bench)
	r := b.start(t, dev)
	r.up()
	b.Walks(true)
	before := b.Counted()
	for _, p := range []drivers.Permit{
		{ID: 1, Direction: drivers.Entry},
		{ID: 1, Direction: drivers.Entry, For: 1500 * time.Millisecond},
		{ID: 1, Direction: drivers.Entry, For: 61 * time.Second},
		{ID: 1, For: permitFor},
		{ID: 1, Direction: 3, For: permitFor},
	} {
		if err := dev.(drivers.Gate).Release(t.Context(), p); err == nil {
			t.Errorf("%+v: nil, want an error", p)
		}
	}
	settle()
	if b.Counted() != before || len(r.passages(1)) != 0 {
		t.Error("somebody passed on a bad permit")
	}
}

func notRunning(t *testing.T, b GateBench) {
	dev := newDevice(t, b.Bench)
	if err := release(t.Context(), dev, 1); !errors.Is(err, drivers.ErrNotRunning) {
		t.Errorf("Release before Run: %v, want ErrNotRunning", err)
	}
	r := b.start(t, dev)
	r.up()
	r.line.Pull()
	r.ended()
	if err := release(t.Context(), dev, 2); !errors.Is(err, drivers.ErrNotRunning) {
		t.Errorf("Release after Run: %v, want ErrNotRunning", err)
	}
}

func noAnswerVoids(t *testing.T, b GateBench) {
	dev := newDevice(t, b.Bench)
	r := b.start(t, dev)
	r.up()
	b.Walks(false)
	before := b.Counted()
	b.Mute(true)
	if err := release(t.Context(), dev, 1); !errors.Is(err, drivers.ErrNoAnswer) {
		t.Fatalf("Release to a mute gate: %v, want ErrNoAnswer", err)
	}
	b.Mute(false)
	b.Walks(true) // whoever is there now must find it closed
	settle()
	if n := b.Counted() - before; n > b.void() {
		t.Errorf("%d passed on a permit that was void", n)
	}
	if n := len(r.passages(1)); n != 0 {
		t.Errorf("%d passages for a permit that was void", n)
	}
	if err := release(t.Context(), dev, 2); err != nil {
		t.Errorf("Release once the gate answers again: %v", err)
	}
}

func contextVoids(t *testing.T, b GateBench) {
	dev := newDevice(t, b.Bench)
	r := b.start(t, dev)
	r.up()
	b.Walks(false)
	before := b.Counted()
	b.Mute(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := release(ctx, dev, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Release: %v, want context.DeadlineExceeded", err)
	}
	if took := time.Since(start); took > endsWithin {
		t.Errorf("Release returned %v after it began, its context ended after 100 ms", took)
	}
	b.Mute(false)
	b.Walks(true)
	settle()
	if b.Counted()-before > b.void() || len(r.passages(1)) != 0 {
		t.Error("somebody passed on a permit that was void")
	}
}

func runEndReleasesCallers(t *testing.T, b GateBench) {
	dev := newDevice(t, b.Bench)
	r := b.start(t, dev)
	r.up()
	b.Mute(true)
	failed := make(chan error, 3)
	for id := drivers.PermitID(1); id <= 3; id++ {
		go func() { failed <- release(context.Background(), dev, id) }()
	}
	Elapse(50 * time.Millisecond)
	r.line.Pull()
	r.ended()
	for range 3 {
		select {
		case err := <-failed:
			if !errors.Is(err, drivers.ErrNotRunning) && !errors.Is(err, drivers.ErrNoAnswer) {
				t.Errorf("Release: %v, want ErrNotRunning or ErrNoAnswer", err)
			}
		case <-time.After(endsWithin):
			t.Fatal("Release still waits although Run has ended")
		}
	}
}

func withdrawCloses(t *testing.T, b GateBench) {
	dev := newDevice(t, b.Bench)
	counter, ok := dev.(drivers.PassageCounter)
	if !ok {
		return // the gate does not count, which is allowed
	}
	if _, ok := counter.LastCounters(); ok {
		t.Error("counters before the first poll")
	}
	r := b.start(t, dev)
	next := r.up()
	b.Walks(false)
	if err := release(t.Context(), dev, 1); err != nil {
		t.Fatal(err)
	}
	c, err := counter.Withdraw(t.Context(), drivers.Entry)
	if err != nil || c.Entry != b.Counted() || c.EntryPermits != 0 {
		t.Errorf("Withdraw: %+v, %v; want a closed gate and count %d", c, err, b.Counted())
	}
	if last, ok := counter.LastCounters(); !ok || last != c {
		t.Errorf("LastCounters: %+v, %v; want what Withdraw returned", last, ok)
	}
	e, _ := r.await(next, "the permit to end", isPassage)
	if p := e.(drivers.Passage); p.Permit != 1 || p.Outcome != drivers.Lapsed {
		t.Errorf("%+v, want permit 1 lapsed", p)
	}
	b.Walks(true)
	if err := release(t.Context(), dev, 2); err != nil {
		t.Errorf("Release after Withdraw: %v", err)
	}
	settle()
	if n := len(r.passages(2)); n != 1 {
		t.Errorf("%d passages for the next permit, want exactly one", n)
	}
}
