package sdt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
	"yipiao/drivers/sdt"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/idreader"
	"yipiao/firmware-sim/tape"
)

func TestKind(t *testing.T) { drivertest.Kind(t, sdt.Kind()) }

func newReader(settings string) (drivers.Device, error) {
	return sdt.Kind().New(json.RawMessage(settings))
}

// A simLine is a simulated reader on a line.
type simLine struct {
	sim    *idreader.Reader
	line   *board.Line
	host   *board.PipeEnd
	device *board.PipeEnd
}

func plug(ctx context.Context, set idreader.Settings, baud int) simLine {
	sim, err := idreader.New(set, tape.Recorder{})
	if err != nil {
		panic(err) // the settings are these tests' own
	}
	host, device := board.Pipe(port.ErrGone)
	line := board.NewLine(device, baud)
	go func() { _ = sim.Serve(ctx, line) }()
	synctest.Wait()
	return simLine{sim, line, host, device}
}

func (l simLine) lay(name string, stay time.Duration) {
	c, err := idreader.Specimen(name)
	if err == nil {
		err = l.sim.Lay(c, stay)
	}
	if err != nil {
		panic(err)
	}
}

func bench(baud int) drivertest.Bench {
	return drivertest.Bench{
		New: func() (drivers.Device, error) { return newReader("") },
		Plug: func(ctx context.Context) drivertest.Line {
			l := plug(ctx, idreader.Settings{}, baud)
			return drivertest.Line{
				Host: l.host,
				Raw:  func(p []byte) { _, _ = l.device.Write(p) },
				Pull: func() { _ = l.device.Close() },
				Provoke: func() {
					if l.sim.State().Card != "" {
						l.sim.Lift()
						<-time.After(time.Second) // between two looks
					}
					l.lay("resident_rare_name", 0)
				},
				Provoked: func(e drivers.Event) bool {
					d, ok := e.(drivers.Document)
					return ok && d.Kind == drivers.DocResident && d.Name == "张𠮷㐂" && d.Photo == nil
				},
			}
		},
	}
}

func TestDeviceContract(t *testing.T) {
	for _, baud := range []int{0, 9600} { // at once, and slow
		t.Run(fmt.Sprint(baud), func(t *testing.T) { drivertest.Device(t, bench(baud)) })
	}
}

// at runs a driver in a bubble and hands the test what it emits.
func at(t *testing.T, settings string, set idreader.Settings, test func(t *testing.T, l simLine, events <-chan drivers.Event)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		dev, err := newReader(settings)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		l := plug(ctx, set, 115200)
		events := make(chan drivers.Event, 1000)
		done := make(chan error, 1)
		go func() { done <- dev.Run(ctx, l.host, func(e drivers.Event) { events <- e }) }()
		drivertest.Elapse(time.Second)
		drain(events)
		test(t, l, events)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func drain(events <-chan drivers.Event) (all []drivers.Event) {
	for {
		select {
		case e := <-events:
			all = append(all, e)
		default:
			return all
		}
	}
}

// told waits for a while and returns what was told in short: kinds of documents and codes of faults.
func told(events <-chan drivers.Event, wait time.Duration) string {
	drivertest.Elapse(wait)
	var all []string
	for _, e := range drain(events) {
		switch e := e.(type) {
		case drivers.Document:
			all = append(all, string(e.Kind))
		case drivers.DocumentFault:
			all = append(all, "fault:"+e.Code)
		}
	}
	return strings.Join(all, " ")
}

// TestEveryKindOfCard is SHOW-6.3.3.1: which documents can be read from their chip.
func TestEveryKindOfCard(t *testing.T) {
	at(t, `{"photo":true}`, idreader.Settings{}, func(t *testing.T, l simLine, events <-chan drivers.Event) {
		for name, kind := range map[string]drivers.DocumentKind{
			"resident": drivers.DocResident, "hongkong": drivers.DocHMTResidence, "taiwan": drivers.DocHMTResidence,
			"foreigner_2017": drivers.DocForeigner, "foreigner_2023": drivers.DocForeigner,
		} {
			l.lay(name, 0)
			drivertest.Elapse(3 * time.Second)
			found := false
			for _, e := range drain(events) {
				if d, ok := e.(drivers.Document); ok {
					found = true
					if d.Kind != kind || len(d.Photo) != 1024 || d.At.IsZero() {
						t.Errorf("%s: %v with %d bytes of photo", name, d, len(d.Photo))
					}
				}
			}
			if !found {
				t.Errorf("%s was not read", name)
			}
			l.sim.Lift()
			drivertest.Elapse(time.Second)
		}
	})
}

func TestACardIsReadOnceUntilItIsLaidAgain(t *testing.T) {
	for _, findsAgain := range []bool{false, true} {
		t.Run(fmt.Sprintf("finds again %v", findsAgain), func(t *testing.T) {
			at(t, "", idreader.Settings{FindsAgain: findsAgain}, func(t *testing.T, l simLine, events <-chan drivers.Event) {
				l.lay("resident", 0)
				if got := told(events, 30*time.Second); got != "resident" {
					t.Errorf("lying for 30 s: %q", got)
				}
				l.sim.Lift()
				if got := told(events, time.Second); got != "" {
					t.Errorf("lifted: %q", got)
				}
				l.lay("resident", 0)
				if got := told(events, 3*time.Second); got != "resident" {
					t.Errorf("laid again: %q", got)
				}
				if n := l.sim.State().Reads; n != 2 {
					t.Errorf("%d reads, want 2", n)
				}
			})
		})
	}
}

func TestLiftedTooEarly(t *testing.T) {
	at(t, "", idreader.Settings{ReadMs: 1000}, func(t *testing.T, l simLine, events <-chan drivers.Event) {
		l.lay("resident", 700*time.Millisecond)
		if got := told(events, 5*time.Second); got != "fault:removed" {
			t.Errorf("lifted while it was read: %q", got)
		}
		l.lay("resident", 0)
		if got := told(events, 5*time.Second); got != "resident" {
			t.Errorf("laid again: %q", got)
		}
	})
}

func TestEveryStatusBecomesAFault(t *testing.T) {
	for status, want := range map[byte]string{
		0x31: "card_refused", 0x32: "module_refused", 0x33: "not_verified", 0x40: "unknown_card", 0x41: "damaged",
		0x47: "random_failed", 0x60: "self_test", 0x66: "not_authorised", 0x91: "item_absent", 0x10: "bad_checksum",
		0x11: "bad_length", 0x21: "bad_command", 0x24: "unknown_error", 0x77: "unknown_error",
	} {
		t.Run(fmt.Sprintf("%02X", status), func(t *testing.T) {
			at(t, "", idreader.Settings{}, func(t *testing.T, l simLine, events <-chan drivers.Event) {
				c, _ := idreader.Specimen("resident")
				c.ReadStatus = status
				_ = l.sim.Lay(c, 0)
				if got := told(events, 10*time.Second); got != "fault:"+want {
					t.Errorf("%q, want one fault %s", got, want)
				}
				l.sim.Lift()
				drivertest.Elapse(time.Second)
				l.lay("resident", 0)
				if got := told(events, 5*time.Second); got != "resident" {
					t.Errorf("a good card after it: %q", got)
				}
			})
		})
	}
}

func TestACardThatCannotBeSelected(t *testing.T) {
	at(t, "", idreader.Settings{}, func(t *testing.T, l simLine, events <-chan drivers.Event) {
		c, _ := idreader.Specimen("resident")
		c.SelectStatus = 0x81
		_ = l.sim.Lay(c, 0)
		if got := told(events, 10*time.Second); got != "fault:damaged" {
			t.Errorf("%q", got)
		}
	})
}

func TestBadContent(t *testing.T) {
	at(t, "", idreader.Settings{}, func(t *testing.T, l simLine, events <-chan drivers.Event) {
		c, _ := idreader.Specimen("resident")
		c.Number = "110105194912310021"
		_ = l.sim.Lay(c, 0)
		if got := told(events, 10*time.Second); got != "fault:check_digit" {
			t.Errorf("%q", got)
		}
		l.sim.Lift()
		drivertest.Elapse(time.Second)
		c.Birth = "19491331"
		_ = l.sim.Lay(c, 0)
		if got := told(events, 10*time.Second); got != "fault:damaged" {
			t.Errorf("%q", got)
		}
	})
}

// health returns the last health told within a while.
func health(events <-chan drivers.Event, wait time.Duration) (last drivers.Health) {
	drivertest.Elapse(wait)
	for _, e := range drain(events) {
		if h, ok := e.(drivers.Health); ok {
			last = h
		}
	}
	return last
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev, _ := newReader("")
		ctx, cancel := context.WithCancel(context.Background())
		l := plug(ctx, idreader.Settings{ModuleStatus: 0x66}, 0)
		events := make(chan drivers.Event, 1000)
		done := make(chan error, 1)
		go func() { done <- dev.Run(ctx, l.host, func(e drivers.Event) { events <- e }) }()
		if h := health(events, 2*time.Second); h.State != drivers.StateAttention || h.Note != "status: not_authorised (66)" {
			t.Errorf("a module without authorisation: %+v", h)
		}
		l.sim.SetModuleStatus(0)
		if h := health(events, 2*time.Second); h.State != drivers.StateOK || !strings.HasPrefix(h.Serial, "SAM 05.01-20260101-") {
			t.Errorf("a module that is well: %+v", h)
		}
		l.sim.SetModuleStatus(0x60)
		if h := health(events, 2*time.Second); h.State != drivers.StateAttention {
			t.Errorf("a module that breaks: %+v", h)
		}
		l.sim.SetModuleStatus(0)
		l.line.SetFaults(board.Faults{Mute: true})
		if h := health(events, 5*time.Second); h.State != drivers.StateLost || h.Errors == 0 {
			t.Errorf("a mute reader: %+v", h)
		}
		l.line.SetFaults(board.Faults{})
		if h := health(events, 5*time.Second); h.State != drivers.StateOK {
			t.Errorf("it speaks again: %+v", h)
		}
		cancel()
		<-done
	})
}

// TestFaultsOfTheLine: whatever becomes of a frame, the card that lies there is read in the end, and once.
func TestFaultsOfTheLine(t *testing.T) {
	for name, f := range map[string]board.Faults{
		"lost":    {Lose: 3},
		"torn":    {Drop: 3},
		"flipped": {Flip: 3},
		"doubled": {Duplicate: 10},
		"late":    {DelayMs: 700},
		"too late for a question": {
			DelayMs: 1100,
		},
	} {
		t.Run(name, func(t *testing.T) {
			at(t, "", idreader.Settings{FindsAgain: true}, func(t *testing.T, l simLine, events <-chan drivers.Event) {
				l.line.SetFaults(f)
				l.lay("resident", 0)
				drivertest.Elapse(5 * time.Second)
				l.line.SetFaults(board.Faults{})
				got := told(events, 10*time.Second)
				if n := strings.Count(got, "resident"); n != 1 {
					t.Errorf("%q, want the card read once", got)
				}
			})
		})
	}
}

func TestSituations(t *testing.T) { drivertest.Situations(t, sdt.Kind(), bench(0)) }

func TestSettingsOutOfRange(t *testing.T) {
	for settings, want := range map[string]string{
		`{"poll_ms":50}`:            "poll_ms is 50",
		`{"read_timeout_ms":20}`:    "read_timeout_ms is 20",
		`{"photo":"yes, I insist"}`: "photo",
	} {
		if _, err := newReader(settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", settings, err, want)
		}
	}
}
