package seglog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
)

func realFiles(t testing.TB, dir string) seglog.Config {
	t.Helper()
	return seglog.Config{Dir: dir, Epoch: 3, Key: testKey(), SegmentSize: testSize}
}

// TestLocked: a directory has one log at a time, in this process and in others.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, realFiles(t, dir))
	put(t, l, []byte("mine"))
	_, _, err := seglog.Open(realFiles(t, dir))
	if !errors.Is(err, seglog.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second open: %v, want ErrLocked and the directory", err)
	}
	put(t, l, []byte("still mine"))
	mustClose(t, l)
	l, _ = mustOpen(t, realFiles(t, dir))
	if l.End() != 2 {
		t.Errorf("end is %d", l.End())
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*seglog.Config){
		"directory":      func(c *seglog.Config) { c.Dir = "" },
		"key":            func(c *seglog.Config) { c.Key = nil },
		"small segment":  func(c *seglog.Config) { c.SegmentSize = 32 << 10 },
		"uneven segment": func(c *seglog.Config) { c.SegmentSize = 100_000 },
		"huge segment":   func(c *seglog.Config) { c.SegmentSize = 1 << 30 },
		"ahead":          func(c *seglog.Config) { c.Ahead = -1 },
		"reserve":        func(c *seglog.Config) { c.Reserve = 3 * testSize },
		"limit":          func(c *seglog.Config) { c.MaxBytes = testSize },
		"low":            func(c *seglog.Config) { c.LowBytes = -1 },
	} {
		cfg := onDisk(logtest.NewDisk(1, 64<<20), chance(1))
		spoil(&cfg)
		if _, _, err := seglog.Open(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestTrim removes whole segments below a sequence number and nothing else.
func TestTrim(t *testing.T) {
	d := three(t) // 21 entries in each full segment
	l, _ := mustOpen(t, onDisk(d, chance(2)))
	before := l.Stats().Bytes
	for _, c := range []struct {
		before, first uint64
		removed       int
	}{{0, 1, 0}, {1, 1, 0}, {21, 1, 0}, {22, 22, 1}, {22, 22, 0}, {1000, 43, 1}} {
		n, err := l.Trim(c.before)
		if err != nil || n != c.removed || l.Stats().First != c.first {
			t.Errorf("trim %d: removed %d, %v, first is %d; want %d, first %d", c.before, n, err, l.Stats().First, c.removed, c.first)
		}
	}
	if got := l.Stats().Bytes; got >= before {
		t.Errorf("%d bytes after the trim, %d before", got, before)
	}
	if _, err := l.Read(42, 1, 1); !errors.Is(err, journal.ErrTrimmed) {
		t.Errorf("read of a trimmed entry: %v", err)
	}
	if d.Bytes(segFile(1)) != nil || d.Bytes(segFile(2)) != nil {
		t.Error("trimmed files are still there")
	}
	if all := readEverything(t, l); len(all) != 18 || all[0].Seq != 43 {
		t.Errorf("%d entries are left", len(all))
	}
	mustClose(t, l)
	l, report := mustOpen(t, onDisk(d, chance(2)))
	if report.First != 43 || report.End.Seq != 60 || !report.Clean() {
		t.Errorf("opened again: %s", report)
	}
	put(t, l, many(60, 3000)...)
	readEverything(t, l)
}

// TestReadAnywhere reads from every sequence number of a log with records of all sizes, in a new
// process's order (backwards, so that nothing is remembered) and forwards.
func TestReadAnywhere(t *testing.T) {
	var bodies [][]byte
	for i := range 120 {
		bodies = append(bodies, make([]byte, i*i))
	}
	d := written(t, bodies...)
	l, _ := mustOpen(t, onDisk(d, chance(2)))
	for i := range 240 {
		from := uint64(120 - i)
		if i >= 120 {
			from = uint64(i - 119)
		}
		got, err := l.Read(from, 7, 30_000)
		if err != nil || len(got) == 0 {
			t.Fatalf("read %d: %d entries, %v", from, len(got), err)
		}
		for k, e := range got {
			if e.Seq != from+uint64(k) || len(e.Body) != len(bodies[e.Seq-1]) {
				t.Fatalf("read %d: entry %d has %d bytes", from, e.Seq, len(e.Body))
			}
		}
	}
}

// TestSegmentSizeMayChange: the segments there are keep their size, new ones have the new one.
func TestSegmentSizeMayChange(t *testing.T) {
	d := written(t, many(30, 3000)...)
	total := 30
	for _, size := range []int64{128 << 10, 64 << 10, 256 << 10} {
		cfg := onDisk(d, chance(uint64(size)))
		cfg.SegmentSize = size
		l, report := mustOpen(t, cfg)
		if !report.Clean() || l.End() != uint64(total) {
			t.Fatalf("opened with segments of %d: %s", size, report)
		}
		put(t, l, many(90, 3000)...)
		total += 90
		if all := readEverything(t, l); len(all) != total {
			t.Errorf("%d entries, want %d", len(all), total)
		}
		mustClose(t, l)
	}
}

// TestLeftoversOfPreparation are removed, and other files left alone.
func TestLeftoversOfPreparation(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, realFiles(t, dir))
	put(t, l, []byte("a"))
	mustClose(t, l)
	for _, name := range []string{"00000004.seg.tmp", "note.txt", "x.seg", "1.seg"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("leftover"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, report := mustOpen(t, realFiles(t, dir))
	if !report.Clean() || l.End() != 1 {
		t.Fatalf("report: %s", report)
	}
	if _, err := os.Stat(filepath.Join(dir, "00000004.seg.tmp")); err == nil {
		t.Error("the leftover is still there")
	}
	for _, name := range []string{"note.txt", "x.seg", "1.seg"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
}

// TestVerifyAllChecksEverything counts the records.
func TestVerifyAllChecksEverything(t *testing.T) {
	cfg := onDisk(three(t), chance(2))
	cfg.VerifyAll = true
	_, report := mustOpen(t, cfg)
	if report.Checked != 60 || report.Segments != 3 || report.First != 1 {
		t.Errorf("report: %+v", report)
	}
}

// TestEverythingAtOnce has 64 callers append while others read, trim, verify and look, over real
// files, and is mainly for the race detector.
func TestEverythingAtOnce(t *testing.T) {
	l, _ := mustOpen(t, realFiles(t, t.TempDir()))
	ctx, cancel := context.WithCancel(context.Background())
	var writers, others sync.WaitGroup
	for range 64 {
		writers.Go(func() {
			for range 30 {
				if err := appendWait(l, make([]byte, 200)); err != nil && !errors.Is(err, journal.ErrFull) {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	forever := func(f func() error) {
		others.Go(func() {
			for ctx.Err() == nil {
				if err := f(); err != nil && !errors.Is(err, journal.ErrTrimmed) && ctx.Err() == nil {
					t.Errorf("beside the writers: %v", err)
					return
				}
			}
		})
	}
	forever(func() error { _, err := l.Trim(l.Durable().Seq / 2); return err })
	forever(func() error { _, err := l.Read(l.Durable().Seq/2+1, 10, 1000); return err })
	forever(func() error { _, err := l.Verify(ctx); return err })
	forever(func() error { _, err := l.CheckSpace(); _ = l.Stats(); return err })
	writers.Wait()
	cancel()
	others.Wait()
	readEverything(t, l)
}

// TestCloseDuringEverything: Close may come at any time; whoever waits gets an answer.
func TestCloseDuringEverything(t *testing.T) {
	for range 20 {
		d := logtest.NewDisk(1, 64<<20)
		l, _ := mustOpen(t, onDisk(d, chance(1)))
		var wg sync.WaitGroup
		acked := make([]uint64, 16)
		for c := range acked {
			wg.Go(func() {
				for {
					seq, err := l.Append(journal.Record{Body: make([]byte, 100)})
					if errors.Is(err, journal.ErrFull) {
						continue
					}
					if err == nil {
						if err = l.Wait(context.Background(), seq); err == nil {
							acked[c] = seq
							continue
						}
					}
					if !errors.Is(err, journal.ErrClosed) {
						t.Errorf("caller %d: %v", c, err)
					}
					return
				}
			})
		}
		if err := l.Wait(context.Background(), 50); err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
		wg.Wait()
		d.PowerCut()
		again, _ := mustOpen(t, onDisk(d, chance(2)))
		for c, seq := range acked {
			if seq > again.End() {
				t.Errorf("caller %d was told that %d is durable, the log ends at %d", c, seq, again.End())
			}
		}
		readEverything(t, again)
	}
}
