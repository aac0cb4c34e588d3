package seglog_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/sync/journal"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
)

// TestFaultEndsTheLog: one failed write or sync of a segment, and the log answers ErrFailed for
// ever; a later success of the disk does not change that, and no second sync is tried.
func TestFaultEndsTheLog(t *testing.T) {
	for _, c := range []struct {
		name string
		rule logtest.Rule
	}{
		{"Sync", logtest.Rule{Op: logtest.OpDatasync, Suffix: ".seg", Skip: 3, Times: 1, Err: syscall.EIO}},
		{"Write", logtest.Rule{Op: logtest.OpWrite, Suffix: ".seg", Skip: 4, Times: 1, Err: syscall.EIO}},
		{"FullWhileWriting", logtest.Rule{Op: logtest.OpWrite, Suffix: ".seg", Skip: 4, Times: 1, Err: syscall.ENOSPC}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := logtest.NewDisk(1, 64<<20)
			l, _ := mustOpen(t, onDisk(d, chance(1)))
			d.Fail(c.rule)
			put(t, l, many(3, 300)...)
			waiting := make(chan error, 1)
			go func() { waiting <- l.Wait(context.Background(), 100) }()
			seq, err := l.Append(journal.Record{Body: make([]byte, 3000)})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				err := l.Wait(context.Background(), seq)
				if !errors.Is(err, journal.ErrFailed) || !errors.Is(err, c.rule.Err) {
					t.Fatalf("wait: %v, want ErrFailed and its cause", err)
				}
			}
			if err := <-waiting; !errors.Is(err, journal.ErrFailed) {
				t.Errorf("who waited before: %v", err)
			}
			syncs := l.Stats().Syncs
			if _, err := l.Append(journal.Record{}); !errors.Is(err, journal.ErrFailed) {
				t.Errorf("append: %v", err)
			}
			if _, err := l.Trim(2); !errors.Is(err, journal.ErrFailed) {
				t.Errorf("trim: %v", err)
			}
			if _, err := l.CheckSpace(); !errors.Is(err, journal.ErrFailed) {
				t.Errorf("check space: %v", err)
			}
			if s := l.Stats(); s.Syncs != syncs || s.Durable != 3 || !errors.Is(s.Failed, journal.ErrFailed) {
				t.Errorf("stats: %+v", s)
			}
			if err := l.Close(); !errors.Is(err, journal.ErrFailed) {
				t.Errorf("close: %v", err)
			}
			d.PowerCut()
			l, _ = mustOpen(t, onDisk(d, chance(2)))
			if all := readEverything(t, l); len(all) < 3 || len(all) > 4 {
				t.Errorf("%d entries after the failure, 3 were acknowledged", len(all))
			}
		})
	}
}

// TestFaultInPreparationIsNotFatal: a segment that cannot be prepared is tried again; records keep
// going where space is left.
func TestFaultInPreparationIsNotFatal(t *testing.T) {
	for _, op := range []logtest.Op{logtest.OpCreate, logtest.OpWrite, logtest.OpSync, logtest.OpRename} {
		d := logtest.NewDisk(1, 64<<20)
		l, _ := mustOpen(t, onDisk(d, chance(1)))
		d.Fail(logtest.Rule{Op: op, Suffix: ".tmp", Err: syscall.EIO})
		for range 150 { // more than the first segment, less than the prepared ones
			put(t, l, make([]byte, 500))
		}
		if _, err := l.CheckSpace(); !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d: check space: %v", op, err)
		}
		d.Heal()
		if _, err := l.CheckSpace(); err != nil {
			t.Errorf("operation %d: check space after healing: %v", op, err)
		}
		for range 300 {
			put(t, l, make([]byte, 500))
		}
		if all := readEverything(t, l); len(all) != 450 {
			t.Errorf("operation %d: %d entries", op, len(all))
		}
		mustClose(t, l)
	}
}

// TestFaultInTrim: what cannot be removed is reported, and is still there after opening again.
func TestFaultInTrim(t *testing.T) {
	d := three(t)
	l, _ := mustOpen(t, onDisk(d, chance(2)))
	d.Fail(logtest.Rule{Op: logtest.OpRemove, Err: syscall.EIO})
	if n, err := l.Trim(60); !errors.Is(err, syscall.EIO) || n != 0 {
		t.Errorf("trim: %d, %v", n, err)
	}
	d.Heal()
	mustClose(t, l)
	l, _ = mustOpen(t, onDisk(d, chance(2)))
	if n, err := l.Trim(60); err != nil || n != 2 {
		t.Errorf("trim after opening again: %d, %v", n, err)
	}
}

// TestFaultInOpen: an error of the disk is an error of Open, and the next Open is not disturbed by it.
func TestFaultInOpen(t *testing.T) {
	for _, op := range []logtest.Op{logtest.OpRead, logtest.OpSync} {
		d := three(t)
		d.Fail(logtest.Rule{Op: op, Suffix: ".seg", Times: 1, Err: syscall.EIO})
		if _, _, err := seglog.Open(onDisk(d, chance(2))); !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d: open: %v", op, err)
		}
		l, report := mustOpen(t, onDisk(d, chance(2)))
		if l.End() != 60 || !report.Clean() {
			t.Errorf("operation %d: %s", op, report)
		}
	}
}

// TestTornFirstBatch loses the start block of a segment together with its first batch, which was
// never acknowledged: that is a torn tail and not damage, and the segment is used again.
func TestTornFirstBatch(t *testing.T) {
	d := three(t)
	seg3 := d.Bytes(segFile(3))
	seg4 := d.Bytes(segFile(4))
	// The second half of a first batch in segment 4, with its start block lost.
	copy(seg4[headerSize+512:], seg3[headerSize+512:headerSize+2048])
	d.Put(segFile(4), seg4)
	l, report := mustOpen(t, onDisk(d, chance(2)))
	if l.End() != 60 || report.Reason != seglog.ReasonTorn || report.Segment != 4 || report.Dropped == 0 {
		t.Fatalf("opened with end %d: %s", l.End(), report)
	}
	if !strings.Contains(report.String(), "00000004.seg") {
		t.Errorf("report does not name the place: %s", report)
	}
	if rest := d.Bytes(segFile(4))[startOff:]; len(bytes.Trim(rest, "\x00")) != 0 {
		t.Error("what was torn is still there")
	}
	put(t, l, many(20, 3000)...)
	mustClose(t, l)
	l, report = mustOpen(t, onDisk(d, chance(2)))
	if !report.Clean() || len(readEverything(t, l)) != 80 {
		t.Errorf("opened again: %s", report)
	}
}

// TestGroupCommit: what waits while a sync runs shares the next one.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := logtest.NewDisk(1, 64<<20)
		cfg := onDisk(d, chance(1))
		clock := time.Duration(0)
		cfg.Mono = func() time.Duration { clock += time.Millisecond; return clock }
		l, _ := mustOpen(t, cfg)
		release := d.Hold()
		for range 50 {
			if _, err := l.Append(journal.Record{Body: []byte("fact")}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if l.Durable().Seq != 0 {
			t.Error("durable without a sync")
		}
		release()
		if err := l.Wait(context.Background(), 50); err != nil {
			t.Fatal(err)
		}
		if s := l.Stats(); s.Syncs != 2 || s.LastSync != time.Millisecond {
			t.Errorf("%d syncs, the last took %v; want 2 and 1 ms", s.Syncs, s.LastSync)
		}
		mustClose(t, l)
	})
}
