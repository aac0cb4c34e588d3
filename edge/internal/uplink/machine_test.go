package uplink

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// run feeds outcomes, "0+" for a good probe of the first link and "1-" for a bad one of the second, and returns the
// state and the link in use after each.
func run(links int, outcomes string) string {
	m := newMachine(links)
	var all []string
	for o := range strings.FieldsSeq(outcomes) {
		m.outcome(int(o[0]-'0'), o[1] == '+')
		all = append(all, fmt.Sprintf("%s%d", m.state[:1], m.active))
	}
	return strings.Join(all, " ")
}

func TestMachine(t *testing.T) {
	for _, c := range []struct {
		name  string
		links int
		in    string
		want  string
	}{
		{"one link works", 1, "0+ 0+", "o0 o0"},
		{"one link is dead from the start", 1, "0- 0-", "e-1 e-1"},
		{"one lost probe changes nothing", 1, "0+ 0- 0+ 0- 0+", "o0 o0 o0 o0 o0"},
		{"cut and mended", 1, "0+ 0- 0- 0+ 0+", "o0 o0 e-1 e-1 o0"},
		{"nothing is known until all are", 2, "0- 1-", "u-1 e-1"},
		{"the second takes over", 2, "0+ 1+ 0- 0-", "o0 o0 o0 b1"},
		{"the second is known first", 2, "1+ 1+ 0+", "u-1 u-1 o0"},
		{"both cut", 2, "0+ 1+ 0- 0- 1- 1-", "o0 o0 o0 b1 b1 e-1"},
		{"back to the first after five", 2, "0- 1+ 0+ 0+ 0+ 0+ 0+", "u-1 b1 b1 b1 b1 b1 o0"},
		{"a first that flaps is not returned to", 2, "0- 1+ 0+ 0+ 0+ 0+ 0- 0+ 0+ 0+ 0+", "u-1 b1 b1 b1 b1 b1 b1 b1 b1 b1 b1"},
		{"the second dies while the first is coming back", 2, "0- 1+ 0+ 0+ 1- 1-", "u-1 b1 b1 b1 b1 o0"},
		{"the third", 3, "0- 1- 2+ 1+ 1+ 2- 2-", "u-1 u-1 b2 b2 b2 b2 b1"},
	} {
		if got := run(c.links, c.in); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestMachine_neverUsesADeadLink: whatever happens, the link in use works, and without one none works.
func TestMachine_neverUsesADeadLink(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(rapid.IntRange(1, 4).Draw(t, "links"))
		for range rapid.IntRange(0, 60).Draw(t, "outcomes") {
			m.outcome(rapid.IntRange(0, len(m.paths)-1).Draw(t, "link"), rapid.Bool().Draw(t, "ok"))
			any := false
			for i, p := range m.paths {
				if !p.known {
					break // nothing behind it is used yet
				}
				any = any || p.up
				if i == m.active && !p.up {
					t.Fatalf("link %d is used and dead", i)
				}
			}
			if any != (m.active >= 0) || m.state.Reaches() != any {
				t.Fatalf("active %d, state %s, one works: %v", m.active, m.state, any)
			}
		}
	})
}
