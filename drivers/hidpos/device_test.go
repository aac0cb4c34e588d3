package hidpos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/hidpos"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/scannerhid"
	"yipiao/firmware-sim/tape"
)

const ticket = "T1:7F3A-TICKET-0001"

func TestKind(t *testing.T) { drivertest.Kind(t, hidpos.Kind()) }

func newDevice(settings string) (drivers.Device, error) {
	return hidpos.Kind().New(json.RawMessage(settings))
}

func TestDeviceContract(t *testing.T) {
	for _, settings := range []string{"", `{"honeywell":true}`} {
		t.Run(settings, func(t *testing.T) { drivertest.Device(t, bench(settings)) })
	}
}

func TestSituations(t *testing.T) {
	drivertest.Situations(t, hidpos.Kind(), bench(`{"honeywell":true}`))
}

func TestUnplugAndCancelAtEveryStep(t *testing.T) {
	drivertest.Steps(t, bench(`{"honeywell":true}`), scannerhid.Reports("]Q1", strings.Repeat(ticket, 4), 0)[0])
}

// bench is a driver with a simulated scanner which is shown a code of several reports.
func bench(settings string) drivertest.Bench {
	return drivertest.Bench{
		New: func() (drivers.Device, error) { return newDevice(settings) },
		Plug: func(ctx context.Context) drivertest.Line {
			l := plug(ctx, scannerhid.Settings{Honeywell: true})
			return drivertest.Line{
				Host: l.host, Raw: func(p []byte) { _ = l.sim.Raw(ctx, p) }, Pull: func() { _ = l.device.Close() },
				Provoke: func() { _ = l.sim.Scan(ctx, strings.Repeat(ticket, 10)) },
				Provoked: func(e drivers.Event) bool {
					s, ok := e.(drivers.Scan)
					return ok && s.Fault == drivers.ScanOK && string(s.Data) == strings.Repeat(ticket, 10) && s.AIM == "]Q1"
				},
			}
		},
	}
}

type simLine struct {
	sim          *scannerhid.Scanner
	line         *board.Line
	host, device *scannerhid.ReportEnd
}

func plug(ctx context.Context, set scannerhid.Settings) simLine {
	sim, err := scannerhid.New(set, tape.Recorder{})
	if err != nil {
		panic(err) // the settings are these tests' own
	}
	host, device := scannerhid.Pipe(port.ErrGone)
	line := board.NewLine(device, 0)
	go func() { _ = sim.Serve(ctx, line) }()
	synctest.Wait()
	return simLine{sim: sim, line: line, host: host, device: device}
}

// listen runs a driver in a bubble and hands the test what it emits.
func listen(t *testing.T, settings string, set scannerhid.Settings, test func(t *testing.T, dev drivers.Device, l simLine, seen *drivertest.Heard)) {
	t.Helper()
	dev, err := newDevice(settings)
	if err != nil {
		t.Fatal(err)
	}
	var l simLine
	drivertest.Listen(t, dev, func(ctx context.Context) port.Port {
		l = plug(ctx, set)
		return l.host
	}, func(t *testing.T, heard *drivertest.Heard) { test(t, dev, l, heard) })
}

func TestCodeOfFourReports(t *testing.T) {
	code := strings.Repeat("0123456789", 20)
	listen(t, "", scannerhid.Settings{}, func(t *testing.T, _ drivers.Device, l simLine, seen *drivertest.Heard) {
		l.sim.SetGap(400 * time.Millisecond)
		if err := l.sim.Scan(t.Context(), code); err != nil {
			t.Fatal(err)
		}
		scans, h := seen.After(6 * time.Second)
		if len(scans) != 1 || string(scans[0].Data) != code || scans[0].Bytes != 256 || h.Frames != 4 {
			t.Errorf("%+v, %+v; want one code of four reports", scans, h)
		}
	})
}

func TestReportThatDoesNotCome(t *testing.T) {
	code := strings.Repeat("0123456789", 20)
	listen(t, "", scannerhid.Settings{}, func(t *testing.T, _ drivers.Device, l simLine, seen *drivertest.Heard) {
		l.sim.BreakOff(2)
		if err := l.sim.Scan(t.Context(), code); err != nil {
			t.Fatal(err)
		}
		if scans, _ := seen.After(499 * time.Millisecond); len(scans) != 0 {
			t.Fatalf("%+v before the time was over", scans)
		}
		scans, h := seen.After(10 * time.Second)
		if len(scans) != 1 || scans[0].Fault != drivers.ScanTorn || len(scans[0].Data) != 64 || h.Errors != 1 {
			t.Fatalf("%+v, %+v; want a torn code", scans, h)
		}
		if err := l.sim.Scan(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		if scans, _ := seen.After(time.Second); len(scans) != 1 || string(scans[0].Data) != ticket {
			t.Errorf("the next code: %+v", scans)
		}
	})
}

func TestFaultsOfTheCable(t *testing.T) {
	listen(t, "", scannerhid.Settings{}, func(t *testing.T, _ drivers.Device, l simLine, seen *drivertest.Heard) {
		l.line.SetFaults(board.Faults{Duplicate: 1})
		_ = l.sim.Scan(t.Context(), ticket)
		if scans, _ := seen.After(time.Second); len(scans) != 2 {
			t.Errorf("a report sent twice gave %d scans, want 2: they cannot be told from two reads", len(scans))
		}
		l.line.SetFaults(board.Faults{Drop: 3})
		for range 3 {
			_ = l.sim.Scan(t.Context(), ticket)
		}
		scans, h := seen.After(10 * time.Second)
		if len(scans) != 0 || h.State != drivers.StateAttention || h.Errors != 3 || !strings.Contains(h.Note, "HID POS mode") {
			t.Errorf("%+v, %+v; want attention after three short reports", scans, h)
		}
		_ = l.sim.Scan(t.Context(), ticket)
		if scans, h := seen.After(10 * time.Second); len(scans) != 1 || h.State != drivers.StateOK {
			t.Errorf("%+v, %+v; want it well again", scans, h)
		}
	})
}

func TestHoneywellIsTriggeredAndBeeps(t *testing.T) {
	set := scannerhid.Settings{Honeywell: true, Mode: scanhead.Triggered}
	listen(t, `{"honeywell":true}`, set, func(t *testing.T, dev drivers.Device, l simLine, seen *drivertest.Heard) {
		if scans, h := seen.After(10 * time.Second); len(scans) != 0 || h.Firmware != "16345" {
			t.Errorf("%+v, firmware %q; want the revision and no scan of it", scans, h.Firmware)
		}
		_ = l.sim.Scan(t.Context(), ticket)
		if scans, _ := seen.After(time.Second); len(scans) != 0 {
			t.Fatalf("%+v without a trigger", scans)
		}
		trigger, beeper := dev.(drivers.Trigger), dev.(drivers.Beeper)
		if err := trigger.Trigger(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if scans, _ := seen.After(time.Second); len(scans) != 1 || string(scans[0].Data) != ticket {
			t.Errorf("%+v, want the ticket", scans)
		}
		if err := errors.Join(trigger.Trigger(t.Context(), true), trigger.Trigger(t.Context(), false)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_ = l.sim.Scan(t.Context(), ticket)
		if scans, _ := seen.After(time.Second); len(scans) != 0 {
			t.Errorf("%+v after the trigger was let go", scans)
		}
		if err := beeper.Beep(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if err := beeper.Beep(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(l.sim.State().Head.Beeps); n != 4 {
			t.Errorf("%d beeps, want one and three", n)
		}
	})
}

func TestOtherScannersHaveNoAbilities(t *testing.T) {
	dev, err := newDevice("")
	if err != nil {
		t.Fatal(err)
	}
	if _, can := dev.(drivers.Beeper); can {
		t.Error("a scanner of another maker claims to beep")
	}
}

func TestCommandsOutsideOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev, err := newDevice(`{"honeywell":true}`)
		if err != nil {
			t.Fatal(err)
		}
		if err := dev.(drivers.Beeper).Beep(t.Context(), true); !errors.Is(err, drivers.ErrNotRunning) {
			t.Errorf("Beep: %v, want ErrNotRunning", err)
		}
	})
}

func TestUnplugInTheMiddleOfBeeping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev, err := newDevice(`{"honeywell":true}`)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		l := plug(ctx, scannerhid.Settings{Honeywell: true})
		done, beeped := make(chan error, 1), make(chan error, 1)
		go func() { done <- dev.Run(ctx, l.host, func(drivers.Event) {}) }()
		synctest.Wait()
		go func() { beeped <- dev.(drivers.Beeper).Beep(ctx, false) }()
		drivertest.Elapse(100 * time.Millisecond)
		_ = l.device.Close()
		if err := <-done; !errors.Is(err, port.ErrGone) {
			t.Errorf("Run: %v, want ErrGone", err)
		}
		if err := <-beeped; !errors.Is(err, drivers.ErrNoAnswer) {
			t.Errorf("Beep: %v, want ErrNoAnswer", err)
		}
	})
}

func TestCommandsAreThoseOfTheVectors(t *testing.T) {
	want := map[string][]byte{}
	for _, v := range load(t) {
		var m meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		if m.Command != "" {
			want[m.Command] = v.Wire
		}
	}
	synctest.Test(t, func(t *testing.T) {
		dev, err := newDevice(`{"honeywell":true}`)
		if err != nil {
			t.Fatal(err)
		}
		host, device := scannerhid.Pipe(port.ErrGone)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- dev.Run(ctx, host, func(drivers.Event) {}) }()
		heard := func(name string) {
			t.Helper()
			buf := make([]byte, 64)
			if n, err := device.Read(buf); err != nil || !bytes.Equal(buf[:n], want[name]) {
				t.Errorf("%s: % x, %v; want % x", name, buf[:n], err, want[name])
			}
		}
		heard("revision")
		for name, do := range map[string]func() error{
			"beep":        func() error { return dev.(drivers.Beeper).Beep(ctx, true) },
			"trigger on":  func() error { return dev.(drivers.Trigger).Trigger(ctx, true) },
			"trigger off": func() error { return dev.(drivers.Trigger).Trigger(ctx, false) },
		} {
			if err := do(); err != nil {
				t.Fatal(err)
			}
			heard(name)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestSettingsOutOfRange(t *testing.T) {
	if _, err := newDevice(`{"gap_ms":1}`); err == nil || !strings.Contains(err.Error(), "gap_ms is 1") {
		t.Errorf("%v, want an error that names gap_ms", err)
	}
}
