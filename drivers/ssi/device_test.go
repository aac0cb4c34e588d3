package ssi_test

import (
	"bytes"
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
	"yipiao/drivers/port"
	"yipiao/drivers/ssi"
	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/scannerssi"
	"yipiao/firmware-sim/tape"
)

const ticket = "T1:7F3A-TICKET-0001"

func TestKind(t *testing.T) { drivertest.Kind(t, ssi.Kind()) }

func newScanner(t *testing.T, settings string) *ssi.Scanner {
	t.Helper()
	dev, err := ssi.Kind().New(json.RawMessage(settings))
	if err != nil {
		t.Fatal(err)
	}
	return dev.(*ssi.Scanner)
}

func TestDeviceContract(t *testing.T) { drivertest.Device(t, bench) }

func TestSituations(t *testing.T) { drivertest.Situations(t, ssi.Kind(), bench) }

func TestUnplugAndCancelAtEveryStep(t *testing.T) {
	drivertest.Steps(t, bench, scannerssi.Packets(0x1C, ticket)[0])
}

// bench is a driver with a simulated scanner.
var bench = drivertest.Bench{
	New: func() (drivers.Device, error) { return ssi.Kind().New(nil) },
	Plug: func(ctx context.Context) drivertest.Line {
		l := plug(ctx, scannerssi.Settings{})
		return drivertest.Line{
			Host: l.host, Raw: func(p []byte) { _ = l.sim.Raw(ctx, p) }, Pull: func() { _ = l.device.Close() },
			Provoke: func() { go func() { _ = l.sim.Scan(ctx, ticket) }() },
			Provoked: func(e drivers.Event) bool {
				s, ok := e.(drivers.Scan)
				return ok && s.Fault == drivers.ScanOK && string(s.Data) == ticket && s.AIM == "]Q1"
			},
		}
	},
}

type simLine struct {
	sim          *scannerssi.Scanner
	line         *board.Line
	host, device *board.PipeEnd
}

func plug(ctx context.Context, set scannerssi.Settings) simLine {
	sim, err := scannerssi.New(set, tape.Recorder{})
	if err != nil {
		panic(err) // the settings are these tests' own
	}
	host, device := board.Pipe(port.ErrGone)
	line := board.NewLine(device, 0)
	go func() { _ = sim.Serve(ctx, line) }()
	synctest.Wait()
	return simLine{sim: sim, line: line, host: host, device: device}
}

func listen(t *testing.T, settings string, set scannerssi.Settings, test func(t *testing.T, dev *ssi.Scanner, l simLine, heard *drivertest.Heard)) {
	t.Helper()
	dev := newScanner(t, settings)
	var l simLine
	drivertest.Listen(t, dev, func(ctx context.Context) port.Port {
		l = plug(ctx, set)
		return l.host
	}, func(t *testing.T, heard *drivertest.Heard) { test(t, dev, l, heard) })
}

func one(t *testing.T, what string, scans []drivers.Scan, want string) {
	t.Helper()
	if len(scans) != 1 || string(scans[0].Data) != want || scans[0].Fault != drivers.ScanOK {
		t.Errorf("%s: %+v, want one scan of %q", what, scans, want)
	}
}

func TestRunBeginsWithRevisionAndEnabling(t *testing.T) {
	listen(t, "", scannerssi.Settings{}, func(t *testing.T, _ *ssi.Scanner, l simLine, heard *drivertest.Heard) {
		_, h := heard.After(10 * time.Second)
		if h.State != drivers.StateOK || h.Firmware != "NBRSIM01" {
			t.Errorf("%+v, want it well with its software revision", h)
		}
		if n := l.sim.State().Line; n.Commands != 2 || n.Spoilt != 0 {
			t.Errorf("%+v, want two commands", n)
		}
	})
}

func TestRetransmissionOfCodes(t *testing.T) {
	listen(t, "", scannerssi.Settings{}, func(t *testing.T, _ *ssi.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
		l.line.SetFaults(board.Faults{Flip: 1})
		if err := l.sim.Scan(t.Context(), ticket); err != nil {
			t.Errorf("Scan with a flipped bit: %v", err)
		}
		scans, _ := heard.After(0)
		one(t, "a flipped bit", scans, ticket)
		if n := l.sim.State().Line; n.Repeated != 1 {
			t.Errorf("%+v, want one repetition", n)
		}

		heard.After(2 * time.Second)
		l.line.SetFaults(board.Faults{Lose: 1})
		if err := l.sim.Scan(t.Context(), ticket); err != nil {
			t.Errorf("Scan with a lost packet: %v", err)
		}
		scans, _ = heard.After(0)
		one(t, "a lost packet", scans, ticket)

		l.line.SetFaults(board.Faults{Deaf: true}) // the acknowledgement does not get through
		go func() {
			drivertest.Elapse(time.Second)
			l.line.SetFaults(board.Faults{})
		}()
		if err := l.sim.Scan(t.Context(), ticket+"B"); err != nil {
			t.Errorf("Scan with a lost ACK: %v", err)
		}
		scans, _ = heard.After(0)
		one(t, "a lost acknowledgement", scans, ticket+"B")
	})
}

func TestLongCode(t *testing.T) {
	code := strings.Repeat("0123456789", 100)
	listen(t, "", scannerssi.Settings{AIM: "]d1"}, func(t *testing.T, _ *ssi.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
		l.line.SetFaults(board.Faults{Flip: 1})
		if err := l.sim.Scan(t.Context(), code); err != nil {
			t.Fatal(err)
		}
		scans, _ := heard.After(0)
		one(t, "1000 bytes", scans, code)
		if scans[0].AIM != "]d1" {
			t.Errorf("AIM %q, want that of the data", scans[0].AIM)
		}
	})
}

func TestCodeThatIsNotEnded(t *testing.T) {
	listen(t, "", scannerssi.Settings{}, func(t *testing.T, _ *ssi.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
		_ = l.sim.Raw(t.Context(), scannerssi.Packet(0xF3, 2, []byte("\x1cABC")))
		if scans, _ := heard.After(2900 * time.Millisecond); len(scans) != 0 {
			t.Errorf("%+v before the time was over", scans)
		}
		if scans, _ := heard.After(time.Second); len(scans) != 1 || scans[0].Fault != drivers.ScanTorn {
			t.Errorf("%+v, want a torn code", scans)
		}
	})
}

func TestPacketOneByteAtATime(t *testing.T) {
	listen(t, "", scannerssi.Settings{}, func(t *testing.T, _ *ssi.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
		wire := append(scannerssi.Packets(0x1C, ticket)[0], scannerssi.Packet(0xF6, 0, []byte{1})...)
		for i := range wire {
			_ = l.sim.Raw(t.Context(), wire[i:i+1])
			drivertest.Elapse(40 * time.Millisecond)
		}
		scans, h := heard.After(10 * time.Second)
		one(t, "bytes", scans, ticket)
		if h.Errors != 0 {
			t.Errorf("%+v, want no errors", h)
		}
		if n := l.sim.State().Line.Commands; n != 4 {
			t.Errorf("%d packets of the host, want the first two and two acknowledgements", n)
		}
	})
}

func TestTriggerAndBeep(t *testing.T) {
	listen(t, "", scannerssi.Settings{Mode: scanhead.Triggered}, func(t *testing.T, dev *ssi.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
		_ = l.sim.Scan(t.Context(), ticket)
		if scans, _ := heard.After(time.Second); len(scans) != 0 {
			t.Errorf("%+v without a trigger", scans)
		}
		if err := dev.Trigger(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		scans, _ := heard.After(time.Second)
		one(t, "trigger", scans, ticket)
		err := errors.Join(
			dev.Trigger(t.Context(), true), dev.Trigger(t.Context(), false), dev.Enable(t.Context(), false),
			dev.Beep(t.Context(), true), dev.Beep(t.Context(), false),
		)
		st := l.sim.State().Head
		if err != nil || st.Trigger || st.Enabled || len(st.Beeps) != 2 || !strings.HasPrefix(st.Beeps[1], "两声短低") {
			t.Errorf("%v, %+v", err, st)
		}
	})
}

// TestBytesOnTheWire plays the scanner by the vectors.
func TestBytesOnTheWire(t *testing.T) {
	want := map[string][]byte{}
	load(t, func(v vectors.Vector, m meaning) { want[m.Command] = v.Wire })
	synctest.Test(t, func(t *testing.T) {
		dev := newScanner(t, `{"beep_ok":1,"beep_bad":0}`)
		host, device := board.Pipe(port.ErrGone)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- dev.Run(ctx, host, func(drivers.Event) {}) }()
		expect := func(command string) {
			t.Helper()
			got := make([]byte, len(want[command]))
			if _, err := io.ReadFull(device, got); err != nil || len(got) == 0 || !bytes.Equal(got, want[command]) {
				t.Errorf("%s: % x, %v; want % x", command, got, err, want[command])
			}
		}
		say := func(p []byte) { _, _ = device.Write(p) }
		expect("revision")
		say(scannerssi.Packet(0xA4, 0, []byte("X1")))
		expect("enable")
		say(scannerssi.Packet(0xD0, 0, nil))
		for command, do := range map[string]func() error{
			"trigger on":  func() error { return dev.Trigger(ctx, true) },
			"trigger off": func() error { return dev.Trigger(ctx, false) },
			"disable":     func() error { return dev.Enable(ctx, false) },
			"beep 1":      func() error { return dev.Beep(ctx, true) },
		} {
			result := make(chan error, 1)
			go func() { result <- do() }()
			expect(command)
			say(scannerssi.Packet(0xD0, 0, nil))
			if err := <-result; err != nil {
				t.Errorf("%s: %v", command, err)
			}
		}
		go func() { _ = dev.Beep(ctx, false) }()
		drivertest.Elapse(600 * time.Millisecond)
		_, _ = io.ReadFull(device, make([]byte, 7))
		expect("beep 0 again")
		say(scannerssi.Packet(0xD0, 0, nil))
		say(scannerssi.Packets(0x1C, ticket)[0])
		expect("ack")
		say(scannerssi.Packets(0x1C, ticket)[0][:12])
		expect("nak resend")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestSettingsOutOfRange(t *testing.T) {
	for settings, want := range map[string]string{
		`{"answer_ms":1}`: "answer_ms is 1", `{"check_s":-1}`: "check_s is -1", `{"beep_ok":27}`: "beep_ok is 27",
		`{"beep_bad":99}`: "beep_bad is 99",
	} {
		if _, err := ssi.Kind().New(json.RawMessage(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", settings, err, want)
		}
	}
}
