package aim_test

import (
	"testing"

	"yipiao/drivers/internal/aim"
)

func TestSplit(t *testing.T) {
	for in, want := range map[string][2]string{
		"]Q1T1:A": {"]Q1", "T1:A"},
		"]dZ":     {"]dZ", ""},
		"]Q":      {"", "]Q"},
		"]11A":    {"", "]11A"},
		"]Q?A":    {"", "]Q?A"},
		"T1:A":    {"", "T1:A"},
		"":        {"", ""},
	} {
		if id, rest := aim.Split([]byte(in)); id != want[0] || string(rest) != want[1] {
			t.Errorf("%q: %q, %q", in, id, rest)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]bool{"": true, " ~": true, "\x1f": false, "\x7f": false, "票": false} {
		if aim.Printable([]byte(in)) != want {
			t.Errorf("%q: not %v", in, want)
		}
	}
}
