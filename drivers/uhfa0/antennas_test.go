package uhfa0_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/drivertest/tagtest"
	"yipiao/drivers/internal/dialogue/dialoguetest"
	"yipiao/firmware-sim/rfid"
)

func TestSeveralAntennas(t *testing.T) {
	g := reader().Rig(`{"antennas":[1,3,6],"address":1}`)
	g.Set.Antennas = 8
	g.Set.Repeats = 20
	dialoguetest.Play(t, g.Bench(115200), func(t *testing.T, r *dialoguetest.Run) {
		drivertest.Elapse(time.Second)
		for i, antenna := range []int{1, 3, 6, 5} { // nobody looks at the fifth
			g.Put(rfid.Tag{ID: fmt.Sprintf("e2000000000000000000000%d", i), Antenna: antenna, RSSI: -40 - i})
		}
		var got []string
		for _, e := range r.Take(10 * time.Second) {
			if tag, ok := e.(drivers.Tag); ok {
				got = append(got, fmt.Sprintf("%s@%d:%d", hex.EncodeToString(tag.ID)[23:], tag.Antenna, tag.RSSI))
			}
		}
		if len(got) != 3 || !strings.Contains(strings.Join(got, " "), "0@1:-40") ||
			!strings.Contains(strings.Join(got, " "), "1@3:-41") || !strings.Contains(strings.Join(got, " "), "2@6:-42") {
			t.Errorf("%v", got)
		}
	})
}

func TestAChipBeforeTwoAntennasIsOne(t *testing.T) {
	g := reader().Rig(`{"antennas":[1,2]}`)
	g.Set.Antennas = 2
	dialoguetest.Play(t, g.Bench(0), func(t *testing.T, r *dialoguetest.Run) {
		g.Put(rfid.Tag{ID: reader().Chip, Antenna: 1})
		drivertest.Elapse(time.Second)
		g.Put(rfid.Tag{ID: reader().Chip, Antenna: 2}) // moves over
		if got := tagtest.Tags(r, 5*time.Second); got != reader().Chip {
			t.Errorf("%q", got)
		}
	})
}

func TestWeakChipsAreTooFarAway(t *testing.T) {
	g := reader().Rig(`{"min_rssi":-60}`)
	dialoguetest.Play(t, g.Bench(0), func(t *testing.T, r *dialoguetest.Run) {
		g.Put(rfid.Tag{ID: reader().Chip, RSSI: -61})
		if got := tagtest.Tags(r, 5*time.Second); got != "" {
			t.Errorf("weaker than wanted: %q", got)
		}
		g.Put(rfid.Tag{ID: reader().Chip, RSSI: -60})
		if got := tagtest.Tags(r, time.Second); got != reader().Chip {
			t.Errorf("strong enough: %q", got)
		}
	})
}

func TestAnAntennaThatIsMissing(t *testing.T) {
	g := reader().Rig(`{"antennas":[1,4]}`)
	g.Set.Antennas = 1
	dialoguetest.Play(t, g.Bench(0), func(t *testing.T, r *dialoguetest.Run) {
		if h := r.Health(3 * time.Second); h.State != drivers.StateAttention || h.Note != "antenna 4: not connected" {
			t.Errorf("%+v", h)
		}
		g.Put(rfid.Tag{ID: reader().Chip})
		if got := tagtest.Tags(r, 5*time.Second); got != reader().Chip {
			t.Errorf("the other antenna: %q", got)
		}
	})
}

func TestAnotherReaderOnTheBusIsNotOurs(t *testing.T) {
	g := reader().Rig(`{"address":7}`)
	dialoguetest.Play(t, g.Bench(0), func(t *testing.T, r *dialoguetest.Run) {
		g.Put(rfid.Tag{ID: reader().Chip})
		if got := tagtest.Tags(r, 5*time.Second); got != "" {
			t.Errorf("%q", got)
		}
		if h := r.Health(time.Second); h.State != drivers.StateLost {
			t.Errorf("%+v", h)
		}
	})
}
