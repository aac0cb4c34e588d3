package simtest

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Seeds runs seeds of a Build, each twice, and reports what it finds with the command that repeats it. It
// ends with one line of summary. name is what the Makefile calls the Build (ON=name).
//
// YIPIAO_SIM_SEED runs that one seed and prints all its events. YIPIAO_SIM_SEEDS says how many, otherwise
// seeds run while there is time, at most most of them. YIPIAO_SIM_FOR says how long that is.
func Seeds(t *testing.T, name string, b Build, most uint64, d time.Duration) {
	t.Helper()
	if seed := number(t, "YIPIAO_SIM_SEED"); seed != 0 {
		one(t, name, seed, b)
		return
	}
	if n := number(t, "YIPIAO_SIM_SEEDS"); n != 0 {
		most, d = n, 40*time.Hour
	} else if text := os.Getenv("YIPIAO_SIM_FOR"); text != "" {
		long, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		most, d = 1<<40, long
	}
	began := time.Now()
	var next atomic.Uint64
	var all total
	t.Run("seeds", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("worker", func(t *testing.T) {
				t.Parallel()
				for !t.Failed() && time.Since(began) < d {
					seed := next.Add(1)
					if seed > most {
						return
					}
					all.add(twice(t, name, seed, b))
				}
			})
		}
	})
	took := time.Since(began)
	fmt.Printf("sim: %s: %s, %.1f seeds a second\n", name, &all, float64(all.seeds)/took.Seconds())
}

func number(t *testing.T, name string) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q is no number", name, text)
	}
	return n
}

// one runs a seed with all its events on the output.
func one(t *testing.T, name string, seed uint64, b Build) {
	t.Helper()
	r := twice(t, name, seed, b)
	fmt.Println(strings.Join(r.Trace, "\n"))
	all := total{}
	all.add(r)
	fmt.Printf("sim: %s: seed %d: %s\n", name, seed, &all)
}

// twice runs a seed two times; both traces must be equal.
func twice(t *testing.T, name string, seed uint64, b Build) Result {
	t.Helper()
	r := Run(t, seed, b)
	if r.Err != nil {
		t.Errorf("seed %d: %v\n%s\nagain: make sim SEED=%d ON=%s", seed, r.Err, strings.Join(last(r.Trace, 60), "\n"), seed, name)
		return r
	}
	if again := Run(t, seed, b); again.Sum != r.Sum || again.Err != nil {
		t.Errorf("seed %d: two runs differ, %v\n%s\nagain: make sim SEED=%d ON=%s", seed, again.Err, difference(r.Trace, again.Trace), seed, name)
	}
	return r
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// difference shows both traces around the first line that differs.
func difference(a, b []string) string {
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	part := func(lines []string) string {
		return strings.Join(lines[min(len(lines), max(0, at-8)):min(len(lines), at+8)], "\n")
	}
	return fmt.Sprintf("first run, from event %d of %d:\n%s\nsecond run, of %d:\n%s", at, len(a), part(a), len(b), part(b))
}

// A total sums up results.
type total struct {
	mu            sync.Mutex
	seeds, failed int
	sum           Tally
}

func (s *total) add(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeds++
	if r.Err != nil {
		s.failed++
	}
	s.sum.Events += r.Tally.Events
	s.sum.Stations += r.Tally.Stations
	s.sum.Asks += r.Tally.Asks
	s.sum.Entries += r.Tally.Entries
	s.sum.Refunds += r.Tally.Refunds
	s.sum.Crashes += r.Tally.Crashes
	s.sum.Uploads += r.Tally.Uploads
}

func (s *total) String() string {
	c := &s.sum
	return fmt.Sprintf("%d seeds (each twice), %d failed; %d stations, %d events, %d answers, %d entries, %d refunds, %d power cuts, %d uploads",
		s.seeds, s.failed, c.Stations, c.Events, c.Asks, c.Entries, c.Refunds, c.Crashes, c.Uploads)
}
