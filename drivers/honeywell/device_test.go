package honeywell_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/drivertest/commandtest"
	"yipiao/drivers/honeywell"
	"yipiao/drivers/internal/codeline"
	"yipiao/drivers/port"
	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
)

func scanner() commandtest.Scanner {
	return commandtest.Scanner{
		Kind: honeywell.Kind(), Splitter: func() codeline.Splitter { return &honeywell.Splitter{} }, Answer: "CBRENA1\x06.",
	}
}

func TestScanner(t *testing.T) { scanner().Run(t) }

func TestVectors(t *testing.T) { scanner().Vectors(t) }

func FuzzSplitter(f *testing.F) { scanner().Fuzz(f) }

func TestTriggerAndBeep(t *testing.T) {
	scanner().Listen(t, "", scanhead.Triggered, func(t *testing.T, dev commandtest.Device, l commandtest.Line, heard *drivertest.Heard) {
		heard.After(time.Second)
		_ = l.Sim.Scan(t.Context(), commandtest.Ticket)
		if scans, _ := heard.After(time.Second); len(scans) != 0 {
			t.Errorf("%+v without a trigger", scans)
		}
		for _, err := range []error{
			dev.Trigger(t.Context(), true), dev.Beep(t.Context(), true), dev.Beep(t.Context(), false),
			dev.Trigger(t.Context(), true), dev.Trigger(t.Context(), false),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		scans, _ := heard.After(time.Second)
		commandtest.One(t, "trigger", scans, commandtest.Ticket)
		if st := l.Sim.State(); len(st.Head.Beeps) != 4 || st.Head.Trigger {
			t.Errorf("%+v, want one beep and three", st)
		}
	})
}

func TestBytesOnTheWire(t *testing.T) {
	wire := map[string][]byte{}
	scanner().Load(t, func(v vectors.Vector, _ commandtest.Meaning) {
		if v.Direction == vectors.HostToDevice {
			wire[v.Name] = v.Wire
		}
	})
	synctest.Test(t, func(t *testing.T) {
		dev := scanner().New(t, `{"check_s":0}`)
		host, device := board.Pipe(port.ErrGone)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- dev.Run(ctx, host, func(drivers.Event) {}) }()
		commandtest.Expect(t, device, wire["a query"])
		_, _ = device.Write([]byte("CBRSSX0\x06.CBRENA1\x06.")) // an answer to another question first
		for name, do := range map[string]func() error{
			"trigger on":  func() error { return dev.Trigger(ctx, true) },
			"trigger off": func() error { return dev.Trigger(ctx, false) },
			"beep":        func() error { return dev.Beep(ctx, true) },
		} {
			if err := do(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			commandtest.Expect(t, device, wire[name])
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
