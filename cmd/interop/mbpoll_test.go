package interop

import (
	"context"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
)

// Registers of the turnstile, docs/protocols/lotgate.md.
const (
	regPermits    = 0x0040
	regExitCount  = 0x0046
	regStart      = 0x3011
	statusLength  = 9
	entryCountLow = 4 // in a status
)

// plugged runs a simulated turnstile on a pseudo-terminal.
func plugged(t *testing.T, s turnstile.Settings) (sim *turnstile.Turnstile, path string) {
	t.Helper()
	sim, err := turnstile.New(s, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "gate")
	b := board.New(path, 0, tape.Recorder{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- sim.Run(ctx) }()
	go func() { ended <- b.Run(ctx, sim) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	eventually(t, "the turnstile's line", func() bool { return b.State().Present })
	return sim, path
}

// poll runs mbpoll once: a read of n registers, or a write of values.
func poll(t *testing.T, path string, to, reg, n int, values ...string) (string, error) {
	t.Helper()
	args := []string{"-m", "rtu", "-a", strconv.Itoa(to), "-b", "115200", "-P", "none", "-0", "-1", "-o", "0.5", "-t", "4", "-r", strconv.Itoa(reg)}
	if len(values) == 0 {
		args = append(args, "-c", strconv.Itoa(n))
	}
	return within(t, "mbpoll", append(append(args, path), values...)...)
}

var register = regexp.MustCompile(`(?m)^\[(\d+)\]:\s+(\d+)`)

// registersOf reads registers by mbpoll.
func registersOf(t *testing.T, path string, reg, n int) (values []int) {
	t.Helper()
	out, err := poll(t, path, 1, reg, n)
	if err != nil {
		t.Fatalf("mbpoll: %v\n%s", err, out)
	}
	for i, m := range register.FindAllStringSubmatch(out, -1) {
		at, _ := strconv.Atoi(m[1])
		v, _ := strconv.Atoi(m[2])
		if at != reg+i {
			t.Errorf("mbpoll shows %d, want %d:\n%s", at, reg+i, out)
		}
		values = append(values, v)
	}
	if len(values) != n {
		t.Fatalf("mbpoll shows %d registers, want %d:\n%s", len(values), n, out)
	}
	return values
}

// TestTurnstileAgainstMbpoll: a master that nobody here wrote reads the simulated turnstile, lets somebody through and
// sees the counter move.
func TestTurnstileAgainstMbpoll(t *testing.T) {
	need(t, "mbpoll", "mbpoll")
	sim, path := plugged(t, turnstile.Settings{Visitor: turnstile.Walk, Walk: 50 * time.Millisecond, Pass: 20 * time.Millisecond})
	sim.SetCounters(0x00020007, 0x00030009)

	want := []int{0, 0, 0, 0, 7, 2, 9, 3, 0}
	if got := registersOf(t, path, regPermits, statusLength); !reflect.DeepEqual(got, want) {
		t.Fatalf("status %v, want %v", got, want)
	}
	if out, err := poll(t, path, 1, regPermits, 0, "1"); err != nil {
		t.Fatalf("mbpoll grants: %v\n%s", err, out)
	}
	eventually(t, "the passage to be counted", func() bool {
		return registersOf(t, path, regPermits, statusLength)[entryCountLow] == 8
	})
	want[entryCountLow] = 8
	if got := registersOf(t, path, regPermits, statusLength); !reflect.DeepEqual(got, want) {
		t.Errorf("after the passage %v, want %v", got, want)
	}

	if out, err := poll(t, path, 1, regStart, 0, "7", "9"); err != nil { // several at once: function 16
		t.Fatalf("mbpoll sets times: %v\n%s", err, out)
	}
	if got := registersOf(t, path, regStart, 2); !reflect.DeepEqual(got, []int{7, 9}) {
		t.Errorf("times %v, want 7 and 9", got)
	}
	for name, x := range map[string]struct {
		to, reg int
		values  []string
		says    string
	}{
		"no such register":     {1, 0x0100, nil, "Illegal data address"},
		"counter is set":       {1, regExitCount, []string{"1"}, "Illegal data address"},
		"time is out of range": {1, regStart, []string{"0"}, "Illegal data value"},
		"another unit":         {2, regPermits, nil, "timed out"},
	} {
		out, err := poll(t, path, x.to, x.reg, 1, x.values...)
		if !strings.Contains(out, x.says) {
			t.Errorf("%s: %v, mbpoll says %q, want %q", name, err, out, x.says)
		}
	}
}
