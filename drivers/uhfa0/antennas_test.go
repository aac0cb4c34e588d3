package uhfa0_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/internal/dialogue/dialoguetest"
	"yipiao/firmware-sim/rfid"
)

func TestSeveralAntennas(t *testing.T) {
	g := &rig{driver: `{"antennas":[1,3,6],"address":1}`, set: rfid.Settings{Antennas: 8, Repeats: 20}}
	dialoguetest.Play(t, g.bench(115200), func(t *testing.T, r *dialoguetest.Run) {
		drivertest.Elapse(time.Second)
		for i, antenna := range []int{1, 3, 6, 5} { // nobody looks at the fifth
			put(g.sim, rfid.Tag{ID: fmt.Sprintf("e2000000000000000000000%d", i), Antenna: antenna, RSSI: -40 - i})
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
	g := &rig{driver: `{"antennas":[1,2]}`, set: rfid.Settings{Antennas: 2}}
	dialoguetest.Play(t, g.bench(0), func(t *testing.T, r *dialoguetest.Run) {
		put(g.sim, rfid.Tag{ID: chip, Antenna: 1})
		drivertest.Elapse(time.Second)
		put(g.sim, rfid.Tag{ID: chip, Antenna: 2}) // moves over
		if got := tags(r, 5*time.Second); got != chip {
			t.Errorf("%q", got)
		}
	})
}

func TestWeakChipsAreTooFarAway(t *testing.T) {
	g := &rig{driver: `{"min_rssi":-60}`}
	dialoguetest.Play(t, g.bench(0), func(t *testing.T, r *dialoguetest.Run) {
		put(g.sim, rfid.Tag{ID: chip, RSSI: -61})
		if got := tags(r, 5*time.Second); got != "" {
			t.Errorf("weaker than wanted: %q", got)
		}
		put(g.sim, rfid.Tag{ID: chip, RSSI: -60})
		if got := tags(r, time.Second); got != chip {
			t.Errorf("strong enough: %q", got)
		}
	})
}

func TestAnAntennaThatIsMissing(t *testing.T) {
	g := &rig{driver: `{"antennas":[1,4]}`, set: rfid.Settings{Antennas: 1}}
	dialoguetest.Play(t, g.bench(0), func(t *testing.T, r *dialoguetest.Run) {
		if h := r.Health(3 * time.Second); h.State != drivers.StateAttention || h.Note != "antenna 4: not connected" {
			t.Errorf("%+v", h)
		}
		put(g.sim, rfid.Tag{ID: chip})
		if got := tags(r, 5*time.Second); got != chip {
			t.Errorf("the other antenna: %q", got)
		}
	})
}

func TestAnotherReaderOnTheBusIsNotOurs(t *testing.T) {
	g := &rig{driver: `{"address":7}`, set: rfid.Settings{Address: 1}}
	dialoguetest.Play(t, g.bench(0), func(t *testing.T, r *dialoguetest.Run) {
		put(g.sim, rfid.Tag{ID: chip})
		if got := tags(r, 5*time.Second); got != "" {
			t.Errorf("%q", got)
		}
		if h := r.Health(time.Second); h.State != drivers.StateLost {
			t.Errorf("%+v", h)
		}
	})
}
