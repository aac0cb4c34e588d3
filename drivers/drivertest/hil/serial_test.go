package hil

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/linescan"
	"yipiao/drivers/lotgate"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
)

func newLine() (drivers.Device, error) {
	return linescan.Kind().New(json.RawMessage(`{"idle_ms":2000}`))
}

func lineFirmware(t *testing.T) *scanner.Scanner {
	t.Helper()
	sim, err := scanner.New(scanner.Settings{AIM: "]Q1"}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

func testSerialScanner(t *testing.T) {
	t.Parallel()
	r := gadgetSerial(t, udcScanner, "scanner")
	drivertest.Device(t, drivertest.Bench{
		New: newLine, Real: true,
		Plug: func(ctx context.Context) drivertest.Line {
			sim := lineFirmware(t)
			return drivertest.Line{
				Host: r.line(ctx, sim), Raw: r.garbage, Pull: r.pull,
				Provoke: func() { _ = scan(ctx, sim, long) }, Provoked: isScan(long),
			}
		},
	})
	t.Run("OnlyOneMayOpenIt", func(t *testing.T) {
		r.run(t, made(t, newLine), lineFirmware(t))
		r.busy(t)
	})
	t.Run("UnplugInMidCode", func(t *testing.T) {
		sim := lineFirmware(t)
		s := r.run(t, made(t, newLine), sim)
		if err := told(func() error { return sim.Raw(t.Context(), []byte("]Q1"+long[:80])) }); err != nil {
			t.Fatal(err)
		}
		r.pull()
		s.gone()
		sim = lineFirmware(t)
		s = r.run(t, made(t, newLine), sim)
		if err := scan(t.Context(), sim, long); err != nil {
			t.Fatal(err)
		}
		s.scan(long)
	})
	t.Run("FoundAgainUnderAnotherName", func(t *testing.T) { foundAgain(t, r) })
}

// foundAgain: while somebody holds the old node open, the device comes back as another ttyACM. By its path it is found.
func foundAgain(t *testing.T, r *rig) {
	old := r.line(t.Context(), lineFirmware(t))
	end := r.end
	r.end = nil // the old port stays open
	r.pull()
	_ = old.SetReadDeadline(time.Now().Add(patience))
	_, _ = old.Read(make([]byte, 1))
	sim := lineFirmware(t)
	s := r.run(t, made(t, newLine), sim)
	if err := scan(t.Context(), sim, long); err != nil {
		t.Fatal(err)
	}
	s.scan(long)
	end()
}

func newGate() (drivers.Device, error) {
	return lotgate.Kind().New(json.RawMessage(`{"gap_ms":2,"timeout_ms":2000}`))
}

// A stand is a turnstile that goes on while its line comes and goes.
func stand(t *testing.T) *turnstile.Turnstile {
	t.Helper()
	sim, err := turnstile.New(turnstile.Settings{Walk: 50 * time.Millisecond, Pass: 50 * time.Millisecond}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = sim.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return sim
}

func testTurnstile(t *testing.T) {
	t.Parallel()
	r := gadgetSerial(t, udcGate, "gate")
	drivertest.Device(t, drivertest.Bench{
		New: newGate, Real: true,
		Plug: func(ctx context.Context) drivertest.Line {
			sim := stand(t)
			return drivertest.Line{
				Host: r.line(ctx, sim), Raw: r.garbage, Pull: r.pull,
				Provoke: func() { sim.SetFire(true) },
				Provoked: func(e drivers.Event) bool {
					a, ok := e.(drivers.Alarm)
					return ok && a.Kind == drivers.AlarmFire
				},
			}
		},
	})
	sim := stand(t)
	t.Run("PassageForAPermit", func(t *testing.T) {
		dev := made(t, newGate)
		s := r.run(t, dev, sim)
		for id := drivers.PermitID(1); id <= 3; id++ {
			before := sim.State().EntryCount
			if err := permit(t, dev, id); err != nil {
				t.Fatalf("Release: %v", err)
			}
			e := s.await("a passage", func(e drivers.Event) bool { _, ok := e.(drivers.Passage); return ok })
			if p := e.(drivers.Passage); p != (drivers.Passage{Permit: id, Outcome: drivers.Passed, Count: before + 1}) {
				t.Errorf("%+v, want permit %d passed and %d counted", p, id, before+1)
			}
		}
	})
	t.Run("UnplugWithAnOpenPermit", func(t *testing.T) { unplugOpenPermit(t, r, sim) })
}

func permit(t *testing.T, dev drivers.Device, id drivers.PermitID) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return dev.(drivers.Gate).Release(ctx, drivers.Permit{ID: id, Direction: drivers.Entry, For: 3 * time.Second})
}

// unplugOpenPermit: after the replug the gate says what it has counted, and is closed.
func unplugOpenPermit(t *testing.T, r *rig, sim *turnstile.Turnstile) {
	if err := sim.SetVisitor(turnstile.Stay, 0); err != nil {
		t.Fatal(err)
	}
	dev := made(t, newGate)
	s := r.run(t, dev, sim)
	if err := permit(t, dev, 1); err != nil {
		t.Fatal(err)
	}
	r.pull()
	s.gone()
	if err := permit(t, dev, 2); !errors.Is(err, drivers.ErrNotRunning) {
		t.Errorf("Release without a gate: %v, want ErrNotRunning", err)
	}
	r.run(t, dev, sim)
	c, err := dev.(drivers.PassageCounter).Withdraw(t.Context(), drivers.Entry)
	if want := sim.State().EntryCount; err != nil || c.Entry != want || c.EntryPermits != 0 {
		t.Errorf("Withdraw: %+v, %v; want a closed gate and %d counted", c, err, want)
	}
}
