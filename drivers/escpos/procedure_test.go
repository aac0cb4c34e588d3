package escpos_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/face"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/tape"
)

// running runs a driver over a simulated printer in a bubble.
func running(t *testing.T, settings string, set printer.Settings, test func(t *testing.T, p drivers.Printer, l simLine, tp *tape.Tape)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		dev, err := newPrinter(settings)
		if err != nil {
			t.Fatal(err)
		}
		tp := tape.New(5000)
		ctx, cancel := context.WithCancel(context.Background())
		l := (&plant{set: set, rec: tp.Recorder("printer-1")}).plug(ctx)
		done := make(chan error, 1)
		go func() { done <- dev.Run(ctx, l.host, func(drivers.Event) {}) }()
		drivertest.Elapse(5 * time.Second)
		test(t, dev.(drivers.Printer), l, tp)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		synctest.Wait()
	})
}

// small is a page of a few letters.
func small(t *testing.T) *face.Page {
	t.Helper()
	p, err := face.Layout(&face.Face{Name: "small", WidthMM: 40, HeightMM: 30, Elements: []face.Element{
		{Kind: face.Text, X: 2, Y: 2, Text: "测试票", SizePt: 20},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func count(tp *tape.Tape, kind, text string) (n int) {
	for _, e := range tp.Since(context.Background(), "", 0) {
		if e.Kind == kind && strings.Contains(e.Text, text) {
			n++
		}
	}
	return n
}

// TestRecoveryClearsAndNeverReprints: DLE ENQ 2 after the jam, DLE ENQ 1 never (devices.md 5.6).
func TestRecoveryClearsAndNeverReprints(t *testing.T) {
	running(t, "", printer.Settings{RowUs: 900}, func(t *testing.T, p drivers.Printer, l simLine, tp *tape.Tape) {
		l.sim.JamCutter()
		proof, err := p.Print(t.Context(), drivers.Job{Serial: "A", Page: small(t)})
		if proof != drivers.Unproven || err == nil {
			t.Fatalf("Print with a jam: %d, %v", proof, err)
		}
		drivertest.Elapse(10 * time.Second)
		if n := count(tp, "received", "DLE ENQ"); n < 1 || n > 3 {
			t.Errorf("%d recoveries within 10 s of a jam, want one now and then", n)
		}
		l.sim.FreeCutter()
		drivertest.Elapse(10 * time.Second)
		if n := count(tp, "received", "DLE ENQ，清除 true"); n < 2 {
			t.Errorf("%d recoveries that clear, want one more", n)
		}
		if n := count(tp, "received", "DLE ENQ，清除 false"); n != 0 {
			t.Errorf("%d recoveries that reprint", n)
		}
		l.sim.Tear()
		if proof, err := p.Print(t.Context(), drivers.Job{Serial: "A", Page: small(t)}); proof != drivers.NotPrinted || !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("the uncertain serial again: %d, %v", proof, err)
		}
		if proof, err := p.Print(t.Context(), drivers.Job{Serial: "B", Page: small(t)}); proof != drivers.Printed {
			t.Errorf("the next: %d, %v", proof, err)
		}
		if n := count(tp, "drawer", ""); n != 0 {
			t.Error("the cash drawer opened")
		}
	})
}

// TestProbe: the printer is asked once whether it knows GS ( H, and a clone's answer is GS r.
func TestProbe(t *testing.T) {
	for _, clone := range []bool{false, true} {
		running(t, "", printer.Settings{Clone: clone}, func(t *testing.T, p drivers.Printer, l simLine, tp *tape.Tape) {
			for _, serial := range []string{"A", "B"} {
				if proof, err := p.Print(t.Context(), drivers.Job{Serial: serial, Page: small(t)}); proof != drivers.Printed {
					t.Fatalf("clone %v: %d, %v", clone, proof, err)
				}
			}
			ids, papers := count(tp, "sent", "process id"), count(tp, "sent", "GS r")
			if !clone && (ids != 3 || papers != 0) || clone && (ids != 0 || papers != 2) {
				t.Errorf("clone %v: %d process ids, %d paper statuses", clone, ids, papers)
			}
			if tickets := l.sim.Tickets(); len(tickets) != 2 {
				t.Errorf("%d tickets: a probe must print nothing", len(tickets))
			}
		})
	}
}

func TestPageWiderThanTheHead(t *testing.T) {
	running(t, `{"dots":384}`, printer.Settings{Dots: 384}, func(t *testing.T, p drivers.Printer, l simLine, _ *tape.Tape) {
		page, _ := cinema(t)
		proof, err := p.Print(t.Context(), drivers.Job{Serial: "A", Page: page})
		if proof != drivers.NotPrinted || err == nil || !strings.Contains(err.Error(), "384") {
			t.Errorf("%d, %v; want it refused by its width", proof, err)
		}
		if proof, err := p.Print(t.Context(), drivers.Job{Serial: "A", Page: small(t)}); proof != drivers.Printed {
			t.Errorf("%d, %v", proof, err)
		}
	})
}

func TestSettingsOutOfRange(t *testing.T) {
	for settings, want := range map[string]string{
		`{"dots":10}`:                  "dots is 10",
		`{"dpi":5}`:                    "dpi is 5",
		`{"rotate":45}`:                "rotate is 45",
		`{"cut":"half"}`:               `cut is "half"`,
		`{"proof":"hope"}`:             `proof is "hope"`,
		`{"proof_ms":1}`:               "proof_ms is 1",
		`{"fonts":{"sans":"","x":""}}`: `"x"`,
	} {
		if _, err := newPrinter(settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", settings, err, want)
		}
	}
}
