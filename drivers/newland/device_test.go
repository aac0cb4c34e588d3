package newland_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/newland"
	"yipiao/drivers/port"
	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/scannerline"
	"yipiao/firmware-sim/tape"
)

const ticket = "T1:7F3A-TICKET-0001"

func TestKind(t *testing.T) { drivertest.Kind(t, newland.Kind()) }

func newScanner(t *testing.T, settings string) *newland.Scanner {
	t.Helper()
	dev, err := newland.Kind().New(json.RawMessage(settings))
	if err != nil {
		t.Fatal(err)
	}
	return dev.(*newland.Scanner)
}

type simLine struct {
	sim          *scannerline.Scanner
	line         *board.Line
	host, device *board.PipeEnd
}

func plug(ctx context.Context, mode scanhead.Mode) simLine {
	sim, err := scannerline.New(scannerline.Settings{Dialect: "newland", AIM: "]Q1", Mode: mode}, tape.Recorder{})
	if err != nil {
		panic(err) // the settings are these tests' own
	}
	host, device := board.Pipe(port.ErrGone)
	line := board.NewLine(device, 0)
	go func() { _ = sim.Serve(ctx, line) }()
	synctest.Wait()
	return simLine{sim: sim, line: line, host: host, device: device}
}

func TestDeviceContract(t *testing.T) { drivertest.Device(t, bench) }

func TestUnplugAndCancelAtEveryStep(t *testing.T) {
	drivertest.Steps(t, bench, []byte("]Q1"+ticket+"\r\x02\x010000#SCNTRG1\x06;\x03"))
}

// bench is a driver with a simulated scanner.
var bench = drivertest.Bench{
	New: func() (drivers.Device, error) { return newland.Kind().New(nil) },
	Plug: func(ctx context.Context) drivertest.Line {
		l := plug(ctx, "")
		return drivertest.Line{
			Host: l.host, Raw: func(p []byte) { _ = l.sim.Raw(ctx, p) }, Pull: func() { _ = l.device.Close() },
			Provoke: func() { _ = l.sim.Scan(ctx, ticket) },
			Provoked: func(e drivers.Event) bool {
				s, ok := e.(drivers.Scan)
				return ok && s.Fault == drivers.ScanOK && string(s.Data) == ticket && s.AIM == "]Q1"
			},
		}
	},
}

func listen(t *testing.T, settings string, mode scanhead.Mode, test func(t *testing.T, dev *newland.Scanner, l simLine, heard *drivertest.Heard)) {
	t.Helper()
	dev := newScanner(t, settings)
	var l simLine
	drivertest.Listen(t, dev, func(ctx context.Context) port.Port {
		l = plug(ctx, mode)
		return l.host
	}, func(t *testing.T, heard *drivertest.Heard) { test(t, dev, l, heard) })
}

func one(t *testing.T, what string, scans []drivers.Scan, want string) {
	t.Helper()
	if len(scans) != 1 || string(scans[0].Data) != want || scans[0].Fault != drivers.ScanOK {
		t.Errorf("%s: %+v, want one scan of %q", what, scans, want)
	}
}

func TestSilentScannerIsLostAndFoundAgain(t *testing.T) {
	listen(t, `{"check_s":10}`, "", func(t *testing.T, _ *newland.Scanner, l simLine, heard *drivertest.Heard) {
		if _, h := heard.After(time.Second); h.State != drivers.StateOK {
			t.Errorf("%+v, want it well", h)
		}
		l.line.SetFaults(board.Faults{Deaf: true})
		if _, h := heard.After(30 * time.Second); h.State != drivers.StateLost {
			t.Errorf("%+v, want lost", h)
		}
		_ = l.sim.Scan(t.Context(), ticket)
		scans, h := heard.After(time.Second)
		one(t, "one-way line", scans, ticket)
		if h.State != drivers.StateAttention {
			t.Errorf("%+v, want attention: codes arrive, commands do not", h)
		}
		l.line.SetFaults(board.Faults{})
		if _, h := heard.After(20 * time.Second); h.State != drivers.StateOK {
			t.Errorf("%+v, want it well again", h)
		}
	})
}

func TestAnswerOneByteAtATimeBetweenCodes(t *testing.T) {
	listen(t, "", "", func(t *testing.T, _ *newland.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
		var wire []byte
		load(t, func(v vectors.Vector, m meaning) {
			if strings.HasPrefix(v.Name, "a code") && v.Valid && strings.Contains(v.Name, "answer") {
				wire = v.Wire
			}
		})
		for i := range wire {
			_ = l.sim.Raw(t.Context(), wire[i:i+1])
			drivertest.Elapse(40 * time.Millisecond)
		}
		if scans, _ := heard.After(time.Second); len(wire) == 0 || len(scans) == 0 || string(scans[0].Data) != "T1:7F3A" || scans[0].Fault != drivers.ScanOK {
			t.Errorf("%+v, want the code and nothing of the answers", scans)
		}
		_ = l.sim.Raw(t.Context(), []byte("T1:"))
		if scans, _ := heard.After(time.Second); len(scans) != 1 || scans[0].Fault != drivers.ScanTorn {
			t.Errorf("%+v, want a torn line", scans)
		}
	})
}

func TestUnplugDuringACommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := newScanner(t, "")
		if err := dev.Beep(t.Context(), false); !errors.Is(err, drivers.ErrNotRunning) {
			t.Errorf("Beep outside of a run: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		l := plug(ctx, "")
		done, beeped := make(chan error, 1), make(chan error, 1)
		go func() { done <- dev.Run(ctx, l.host, func(drivers.Event) {}) }()
		drivertest.Elapse(time.Second)
		l.line.SetFaults(board.Faults{Mute: true})
		go func() { beeped <- dev.Beep(ctx, false) }()
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

func TestSettingsOutOfRange(t *testing.T) {
	for settings, want := range map[string]string{
		`{"answer_ms":1}`: "answer_ms is 1", `{"check_s":-1}`: "check_s is -1", `{"idle_ms":1}`: "idle_ms is 1",
		`{"limit":5}`: "limit is 5",
	} {
		if _, err := newland.Kind().New(json.RawMessage(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", settings, err, want)
		}
	}
}

// expect reads what the driver sends.
func expect(t *testing.T, device *board.PipeEnd, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	_ = device.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadFull(device, got); err != nil || len(got) == 0 || string(got) != string(want) {
		t.Errorf("% x, %v; want % x", got, err, want)
	}
}

func TestTriggerAndBeep(t *testing.T) {
	listen(t, "", scanhead.Triggered, func(t *testing.T, dev *newland.Scanner, l simLine, heard *drivertest.Heard) {
		if _, h := heard.After(10 * time.Second); h.Firmware != "1.02.003" {
			t.Errorf("firmware %q", h.Firmware)
		}
		_ = l.sim.Scan(t.Context(), ticket)
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
		one(t, "trigger", scans, ticket)
		if st := l.sim.State(); st.Early != 0 || len(st.Head.Beeps) != 2 || st.Head.Trigger {
			t.Errorf("%+v", st)
		}
	})
}

func TestCommandsThatFail(t *testing.T) {
	listen(t, "", "", func(t *testing.T, dev *newland.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
		l.line.SetFaults(board.Faults{Mute: true})
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
		l.line.SetFaults(board.Faults{Flip: 1})
		if err := dev.Trigger(t.Context(), true); !errors.Is(err, drivers.ErrNoAnswer) {
			t.Errorf("spoilt answer: %v, want ErrNoAnswer", err)
		}
		l.line.SetFaults(board.Faults{})
		if err := dev.Trigger(t.Context(), true); err != nil {
			t.Errorf("healed: %v", err)
		}
	})
}

// TestAnswersOfTheVectors plays the scanner.
func TestAnswersOfTheVectors(t *testing.T) {
	wire := map[string][]byte{}
	load(t, func(v vectors.Vector, m meaning) {
		wire[v.Name] = v.Wire
	})
	synctest.Test(t, func(t *testing.T) {
		dev := newScanner(t, `{"check_s":0}`)
		host, device := board.Pipe(port.ErrGone)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- dev.Run(ctx, host, func(drivers.Event) {}) }()
		expect(t, device, wire["system"])
		_, _ = device.Write([]byte("\x02\x010000#QRYSYS\x15;\x03"))
		try := func(name string, do func() error, answers string) error {
			result := make(chan error, 1)
			go func() { result <- do() }()
			expect(t, device, wire[name])
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
		expect(t, device, wire["system"]) // it is asked whether it is there
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
	listen(t, `{"answer_ms":2000}`, "", func(t *testing.T, dev *newland.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
		l.line.SetFaults(board.Faults{DelayMs: 1500})
		if err := dev.Trigger(t.Context(), true); err != nil {
			t.Errorf("within its time: %v", err)
		}
		l.line.SetFaults(board.Faults{DelayMs: 2500})
		if err := dev.Trigger(t.Context(), true); !errors.Is(err, drivers.ErrNoAnswer) {
			t.Errorf("later: %v, want ErrNoAnswer", err)
		}
		l.line.SetFaults(board.Faults{})
		if err := dev.Beep(t.Context(), true); err != nil {
			t.Errorf("with the late answer before its own: %v", err)
		}
		if scans, _ := heard.After(time.Second); len(scans) != 0 {
			t.Errorf("%+v, want no scan of an answer", scans)
		}
	})
}
