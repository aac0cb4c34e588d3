package uplink

import "testing"

// The machine has no exported door: its hysteresis is shown here, one probe at a time.

func TestMachine_Hysteresis(t *testing.T) {
	for _, c := range []struct {
		name   string
		probes string // + answered, - not
		want   string // the state after each: U, O, E
	}{
		{"first answer", "+", "O"},
		{"first failure", "-", "E"},
		{"one lost packet", "+-+", "OOO"},
		{"two lost in a row", "+--", "OOE"},
		{"lost now and then", "+-+-+-+-+", "OOOOOOOOO"},
		{"one answer in an outage", "--+-", "EEEE"},
		{"two answers in a row end it", "--++", "EEEO"},
		{"an answer now and then ends nothing", "-+-+-+-", "EEEEEEE"},
		{"there and back", "+--++--++", "OOEEOOEEO"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := machine{state: Unknown}
			got, before := "", Unknown
			for _, p := range c.probes {
				changed := m.outcome(p == '+')
				if changed != (m.state != before) {
					t.Fatalf("says changed = %v from %s to %s", changed, before, m.state)
				}
				before = m.state
				got += map[State]string{Unknown: "U", Online: "O", Extreme: "E"}[m.state]
			}
			if got != c.want {
				t.Fatalf("%s gives %s, want %s", c.probes, got, c.want)
			}
		})
	}
}
