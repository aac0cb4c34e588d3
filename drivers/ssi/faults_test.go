package ssi_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
	"yipiao/drivers/ssi"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scannerssi"
)

func TestCommandsAreSentAgain(t *testing.T) {
	listen(t, "", scannerssi.Settings{}, func(t *testing.T, dev *ssi.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
		for name, spoil := range map[string]func(){
			"the answer is lost":       func() { l.line.SetFaults(board.Faults{Lose: 2}) },
			"the answer is spoilt":     func() { l.line.SetFaults(board.Faults{Flip: 1}) },
			"asked for again":          func() { l.sim.Refuse(2, 1) },
			"the answer comes twice":   func() { l.line.SetFaults(board.Faults{Duplicate: 1}) },
			"the answer comes late":    func() { l.line.SetFaults(board.Faults{DelayMs: 600}) },
			"half of the answer comes": func() { l.line.SetFaults(board.Faults{Drop: 1}) },
		} {
			spoil()
			if err := dev.Beep(t.Context(), true); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			l.line.SetFaults(board.Faults{})
			heard.After(time.Second)
		}
	})
}

func TestCommandsThatFail(t *testing.T) {
	listen(t, `{"beep_bad":26}`, scannerssi.Settings{}, func(t *testing.T, dev *ssi.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
		l.sim.Refuse(1, 6)
		if err := dev.Beep(t.Context(), true); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("NAK: %v, want ErrRefused", err)
		}
		l.line.SetFaults(board.Faults{Mute: true})
		start := time.Now()
		if err := dev.Beep(t.Context(), true); !errors.Is(err, drivers.ErrNoAnswer) || time.Since(start) > 2*time.Second {
			t.Errorf("mute: %v after %v, want ErrNoAnswer after three attempts", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := dev.Beep(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("caller leaves: %v", err)
		}
		if _, h := heard.After(20 * time.Second); h.State != drivers.StateLost {
			t.Errorf("%+v, want lost", h)
		}
		l.line.SetFaults(board.Faults{})
		if _, h := heard.After(20 * time.Second); h.State != drivers.StateOK {
			t.Errorf("%+v, want it well again", h)
		}
	})
}

func TestSilentScannerIsLostAndFoundAgain(t *testing.T) {
	listen(t, `{"check_s":10}`, scannerssi.Settings{ResponseMs: 300}, func(t *testing.T, _ *ssi.Scanner, l simLine, heard *drivertest.Heard) {
		heard.After(time.Second)
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
		if n := l.sim.State(); n.Line.Failed != 1 || !strings.HasPrefix(n.Head.Beeps[0], "四声低音") {
			t.Errorf("%+v, want a transmission error at the scanner", n)
		}
	})
}

func TestUnplugDuringACommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := newScanner(t, "")
		if err := dev.Beep(t.Context(), true); !errors.Is(err, drivers.ErrNotRunning) {
			t.Errorf("Beep outside of a run: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		l := plug(ctx, scannerssi.Settings{})
		done, beeped := make(chan error, 1), make(chan error, 1)
		go func() { done <- dev.Run(ctx, l.host, func(drivers.Event) {}) }()
		drivertest.Elapse(time.Second)
		l.line.SetFaults(board.Faults{Mute: true})
		go func() { beeped <- dev.Beep(ctx, true) }()
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
