package seglog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
)

const (
	testDir  = "journal"
	testSize = 64 << 10
	// testBody is the largest body in a segment of testSize.
	testBody = testSize - 1024 - 48
)

func testKey() []byte { return []byte("a key of this epoch") }

// chance is a seeded source of segment epochs.
func chance(seed uint64) *rand.ChaCha8 {
	var s [32]byte
	s[0], s[1] = byte(seed), byte(seed>>8)
	return rand.NewChaCha8(s)
}

// onDisk returns the configuration of a small log on disk.
func onDisk(d *logtest.Disk, epochs *rand.ChaCha8) seglog.Config {
	return seglog.Config{
		Dir: testDir, Epoch: 3, Key: testKey(), SegmentSize: testSize, FS: d.Mount(), Rand: epochs,
	}
}

// diskHarness is a small log on a disk that cuts, tears and reorders; prepare may spoil the disk.
func diskHarness(seed uint64, prepare func(*logtest.Disk)) logtest.Harness {
	d := logtest.NewDisk(seed, 64<<20)
	if prepare != nil {
		prepare(d)
	}
	epochs := chance(seed)
	return logtest.Harness{
		Epoch: 3, Key: testKey(), MaxBody: testBody,
		Open: func() (journal.Log, error) {
			l, report, err := seglog.Open(onDisk(d, epochs))
			if err != nil {
				return nil, fmt.Errorf("%w (%s)", err, report)
			}
			return l, nil
		},
		PowerCut: d.PowerCut,
		Kill:     d.Kill,
		OffAfter: d.OffAfter,
		Hold:     d.Hold,
		Fail: func() {
			d.Fail(logtest.Rule{Op: logtest.OpDatasync, Suffix: ".seg", Times: 1, Err: syscall.EIO})
		},
		Trim: func(l journal.Log, before uint64) error {
			_, err := l.(*seglog.Log).Trim(before)
			return err
		},
		First: func(l journal.Log) uint64 { return l.(*seglog.Log).Stats().First },
		Check: func(l journal.Log) error {
			at, err := l.(*seglog.Log).Verify(context.Background())
			if err == nil && at != l.Durable() {
				err = fmt.Errorf("verified up to %v, durable is %v", at, l.Durable())
			}
			return err
		},
	}
}

func TestConformance(t *testing.T) {
	t.Run("FaultyDisk", func(t *testing.T) {
		logtest.Run(t, func(_ *testing.T, seed uint64) logtest.Harness { return diskHarness(seed, nil) })
	})
	t.Run("RealFiles", func(t *testing.T) {
		logtest.Run(t, func(t *testing.T, seed uint64) logtest.Harness {
			cfg := seglog.Config{Dir: t.TempDir(), Epoch: 3, Key: testKey(), SegmentSize: testSize, Rand: chance(seed)}
			h := diskHarness(seed, nil)
			h.Open = func() (journal.Log, error) {
				l, report, err := seglog.Open(cfg)
				if err == nil && !report.Clean() {
					return nil, fmt.Errorf("nothing crashed, yet the log is not clean: %s", report)
				}
				return l, err
			}
			h.PowerCut, h.Kill, h.OffAfter, h.Hold, h.Fail = nil, nil, nil, nil, nil
			return h
		})
	})
}

// TestSuiteBites shows that the crash loop finds a log that does not sync: the disk swallows one
// kind of sync, which to the log's files is the same as never calling it.
func TestSuiteBites(t *testing.T) {
	for _, c := range []struct {
		name string
		op   logtest.Op
	}{
		{"NoDatasync", logtest.OpDatasync},
		{"NoSync", logtest.OpSync},
		{"NoSyncDir", logtest.OpSyncDir},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := uint64(1); seed <= 5; seed++ {
				err := logtest.Crash(t, func(_ *testing.T, seed uint64) logtest.Harness {
					return diskHarness(seed, func(d *logtest.Disk) { d.Swallow(c.op) })
				}, seed, 80)
				if err == nil {
					t.Errorf("seed %d: the suite did not notice", seed)
				} else {
					t.Logf("noticed: %.120v", err)
				}
			}
		})
	}
}
