package newland_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/drivertest/commandtest"
	"yipiao/drivers/internal/codeline"
	"yipiao/drivers/newland"
	"yipiao/drivers/port"
	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
)

func scanner() commandtest.Scanner {
	return commandtest.Scanner{
		Kind: newland.Kind(), Splitter: func() codeline.Splitter { return &newland.Splitter{} }, Answer: "\x02\x010000#SCNTRG1\x06;\x03",
	}
}

func TestScanner(t *testing.T) { scanner().Run(t) }

func TestVectors(t *testing.T) { scanner().Vectors(t) }

func FuzzSplitter(f *testing.F) { scanner().Fuzz(f) }

func TestTriggerAndBeep(t *testing.T) {
	scanner().Listen(t, "", scanhead.Triggered, func(t *testing.T, dev commandtest.Device, l commandtest.Line, heard *drivertest.Heard) {
		if _, h := heard.After(10 * time.Second); h.Firmware != "1.02.003" {
			t.Errorf("firmware %q", h.Firmware)
		}
		_ = l.Sim.Scan(t.Context(), commandtest.Ticket)
		if scans, _ := heard.After(time.Second); len(scans) != 0 {
			t.Errorf("%+v without a trigger", scans)
		}
		start := time.Now()
		for _, err := range []error{
			dev.Trigger(t.Context(), true), dev.Trigger(t.Context(), false), dev.Beep(t.Context(), true), dev.Beep(t.Context(), false),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took < 150*time.Millisecond {
			t.Errorf("four commands took %v, want 50 ms between them", took)
		}
		scans, _ := heard.After(time.Second)
		commandtest.One(t, "trigger", scans, commandtest.Ticket)
		if st := l.Sim.State(); st.Early != 0 || len(st.Head.Beeps) != 2 || st.Head.Trigger {
			t.Errorf("%+v", st)
		}
	})
}

func TestCommandsThatFail(t *testing.T) {
	scanner().Listen(t, "", "", func(t *testing.T, dev commandtest.Device, l commandtest.Line, heard *drivertest.Heard) {
		heard.After(time.Second)
		l.Line.SetFaults(board.Faults{Mute: true})
		start := time.Now()
		if err := dev.Beep(t.Context(), true); !errors.Is(err, drivers.ErrNoAnswer) || time.Since(start) > time.Second {
			t.Errorf("mute: %v after %v, want ErrNoAnswer", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := dev.Beep(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("caller leaves: %v", err)
		}
		heard.After(time.Second)
		l.Line.SetFaults(board.Faults{Flip: 1})
		if err := dev.Trigger(t.Context(), true); !errors.Is(err, drivers.ErrNoAnswer) {
			t.Errorf("spoilt answer: %v, want ErrNoAnswer", err)
		}
		l.Line.SetFaults(board.Faults{})
		if err := dev.Trigger(t.Context(), true); err != nil {
			t.Errorf("healed: %v", err)
		}
	})
}

// TestAnswersOfTheVectors plays the scanner.
func TestAnswersOfTheVectors(t *testing.T) {
	wire := map[string][]byte{}
	scanner().Load(t, func(v vectors.Vector, _ commandtest.Meaning) {
		wire[v.Name] = v.Wire
	})
	synctest.Test(t, func(t *testing.T) {
		dev := scanner().New(t, `{"check_s":0}`)
		host, device := board.Pipe(port.ErrGone)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- dev.Run(ctx, host, func(drivers.Event) {}) }()
		commandtest.Expect(t, device, wire["system"])
		_, _ = device.Write([]byte("\x02\x010000#QRYSYS\x15;\x03"))
		try := func(name string, do func() error, answers string) error {
			result := make(chan error, 1)
			go func() { result <- do() }()
			commandtest.Expect(t, device, wire[name])
			for a := range strings.SplitSeq(answers, "|") {
				_, _ = device.Write(wire[a])
			}
			return <-result
		}
		on := func() error { return dev.Trigger(ctx, true) }
		if err := try("trigger on", on, "add data format|done"); err != nil {
			t.Errorf("an answer to another question first: %v", err)
		}
		if err := try("trigger off", func() error { return dev.Trigger(ctx, false) }, "out of range"); !errors.Is(err, drivers.ErrNoAnswer) {
			t.Errorf("only an answer to another question: %v, want ErrNoAnswer", err)
		}
		commandtest.Expect(t, device, wire["system"]) // it is asked whether it is there
		_, _ = device.Write([]byte("\x02\x010000#QRYSYS\x06;\x03"))
		if err := try("beep", func() error { return dev.Beep(ctx, true) }, "not known"); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("not known: %v, want ErrRefused", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestFirmware(t *testing.T) {
	for text, want := range map[string]string{
		"\r\nProduct Name: X\r\nFirmware Version: 1.2\r\n": "1.2", "FIRMWARE:A\x01": "", "": "",
	} {
		if got := newland.Firmware(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestSlowScanner(t *testing.T) {
	scanner().Listen(t, `{"answer_ms":2000}`, "", func(t *testing.T, dev commandtest.Device, l commandtest.Line, heard *drivertest.Heard) {
		heard.After(time.Second)
		l.Line.SetFaults(board.Faults{DelayMs: 1500})
		if err := dev.Trigger(t.Context(), true); err != nil {
			t.Errorf("within its time: %v", err)
		}
		l.Line.SetFaults(board.Faults{DelayMs: 2500})
		if err := dev.Trigger(t.Context(), true); !errors.Is(err, drivers.ErrNoAnswer) {
			t.Errorf("later: %v, want ErrNoAnswer", err)
		}
		l.Line.SetFaults(board.Faults{})
		if err := dev.Beep(t.Context(), true); err != nil {
			t.Errorf("with the late answer before its own: %v", err)
		}
		if scans, _ := heard.After(time.Second); len(scans) != 0 {
			t.Errorf("%+v, want no scan of an answer", scans)
		}
	})
}
