package logtest

import (
	"testing"
	"testing/synctest"

	"yipiao/sync/journal"
)

// Harness is one log under test and what can be done to it. The optional parts are nil where an
// implementation has no such thing; what depends on them is then left out.
type Harness struct {
	Epoch   uint32
	Key     []byte
	MaxBody int // largest body in bytes that the log takes

	// Open begins the log, or opens the same one again after Close, PowerCut or Kill.
	Open func() (journal.Log, error)
	// PowerCut ends the log at once; what was not durable may be lost. The suite still calls Close.
	PowerCut func()
	// Kill ends the log at once as the death of its process does.
	Kill func()
	// OffAfter lets the power fail in the middle of the n-th operation from now. PowerCut follows.
	OffAfter func(n int)
	// Hold keeps entries from becoming durable until release.
	Hold func() (release func())
	// Fail makes the next sync or write fail.
	Fail func()
	// Trim and First are for logs that forget: Trim asks to remove what lies before seq, First says
	// what is the oldest kept.
	Trim  func(l journal.Log, before uint64) error
	First func(l journal.Log) uint64
	// Check looks the log over by its own means; it is called after every Open.
	Check func(l journal.Log) error
}

// A Maker returns a harness over a new, empty log. All its chances follow from seed.
type Maker func(t *testing.T, seed uint64) Harness

const (
	seeds      = 24 // of the crash loop, in Run
	fewerSeeds = 4  // where nothing can crash
	rounds     = 12 // lives of one log
)

// Run checks that an implementation does what package journal promises.
func Run(t *testing.T, newHarness Maker) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, 1)
			if c.needs != nil && !c.needs(h) {
				t.Skip("the implementation has no such thing")
			}
			c.run(t, h)
		})
	}
	t.Run("CrashLoop", func(t *testing.T) {
		last := uint64(seeds)
		if h := newHarness(t, 1); h.PowerCut == nil && h.Kill == nil {
			last = fewerSeeds
		}
		for seed := uint64(1); seed <= last; seed++ {
			if err := Crash(t, newHarness, seed, rounds); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Crash runs a seeded sequence of appends, waits, reads, trims, crashes and openings, rounds lives
// long, and compares the log with the reference model: whatever Wait has answered for must be
// there, bit for bit and in order, and nothing else than a prefix of what was appended. The error
// names the seed.
func Crash(t *testing.T, newHarness Maker, seed uint64, rounds int) (err error) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrasher(newHarness(t, seed), seed)
		err = c.run(rounds)
	})
	return err
}
