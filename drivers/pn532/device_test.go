package pn532_test

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
	"yipiao/drivers/pn532"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/rfid"
	"yipiao/firmware-sim/tape"
)

const chip = "04a1b2c3d4e5f6"

func TestKind(t *testing.T) { drivertest.Kind(t, pn532.Kind()) }

// A rig is a driver's settings and the simulated reader that the last Plug made.
type rig struct {
	driver string
	set    rfid.Settings
	sim    *rfid.Reader
	line   *board.Line
}

func (g *rig) bench(baud int) drivertest.Bench {
	g.set.Protocol = rfid.PN532
	return drivertest.Bench{
		New: func() (drivers.Device, error) { return pn532.Kind().New(json.RawMessage(g.driver)) },
		Plug: func(ctx context.Context) drivertest.Line {
			sim, err := rfid.New(g.set, tape.Recorder{})
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
				Provoke: func() { put(sim, rfid.Tag{ID: chip}) },
				Provoked: func(e drivers.Event) bool {
					tag, ok := e.(drivers.Tag)
					return ok && tag.Tech == drivers.TagHFA && strings.EqualFold(hex.EncodeToString(tag.ID), chip)
				},
			}
		},
	}
}

func put(sim *rfid.Reader, t rfid.Tag) {
	if err := sim.Put(t); err != nil {
		panic(err)
	}
}

// tags waits and returns the IDs of the chips that were told.
func tags(r *dialoguetest.Run, wait time.Duration) string {
	var all []string
	for _, e := range r.Take(wait) {
		if tag, ok := e.(drivers.Tag); ok {
			all = append(all, hex.EncodeToString(tag.ID))
		}
	}
	return strings.Join(all, " ")
}

func TestDeviceContract(t *testing.T) {
	t.Run("fast", func(t *testing.T) { drivertest.Device(t, (&rig{}).bench(0)) })
	t.Run("slow", func(t *testing.T) { drivertest.Device(t, (&rig{}).bench(9600)) })
}

func TestOneByteAtATime(t *testing.T) { dialoguetest.Drip(t, (&rig{}).bench(0)) }

func TestUnplugAndCancelAtEveryStep(t *testing.T) {
	dialoguetest.EveryStep(t, (&rig{}).bench(9600), 600*time.Millisecond, 7*time.Millisecond)
}

func TestAChipThatStaysIsToldOnce(t *testing.T) {
	g := &rig{driver: `{"absence_ms":2000}`}
	dialoguetest.Play(t, g.bench(0), func(t *testing.T, r *dialoguetest.Run) {
		drivertest.Elapse(time.Second)
		put(g.sim, rfid.Tag{ID: chip})
		if got := tags(r, 20*time.Second); got != chip {
			t.Errorf("in the field for 20 s: %q", got)
		}
		g.sim.Take(chip)
		drivertest.Elapse(time.Second)
		put(g.sim, rfid.Tag{ID: chip})
		if got := tags(r, 5*time.Second); got != "" {
			t.Errorf("away for 1 s: %q", got)
		}
		g.sim.Take(chip)
		drivertest.Elapse(3 * time.Second)
		put(g.sim, rfid.Tag{ID: chip})
		if got := tags(r, 5*time.Second); got != chip {
			t.Errorf("away for 3 s: %q", got)
		}
	})
}

func TestHealth(t *testing.T) {
	g := &rig{}
	dialoguetest.Play(t, g.bench(0), func(t *testing.T, r *dialoguetest.Run) {
		if h := r.Health(6 * time.Second); h.State != drivers.StateOK || h.Firmware != "PN532 1.6" || h.Frames == 0 {
			t.Errorf("a good reader: %+v", h)
		}
		g.line.SetFaults(board.Faults{Mute: true})
		if h := r.Health(20 * time.Second); h.State != drivers.StateLost {
			t.Errorf("a mute reader: %+v", h)
		}
		g.line.SetFaults(board.Faults{})
		if h := r.Health(10 * time.Second); h.State != drivers.StateOK {
			t.Errorf("it speaks again: %+v", h)
		}
		put(g.sim, rfid.Tag{ID: chip})
		if got := tags(r, 5*time.Second); got != chip {
			t.Errorf("then a chip: %q", got)
		}
	})
}

// TestFaultsOfTheLine: whatever becomes of single frames, chips are told in the end and nothing else is.
func TestFaultsOfTheLine(t *testing.T) {
	for name, f := range map[string]board.Faults{
		"lost": {Lose: 5}, "torn": {Drop: 5}, "flipped": {Flip: 5}, "doubled": {Duplicate: 50}, "late": {DelayMs: 90},
	} {
		t.Run(name, func(t *testing.T) {
			g := &rig{}
			dialoguetest.Play(t, g.bench(0), func(t *testing.T, r *dialoguetest.Run) {
				drivertest.Elapse(time.Second)
				g.line.SetFaults(f)
				for range 6 {
					put(g.sim, rfid.Tag{ID: chip})
					drivertest.Elapse(500 * time.Millisecond)
					g.sim.Take("")
					drivertest.Elapse(500 * time.Millisecond)
				}
				g.line.SetFaults(board.Faults{})
				drivertest.Elapse(5 * time.Second)
				put(g.sim, rfid.Tag{ID: chip})
				got := tags(r, 5*time.Second)
				if got == "" || strings.Trim(strings.ReplaceAll(got, chip, ""), " ") != "" {
					t.Errorf("%q, want %s and nothing else", got, chip)
				}
			})
		})
	}
}

func TestSettingsOutOfRange(t *testing.T) {
	for raw, want := range map[string]string{`{"absence_ms":1}`: "absence_ms is 1", `{"poll_ms":5}`: "poll_ms is 5"} {
		if _, err := pn532.Kind().New(json.RawMessage(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}
