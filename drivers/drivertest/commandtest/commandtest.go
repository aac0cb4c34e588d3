// Package commandtest is the suite that drivers of scanners with a command set on a serial line pass, against the
// simulated scanner of their dialect, and the suite of their splitters, which tell answers from codes.
//
// It is test code. It is the only place where these drivers and package scannerline meet, and shares nothing between
// them.
package commandtest

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
	"yipiao/drivers/internal/codeline"
	"yipiao/drivers/port"
	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/scannerline"
	"yipiao/firmware-sim/tape"
)

// Ticket is what is scanned.
const Ticket = "T1:7F3A-TICKET-0001"

// A Scanner is a driver and what it is tested with. Its kind's name is that of the vectors and of the dialect.
type Scanner struct {
	Kind     drivers.Kind
	Splitter func() codeline.Splitter
	Answer   string // to a command, as on the wire
}

// A Device is what these drivers can do.
type Device interface {
	drivers.Device
	drivers.Trigger
	drivers.Beeper
}

// A Line is a simulated scanner on a line.
type Line struct {
	Sim          *scannerline.Scanner
	Line         *board.Line
	Host, Device *board.PipeEnd
}

// Run runs the suite.
func (s Scanner) Run(t *testing.T) {
	bench := s.Bench()
	t.Run("kind", func(t *testing.T) { drivertest.Kind(t, s.Kind) })
	t.Run("contract", func(t *testing.T) { drivertest.Device(t, bench) })
	t.Run("unplug and cancel at every step", func(t *testing.T) { drivertest.Steps(t, bench, []byte("]Q1"+Ticket+"\r"+s.Answer)) })
	t.Run("situations", func(t *testing.T) { drivertest.Situations(t, s.Kind, bench) })
	t.Run("settings out of range", s.settings)
	t.Run("silent, lost and found again", s.silent)
	t.Run("an answer one byte at a time between codes", s.drip)
	t.Run("unplug during a command", s.unplug)
}

// New makes the driver.
func (s Scanner) New(t *testing.T, settings string) Device {
	t.Helper()
	dev, err := s.Kind.New(json.RawMessage(settings))
	if err != nil {
		t.Fatal(err)
	}
	return dev.(Device)
}

func (s Scanner) plug(ctx context.Context, mode scanhead.Mode) Line {
	sim, err := scannerline.New(scannerline.Settings{Dialect: s.Kind.Name, AIM: "]Q1", Mode: mode}, tape.Recorder{})
	if err != nil {
		panic(err) // the settings are these tests' own
	}
	host, device := board.Pipe(port.ErrGone)
	line := board.NewLine(device, 0)
	go func() { _ = sim.Serve(ctx, line) }()
	synctest.Wait()
	return Line{Sim: sim, Line: line, Host: host, Device: device}
}

// Bench is the driver with a simulated scanner, for the suites of drivertest.
func (s Scanner) Bench() drivertest.Bench {
	return drivertest.Bench{
		New: func() (drivers.Device, error) { return s.Kind.New(nil) },
		Plug: func(ctx context.Context) drivertest.Line {
			l := s.plug(ctx, "")
			return drivertest.Line{
				Host: l.Host, Raw: func(p []byte) { _ = l.Sim.Raw(ctx, p) }, Pull: func() { _ = l.Device.Close() },
				Provoke: func() { _ = l.Sim.Scan(ctx, Ticket) },
				Provoked: func(e drivers.Event) bool {
					s, ok := e.(drivers.Scan)
					return ok && s.Fault == drivers.ScanOK && string(s.Data) == Ticket && s.AIM == "]Q1"
				},
			}
		},
	}
}

// Listen runs the driver in a bubble while test plays with it.
func (s Scanner) Listen(t *testing.T, settings string, mode scanhead.Mode, test func(t *testing.T, dev Device, l Line, heard *drivertest.Heard)) {
	t.Helper()
	dev := s.New(t, settings)
	var l Line
	drivertest.Listen(t, dev, func(ctx context.Context) port.Port {
		l = s.plug(ctx, mode)
		return l.Host
	}, func(t *testing.T, heard *drivertest.Heard) { test(t, dev, l, heard) })
}

// One fails unless there is one good scan.
func One(t *testing.T, what string, scans []drivers.Scan, want string) {
	t.Helper()
	if len(scans) != 1 || string(scans[0].Data) != want || scans[0].Fault != drivers.ScanOK {
		t.Errorf("%s: %+v, want one scan of %q", what, scans, want)
	}
}

// Expect reads what the driver sends.
func Expect(t *testing.T, device *board.PipeEnd, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	_ = device.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadFull(device, got); err != nil || len(got) == 0 || string(got) != string(want) {
		t.Errorf("% x, %v; want % x", got, err, want)
	}
}

func (s Scanner) settings(t *testing.T) {
	for settings, want := range map[string]string{
		`{"answer_ms":1}`: "answer_ms is 1", `{"check_s":-1}`: "check_s is -1", `{"idle_ms":1}`: "idle_ms is 1",
		`{"limit":5}`: "limit is 5",
	} {
		if _, err := s.Kind.New(json.RawMessage(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", settings, err, want)
		}
	}
}

func (s Scanner) silent(t *testing.T) {
	s.Listen(t, `{"check_s":10}`, "", func(t *testing.T, _ Device, l Line, heard *drivertest.Heard) {
		if _, h := heard.After(time.Second); h.State != drivers.StateOK {
			t.Errorf("%+v, want it well", h)
		}
		l.Line.SetFaults(board.Faults{Deaf: true})
		if _, h := heard.After(30 * time.Second); h.State != drivers.StateLost {
			t.Errorf("%+v, want lost", h)
		}
		_ = l.Sim.Scan(t.Context(), Ticket)
		scans, h := heard.After(time.Second)
		One(t, "one-way line", scans, Ticket)
		if h.State != drivers.StateAttention {
			t.Errorf("%+v, want attention: codes arrive, commands do not", h)
		}
		l.Line.SetFaults(board.Faults{})
		if _, h := heard.After(20 * time.Second); h.State != drivers.StateOK {
			t.Errorf("%+v, want it well again", h)
		}
	})
}

func (s Scanner) drip(t *testing.T) {
	s.Listen(t, "", "", func(t *testing.T, _ Device, l Line, heard *drivertest.Heard) {
		heard.After(time.Second)
		var wire []byte
		s.Load(t, func(v vectors.Vector, m Meaning) {
			if strings.HasPrefix(v.Name, "a code") && v.Valid && strings.Contains(v.Name, "answer") {
				wire = v.Wire
			}
		})
		for i := range wire {
			_ = l.Sim.Raw(t.Context(), wire[i:i+1])
			drivertest.Elapse(40 * time.Millisecond)
		}
		if scans, _ := heard.After(time.Second); len(wire) == 0 || len(scans) == 0 || string(scans[0].Data) != "T1:7F3A" || scans[0].Fault != drivers.ScanOK {
			t.Errorf("%+v, want the code and nothing of the answers", scans)
		}
		_ = l.Sim.Raw(t.Context(), []byte("T1:"))
		if scans, _ := heard.After(time.Second); len(scans) != 1 || scans[0].Fault != drivers.ScanTorn {
			t.Errorf("%+v, want a torn line", scans)
		}
	})
}

func (s Scanner) unplug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := s.New(t, "")
		if err := dev.Beep(t.Context(), false); !errors.Is(err, drivers.ErrNotRunning) {
			t.Errorf("Beep outside of a run: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		l := s.plug(ctx, "")
		done, beeped := make(chan error, 1), make(chan error, 1)
		go func() { done <- dev.Run(ctx, l.Host, func(drivers.Event) {}) }()
		drivertest.Elapse(time.Second)
		l.Line.SetFaults(board.Faults{Mute: true})
		go func() { beeped <- dev.Beep(ctx, false) }()
		drivertest.Elapse(100 * time.Millisecond)
		_ = l.Device.Close()
		if err := <-done; !errors.Is(err, port.ErrGone) {
			t.Errorf("Run: %v, want ErrGone", err)
		}
		if err := <-beeped; !errors.Is(err, drivers.ErrNoAnswer) {
			t.Errorf("Beep: %v, want ErrNoAnswer", err)
		}
	})
}
