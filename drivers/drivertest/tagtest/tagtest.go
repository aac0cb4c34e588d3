// Package tagtest is the suite that every driver of a chip reader passes, against the simulated reader: the
// conformance suite of drivers, one telling of a chip that stays, health, and faults of the line.
//
// It is test code. It is the only place where readers' drivers and package rfid meet, and shares nothing between
// them.
package tagtest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/internal/dialogue/dialoguetest"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/rfid"
	"yipiao/firmware-sim/tape"
)

// A Reader is a driver and what it is tested with.
type Reader struct {
	Kind     drivers.Kind
	Protocol string // of the simulated reader
	Tech     drivers.TagTech
	Chip     string            // an ID in hexadecimal
	Baud     int               // of the slow line
	Firmware string            // as the simulated reader tells it
	Forgets  bool              // it has no field: a card that is held up again is told again
	Bad      map[string]string // settings that are refused, and what the error says
}

// Run runs the suite.
func (r Reader) Run(t *testing.T) {
	t.Run("kind", func(t *testing.T) { drivertest.Kind(t, r.Kind) })
	t.Run("settings out of range", func(t *testing.T) {
		for raw, want := range r.Bad {
			if _, err := r.Kind.New(json.RawMessage(raw)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", raw, err, want)
			}
		}
	})
	t.Run("contract, fast", func(t *testing.T) { drivertest.Device(t, r.Rig("").Bench(0)) })
	t.Run("contract, slow", func(t *testing.T) { drivertest.Device(t, r.Rig("").Bench(r.Baud)) })
	t.Run("situations", func(t *testing.T) { drivertest.Situations(t, r.Kind, r.Rig("").fresh()) })
	t.Run("a chip that stays is told once", r.stays)
	t.Run("health", r.health)
	t.Run("faults of the line", r.faults)
}

// A Rig is a driver's settings and the simulated reader that the last Plug made.
type Rig struct {
	reader   Reader
	settings string
	Set      rfid.Settings // of the next simulated reader
	Sim      *rfid.Reader
	Line     *board.Line
}

// Rig makes one; settings are the driver's.
func (r Reader) Rig(settings string) *Rig {
	return &Rig{reader: r, settings: settings, Set: rfid.Settings{Protocol: r.Protocol}}
}

// Bench is the driver with its simulated reader, for the suites of drivertest; baud 0 is as fast as the machine.
func (g *Rig) Bench(baud int) drivertest.Bench {
	return drivertest.Bench{
		New: func() (drivers.Device, error) { return g.reader.Kind.New(json.RawMessage(g.settings)) },
		Plug: func(ctx context.Context) drivertest.Line {
			sim, err := rfid.New(g.Set, tape.Recorder{})
			if err != nil {
				panic(err) // the settings are these tests' own
			}
			host, device := board.Pipe(port.ErrGone)
			g.Sim, g.Line = sim, board.NewLine(device, baud)
			go func(line *board.Line) { _ = sim.Serve(ctx, line) }(g.Line)
			synctest.Wait()
			return drivertest.Line{
				Host:     host,
				Raw:      func(p []byte) { _, _ = device.Write(p) },
				Pull:     func() { _ = device.Close() },
				Provoke:  func() { g.Put(rfid.Tag{ID: g.reader.Chip}) },
				Provoked: g.told,
			}
		},
	}
}

func (g *Rig) told(e drivers.Event) bool {
	tag, ok := e.(drivers.Tag)
	return ok && tag.Tech == g.reader.Tech && hex.EncodeToString(tag.ID) == g.reader.Chip
}

// fresh is a bench whose every provocation is a chip that was not there before, as one that stays is told once.
func (g *Rig) fresh() drivertest.Bench {
	b := g.Bench(0)
	plug := b.Plug
	b.Plug = func(ctx context.Context) drivertest.Line {
		line, n := plug(ctx), byte(0)
		chip, err := hex.DecodeString(g.reader.Chip)
		if err != nil {
			panic(err) // the chips are these tests' own
		}
		id := func() string { return hex.EncodeToString(append(chip[:len(chip)-1:len(chip)-1], n)) }
		line.Provoke = func() {
			g.Sim.Take("")
			n++
			g.Put(rfid.Tag{ID: id()})
		}
		line.Provoked = func(e drivers.Event) bool {
			tag, ok := e.(drivers.Tag)
			return ok && tag.Tech == g.reader.Tech && hex.EncodeToString(tag.ID) == id()
		}
		return line
	}
	return b
}

// Put brings a chip into the field.
func (g *Rig) Put(t rfid.Tag) {
	if err := g.Sim.Put(t); err != nil {
		panic(err) // the chips are these tests' own
	}
}

// Tags waits and returns the IDs of the chips that were told, with blanks between them.
func Tags(r *dialoguetest.Run, wait time.Duration) string {
	var all []string
	for _, e := range r.Take(wait) {
		if tag, ok := e.(drivers.Tag); ok {
			all = append(all, hex.EncodeToString(tag.ID))
		}
	}
	return strings.Join(all, " ")
}

func (r Reader) stays(t *testing.T) {
	g := r.Rig(`{"absence_ms":2000}`)
	dialoguetest.Play(t, g.Bench(0), func(t *testing.T, run *dialoguetest.Run) {
		away := func(gone time.Duration) string {
			g.Sim.Take(r.Chip)
			drivertest.Elapse(gone)
			g.Put(rfid.Tag{ID: r.Chip})
			return Tags(run, 5*time.Second)
		}
		drivertest.Elapse(time.Second)
		g.Put(rfid.Tag{ID: r.Chip})
		if got := Tags(run, 20*time.Second); got != r.Chip {
			t.Errorf("in the field for 20 s: %q", got)
		}
		want := ""
		if r.Forgets {
			want = r.Chip
		}
		if got := away(time.Second); got != want {
			t.Errorf("away for 1 s: %q, want %q", got, want)
		}
		if got := away(3 * time.Second); got != r.Chip {
			t.Errorf("away for 3 s: %q", got)
		}
	})
}

func (r Reader) health(t *testing.T) {
	g := r.Rig("")
	dialoguetest.Play(t, g.Bench(0), func(t *testing.T, run *dialoguetest.Run) {
		if h := run.Health(6 * time.Second); h.State != drivers.StateOK || h.Firmware != r.Firmware || h.Frames == 0 {
			t.Errorf("a good reader: %+v", h)
		}
		g.Line.SetFaults(board.Faults{Mute: true})
		if h := run.Health(20 * time.Second); h.State != drivers.StateLost {
			t.Errorf("a mute reader: %+v", h)
		}
		g.Line.SetFaults(board.Faults{})
		if h := run.Health(10 * time.Second); h.State != drivers.StateOK {
			t.Errorf("it speaks again: %+v", h)
		}
		g.Put(rfid.Tag{ID: r.Chip})
		if got := Tags(run, 5*time.Second); got != r.Chip {
			t.Errorf("then a chip: %q", got)
		}
	})
}

// faults: whatever becomes of single frames, chips are told in the end and nothing else is.
func (r Reader) faults(t *testing.T) {
	for name, f := range map[string]board.Faults{
		"lost": {Lose: 5}, "torn": {Drop: 5}, "flipped": {Flip: 5}, "doubled": {Duplicate: 50}, "late": {DelayMs: 90},
	} {
		t.Run(name, func(t *testing.T) {
			g := r.Rig("")
			dialoguetest.Play(t, g.Bench(0), func(t *testing.T, run *dialoguetest.Run) {
				drivertest.Elapse(time.Second)
				g.Line.SetFaults(f)
				for range 6 {
					g.Put(rfid.Tag{ID: r.Chip})
					drivertest.Elapse(500 * time.Millisecond)
					g.Sim.Take("")
					drivertest.Elapse(500 * time.Millisecond)
				}
				g.Line.SetFaults(board.Faults{})
				drivertest.Elapse(5 * time.Second)
				g.Put(rfid.Tag{ID: r.Chip})
				got := Tags(run, 5*time.Second)
				if got == "" || strings.Trim(strings.ReplaceAll(got, r.Chip, ""), " ") != "" {
					t.Errorf("%q, want %s and nothing else", got, r.Chip)
				}
			})
		})
	}
}
