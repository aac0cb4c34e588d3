package mrz_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/internal/dialogue/dialoguetest"
	"yipiao/drivers/mrz"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/mrzreader"
	"yipiao/firmware-sim/tape"
)

func TestKind(t *testing.T) { drivertest.Kind(t, mrz.Kind()) }

// A rig is a simulated reader that the next Plug makes.
type rig struct {
	set  mrzreader.Settings
	sim  *mrzreader.Reader
	line *board.Line
}

func (g *rig) bench(baud int) drivertest.Bench {
	return drivertest.Bench{
		New: func() (drivers.Device, error) {
			return mrz.Kind().New(json.RawMessage(`{"framing":"` + g.set.Framing + `"}`))
		},
		Plug: func(ctx context.Context) drivertest.Line {
			sim, err := mrzreader.New(g.set, tape.Recorder{})
			if err != nil {
				panic(err) // the settings are these tests' own
			}
			host, device := board.Pipe(port.ErrGone)
			line := board.NewLine(device, baud)
			g.sim, g.line = sim, line
			go func() { _ = sim.Serve(ctx, line) }()
			synctest.Wait()
			return drivertest.Line{
				Host:    host,
				Raw:     func(p []byte) { _, _ = device.Write(p) },
				Pull:    func() { _ = device.Close() },
				Provoke: func() { lay(ctx, sim, "td3") },
				Provoked: func(e drivers.Event) bool {
					d, ok := e.(drivers.Document)
					return ok && d.Kind == drivers.DocPassport && d.Number == "L898902C3"
				},
			}
		},
	}
}

// lay lays a specimen, again where the reader sleeps for a moment between two documents.
func lay(ctx context.Context, sim *mrzreader.Reader, name string) {
	lines, err := mrzreader.Specimen(name)
	if err != nil {
		panic(err)
	}
	for range 100 {
		if sim.Lay(ctx, lines) == nil || ctx.Err() != nil {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
}

func settings() []mrzreader.Settings {
	return []mrzreader.Settings{
		{Framing: "lines"}, {Framing: "lines", Break: "none"}, {Framing: "elyctis"}, {Framing: "rte6701"}, {Framing: "desko"},
	}
}

func TestDeviceContract(t *testing.T) {
	for _, s := range settings() {
		t.Run(s.Framing+s.Break, func(t *testing.T) { drivertest.Device(t, (&rig{set: s}).bench(9600)) })
	}
}

func TestSituations(t *testing.T) {
	for _, s := range settings() {
		t.Run(s.Framing+s.Break, func(t *testing.T) { drivertest.Situations(t, mrz.Kind(), (&rig{set: s}).bench(0)) })
	}
}

// told waits and returns kinds of documents and codes of faults.
func told(r *dialoguetest.Run, wait time.Duration) string {
	var all []string
	for _, e := range r.Take(wait) {
		switch e := e.(type) {
		case drivers.Document:
			all = append(all, string(e.Kind))
		case drivers.DocumentFault:
			all = append(all, "fault:"+e.Code)
		}
	}
	return strings.Join(all, " ")
}

// TestEveryDocumentInEveryFraming is SHOW-6.3.3.1 for passports and travel cards.
func TestEveryDocumentInEveryFraming(t *testing.T) {
	for _, s := range settings() {
		t.Run(s.Framing+s.Break, func(t *testing.T) {
			g := &rig{set: s}
			dialoguetest.Play(t, g.bench(9600), func(t *testing.T, r *dialoguetest.Run) {
				drivertest.Elapse(time.Second)
				for name, want := range map[string]string{
					"td3": "passport", "td2": "travel_card", "td1": "travel_card", "td1_long": "travel_card", "visa": "fault:visa",
				} {
					lay(t.Context(), g.sim, name)
					if got := told(r, time.Second); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				if h := r.Health(6 * time.Second); h.State != drivers.StateOK || h.Frames < 5 {
					t.Errorf("health %+v", h)
				}
			})
		})
	}
}

func TestTwoDocumentsAtOnce(t *testing.T) {
	for _, framing := range []string{"rte6701", "desko"} {
		g := &rig{set: mrzreader.Settings{Framing: framing}}
		dialoguetest.Play(t, g.bench(0), func(t *testing.T, r *dialoguetest.Run) {
			a, _ := mrzreader.Specimen("td3")
			b, _ := mrzreader.Specimen("td1")
			r.Line.Raw(append(g.sim.Frame(a), g.sim.Frame(b)...))
			if got := told(r, time.Second); got != "passport travel_card" {
				t.Errorf("%s: %q", framing, got)
			}
		})
	}
}

func TestSpoiltLines(t *testing.T) {
	g := &rig{set: mrzreader.Settings{Framing: "lines"}}
	dialoguetest.Play(t, g.bench(9600), func(t *testing.T, r *dialoguetest.Run) {
		drivertest.Elapse(time.Second)
		for range 3 {
			g.line.SetFaults(board.Faults{Flip: 1})
			lay(t.Context(), g.sim, "td3")
			if got := told(r, time.Second); !strings.HasPrefix(got, "fault:") {
				t.Errorf("a flipped bit: %q", got)
			}
		}
		if h := r.Health(time.Second); h.State != drivers.StateAttention || h.Errors < 3 {
			t.Errorf("health %+v", h)
		}
		r.Line.Raw([]byte("HELLO\r\n")) // nobody waits for an answer to this
		if got := told(r, time.Second); got != "" {
			t.Errorf("noise: %q", got)
		}
		g.line.SetFaults(board.Faults{Duplicate: 1})
		lay(t.Context(), g.sim, "td3")
		if got := told(r, time.Second); got != "passport" {
			t.Errorf("sent twice in one go: %q", got)
		}
		if h := r.Health(time.Second); h.State != drivers.StateOK {
			t.Errorf("health %+v", h)
		}
	})
}

func TestAMuteElyctisReaderIsLost(t *testing.T) {
	g := &rig{set: mrzreader.Settings{Framing: "elyctis"}}
	dialoguetest.Play(t, g.bench(0), func(t *testing.T, r *dialoguetest.Run) {
		if h := r.Health(time.Second); h.State != drivers.StateOK {
			t.Fatalf("health %+v", h)
		}
		g.line.SetFaults(board.Faults{Mute: true})
		if h := r.Health(10 * time.Second); h.State != drivers.StateLost {
			t.Errorf("mute: %+v", h)
		}
		g.line.SetFaults(board.Faults{})
		if h := r.Health(5 * time.Second); h.State != drivers.StateOK {
			t.Errorf("it speaks again: %+v", h)
		}
	})
}

func TestSettingsOutOfRange(t *testing.T) {
	for raw, want := range map[string]string{
		`{"idle_ms":1}`: "idle_ms is 1", `{"framing":"wedge"}`: `framing is "wedge", want one of`,
	} {
		if _, err := mrz.Kind().New(json.RawMessage(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}
