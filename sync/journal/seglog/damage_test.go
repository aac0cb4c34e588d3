package seglog_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
)

// flip changes one bit of a file.
func flip(d *logtest.Disk, name string, off int) {
	b := d.Bytes(name)
	b[off] ^= 0x10
	d.Put(name, b)
}

// three returns a disk with three begun segments, of 21, 21 and 18 entries, and two prepared.
func three(t *testing.T) *logtest.Disk {
	t.Helper()
	d := written(t, many(60, 3000)...)
	for n := uint64(1); n <= 5; n++ {
		if d.Bytes(segFile(n)) == nil {
			t.Fatalf("segment %d is missing", n)
		}
	}
	return d
}

// TestDamage changes what was durable. Open, with VerifyAll where the last segment is not concerned,
// must say so, name the place and change nothing.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name  string
		all   bool
		spoil func(d *logtest.Disk)
		want  seglog.Damage
	}{
		{"MiddleOfLastSegment", false, func(d *logtest.Disk) { flip(d, segFile(3), headerSize+60) }, seglog.Damage{Segment: 3, Offset: headerSize, Seq: 43, Reason: seglog.ReasonCRC}},
		{"LostSectorsInLastSegment", false, func(d *logtest.Disk) { wipe(d, segFile(3), headerSize, 1024) }, seglog.Damage{Segment: 3, Offset: headerSize, Seq: 43, Reason: seglog.ReasonZero}},
		{"LostRecordsInLastSegment", false, func(d *logtest.Disk) { wipe(d, segFile(3), headerSize, 3*3048) }, seglog.Damage{Segment: 3, Offset: headerSize, Seq: 43, Reason: seglog.ReasonZero}},
		{"EndOfLastSegmentBeforeTornOne", false, func(d *logtest.Disk) {
			wipe(d, segFile(3), headerSize+17*3048+1000, 2048)
			flip(d, segFile(4), headerSize+512)
		}, seglog.Damage{Segment: 4, Offset: startOff, Seq: 60, Reason: seglog.ReasonHeader}},
		{"SomethingInLaterPreparedSegment", false, func(d *logtest.Disk) { flip(d, segFile(5), startOff+3) }, seglog.Damage{Segment: 5, Offset: startOff, Seq: 61, Reason: seglog.ReasonHeader}},
		{"StartBlockOfLastSegment", false, func(d *logtest.Disk) { flip(d, segFile(3), startOff+9) }, seglog.Damage{Segment: 3, Offset: startOff, Reason: seglog.ReasonHeader}},
		{"LostStartBlockOfLastSegment", false, func(d *logtest.Disk) { wipe(d, segFile(3), startOff, 512) }, seglog.Damage{Segment: 3, Offset: startOff, Reason: seglog.ReasonHeader}},
		{"LabelOfLastSegment", false, func(d *logtest.Disk) { flip(d, segFile(3), 17) }, seglog.Damage{Segment: 3, Reason: seglog.ReasonHeader}},
		{"LabelOfPreparedSegment", false, func(d *logtest.Disk) { flip(d, segFile(4), 17) }, seglog.Damage{Segment: 4, Reason: seglog.ReasonHeader}},
		{"MissingLastSegment", false, func(d *logtest.Disk) { remove(t, d, segFile(3)) }, seglog.Damage{Segment: 3, Reason: seglog.ReasonGap}},
		{"MissingMiddleSegment", false, func(d *logtest.Disk) { remove(t, d, segFile(2)) }, seglog.Damage{Segment: 2, Reason: seglog.ReasonGap}},
		{"LabelOfMiddleSegment", false, func(d *logtest.Disk) { flip(d, segFile(2), 17) }, seglog.Damage{Segment: 2, Reason: seglog.ReasonHeader}},
		{"StartBlockOfMiddleSegment", false, func(d *logtest.Disk) { flip(d, segFile(2), startOff+20) }, seglog.Damage{Segment: 2, Offset: startOff, Reason: seglog.ReasonHeader}},
		{"RecordInMiddleSegment", true, func(d *logtest.Disk) { flip(d, segFile(2), headerSize+60) }, seglog.Damage{Segment: 2, Offset: headerSize, Seq: 22, Reason: seglog.ReasonCRC}},
		{"LastRecordOfSealedSegment", true, func(d *logtest.Disk) { wipe(d, segFile(1), headerSize+20*3048, 3048) }, seglog.Damage{Segment: 1, Offset: headerSize + 20*3048, Seq: 21, Reason: seglog.ReasonGap}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := three(t)
			c.spoil(d)
			before := d.Bytes(segFile(2))
			cfg := onDisk(d, chance(2))
			cfg.VerifyAll = c.all
			_, report, err := seglog.Open(cfg)
			if !errors.Is(err, seglog.ErrDamaged) {
				t.Fatalf("open: %v, want ErrDamaged", err)
			}
			got := report.Damage[0]
			got.Seq = c.want.Seq * min(1, got.Seq) // 0 where the place has no number
			if got != c.want {
				t.Errorf("damage is %s, want %s", report.Damage[0], c.want)
			}
			if string(before) != string(d.Bytes(segFile(2))) {
				t.Error("open has changed a segment")
			}
			if _, _, again := seglog.Open(cfg); again == nil || again.Error() != err.Error() {
				t.Errorf("second open: %v, first: %v", again, err)
			}
		})
	}
}

func wipe(d *logtest.Disk, name string, off, n int) {
	b := d.Bytes(name)
	clear(b[off : off+n])
	d.Put(name, b)
}

func remove(t *testing.T, d *logtest.Disk, name string) {
	t.Helper()
	if err := errors.Join(d.Mount().Remove(name), d.Mount().SyncDir(testDir)); err != nil {
		t.Fatal(err)
	}
}

// TestDamageInSealedSegmentIsReadAsSuch: without VerifyAll the log opens, and only the bad place is
// refused.
func TestDamageInSealedSegmentIsReadAsSuch(t *testing.T) {
	d := three(t)
	flip(d, segFile(2), headerSize+3*3048+100)
	l, report := mustOpen(t, onDisk(d, chance(2)))
	if !report.Clean() || l.End() != 60 {
		t.Fatalf("report: %s", report)
	}
	if got, err := l.Read(22, 3, 1<<20); err != nil || len(got) != 3 {
		t.Errorf("read before the bad record: %d entries, %v", len(got), err)
	}
	if _, err := l.Read(22, 4, 1<<20); !errors.Is(err, seglog.ErrDamaged) {
		t.Errorf("read of the bad record: %v, want ErrDamaged", err)
	}
	if got, err := l.Read(26, 100, 1<<20); err != nil || len(got) != 35 {
		t.Errorf("read behind the bad record: %d entries, %v", len(got), err)
	}
	at, err := l.Verify(context.Background())
	if !errors.Is(err, seglog.ErrDamaged) || at.Seq > 24 {
		t.Errorf("verify: %v, %v, want ErrDamaged at 25", at, err)
	}
}

// TestAllowDamaged goes on with what is left and keeps what it cuts off.
func TestAllowDamaged(t *testing.T) {
	t.Run("LastSegment", func(t *testing.T) {
		d := three(t)
		whole := d.Bytes(segFile(3))
		flip(d, segFile(3), headerSize+2*3048+60)
		cfg := onDisk(d, chance(2))
		cfg.AllowDamaged = true
		l, report := mustOpen(t, cfg)
		if l.End() != 44 || len(report.Damage) != 1 || len(report.Saved) != 1 {
			t.Fatalf("opened with end %d: %+v", l.End(), report)
		}
		saved := d.Bytes(report.Saved[0])
		if want := whole[headerSize+3*3048:]; !strings.Contains(string(saved), strings.TrimRight(string(want), "\x00")) {
			t.Error("what was cut off is not kept")
		}
		put(t, l, []byte("next"))
		if all := readEverything(t, l); len(all) != 45 {
			t.Errorf("%d entries, want 45", len(all))
		}
		mustClose(t, l)
		if _, report := mustOpen(t, onDisk(d, chance(2))); !report.Clean() {
			t.Errorf("after the cut: %s", report)
		}
	})
	t.Run("StartBlock", func(t *testing.T) {
		d := three(t)
		flip(d, segFile(3), startOff+9)
		cfg := onDisk(d, chance(2))
		cfg.AllowDamaged = true
		l, report := mustOpen(t, cfg)
		if l.End() != 42 || len(report.Saved) == 0 {
			t.Fatalf("opened with end %d: %+v", l.End(), report)
		}
		for _, name := range report.Saved {
			if filepath.Ext(name) != ".bad" || d.Bytes(name) == nil {
				t.Errorf("%s is not there", name)
			}
		}
		put(t, l, many(60, 3000)...)
		readEverything(t, l)
	})
}

// TestAllowDamagedKeepsSealedSegments: a damaged segment in the middle stays, and reads as damaged.
func TestAllowDamagedKeepsSealedSegments(t *testing.T) {
	d := three(t)
	flip(d, segFile(2), 17)
	cfg := onDisk(d, chance(2))
	cfg.AllowDamaged = true
	l, report := mustOpen(t, cfg)
	if l.End() != 60 || len(report.Damage) == 0 {
		t.Fatalf("opened with end %d: %s", l.End(), report)
	}
	if got, err := l.Read(1, 100, 1<<20); err == nil || len(got) != 0 {
		t.Errorf("read across the hole: %d entries, %v", len(got), err)
	}
	if _, err := l.Read(30, 1, 1); !errors.Is(err, seglog.ErrDamaged) {
		t.Errorf("read in the hole: %v, want ErrDamaged", err)
	}
	if got, err := l.Read(43, 100, 1<<20); err != nil || len(got) != 18 {
		t.Errorf("read behind the hole: %d entries, %v", len(got), err)
	}
	put(t, l, []byte("next"))
}

// TestWrongKey is damage, too: a chain made with another key is not this log's.
func TestWrongKey(t *testing.T) {
	d := written(t, many(3, 10)...)
	cfg := onDisk(d, chance(2))
	cfg.Key = []byte("another")
	if _, report, err := seglog.Open(cfg); !errors.Is(err, seglog.ErrDamaged) || report.Damage[0].Reason != seglog.ReasonChain {
		t.Errorf("open: %v, want a bad chain", err)
	}
}

// TestEditedRecord: somebody who can compute CRCs, and not the key, changes a body.
func TestEditedRecord(t *testing.T) {
	d := written(t, many(3, 10)...)
	b := d.Bytes(segFile(1))
	at := offsets(t, b)
	seglog.Forge(b, at[2], at[3])
	d.Put(segFile(1), b)
	_, report, err := seglog.Open(onDisk(d, chance(2)))
	if !errors.Is(err, seglog.ErrDamaged) || report.Damage[0] != (seglog.Damage{Segment: 1, Offset: int64(at[2]), Seq: 3, Reason: seglog.ReasonChain}) {
		t.Errorf("open: %v, want a bad chain", err)
	}
}

// TestForeignSegmentCannotComeBack copies records of an older segment behind the end of a newer
// one, where they would be next: the segment epoch keeps them out.
func TestForeignSegmentCannotComeBack(t *testing.T) {
	full := written(t, many(5, 10)...)
	stale := full.Bytes(segFile(1))
	d := logtest.NewDisk(1, 64<<20)
	l, _ := mustOpen(t, onDisk(d, chance(77)))
	put(t, l, many(3, 10)...)
	mustClose(t, l)
	b := d.Bytes(segFile(1))
	at := offsets(t, stale)
	copy(b[at[3]:], stale[at[3]:at[5]])
	d.Put(segFile(1), b)
	l, report := mustOpen(t, onDisk(d, chance(2)))
	if l.End() != 3 || report.Reason != seglog.ReasonCRC || report.Dropped == 0 {
		t.Errorf("opened with end %d: %s", l.End(), report)
	}
	if got := d.Bytes(segFile(1)); len(offsets(t, got)) != 4 {
		t.Error("the stale records are still there")
	}
}

// TestOtherEpoch: the files of one log epoch are not opened as another.
func TestOtherEpoch(t *testing.T) {
	d := written(t, many(3, 10)...)
	cfg := onDisk(d, chance(2))
	cfg.Epoch = 4
	if _, _, err := seglog.Open(cfg); !errors.Is(err, seglog.ErrEpoch) {
		t.Errorf("open: %v, want ErrEpoch", err)
	}
}
