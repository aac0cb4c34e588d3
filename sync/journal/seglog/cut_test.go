package seglog_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
)

// TestLastRecord spoils the last record of real files at every byte: the log opens, keeps
// everything before it, says what it dropped, and goes on.
func TestLastRecord(t *testing.T) {
	dir := t.TempDir()
	cfg := seglog.Config{Dir: dir, Epoch: 3, Key: testKey(), SegmentSize: testSize}
	l, _ := mustOpen(t, cfg)
	put(t, l, append(many(6, 40), bytes.Repeat([]byte("last!"), 25))...)
	mustClose(t, l)
	name := filepath.Join(dir, "00000001.seg")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := offsets(t, whole)
	begin, end := at[len(at)-2], at[len(at)-1]
	bodyEnd := begin + recordHead + 125
	for i := begin; i < end; i++ {
		flipped := slices.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		lastRecord(t, cfg, name, flipped, lost{off: begin, why: anyReason, size: end - begin})

		zeroed := slices.Clone(whole)
		clear(zeroed[i:])
		want := lost{off: begin, why: []seglog.Reason{seglog.ReasonTorn}, size: i - begin}
		if i == begin || i >= bodyEnd {
			want = lost{kept: i >= bodyEnd} // not begun, or only padding was cut
		}
		lastRecord(t, cfg, name, zeroed, want)

		want = lost{off: begin, why: []seglog.Reason{seglog.ReasonTorn}, size: i - begin}
		if i >= bodyEnd {
			want = lost{off: end, why: []seglog.Reason{seglog.ReasonTorn}, kept: true}
		}
		lastRecord(t, cfg, name, zeroed[:i], want)
	}
}

var anyReason = []seglog.Reason{
	seglog.ReasonTorn, seglog.ReasonCRC, seglog.ReasonLength, seglog.ReasonZero,
}

// lost is what a report must say was dropped.
type lost struct {
	off, size int
	why       []seglog.Reason // one of these; none = the log ended cleanly
	kept      bool            // the seventh record is still there
}

func lastRecord(t *testing.T, cfg seglog.Config, name string, file []byte, want lost) {
	t.Helper()
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	l, report := mustOpen(t, cfg)
	defer mustClose(t, l)
	end := uint64(6)
	if want.kept {
		end = 7
	}
	if l.End() != end || report.End != l.Durable() {
		t.Fatalf("opened with end %d, want %d: %s", l.End(), end, report)
	}
	if len(want.why) == 0 {
		if !report.Clean() {
			t.Fatalf("not clean: %s", report)
		}
	} else if !slices.Contains(want.why, report.Reason) || report.Offset != int64(want.off) || report.Segment != 1 {
		t.Fatalf("report is %+v, want %+v", report, want)
	}
	// Trailing zeros of a record do not count as dropped: they look like what was never written.
	if report.Dropped > int64(want.size) || report.Dropped < int64(want.size)-recordHead {
		t.Fatalf("report says that %d bytes were dropped of %d", report.Dropped, want.size)
	}
	put(t, l, []byte("next"))
	all := readEverything(t, l)
	if len(all) != int(end)+1 || string(all[end].Body) != "next" {
		t.Fatalf("%d entries after one more, want %d", len(all), end+1)
	}
	for i, body := range many(6, 40) {
		if !bytes.Equal(all[i].Body, body) {
			t.Fatalf("entry %d has changed", i+1)
		}
	}
}

// TestPowerCutAtEveryOperation runs one scenario again and again, the power failing one operation
// later each time, until it runs through.
func TestPowerCutAtEveryOperation(t *testing.T) {
	bodies := many(60, 3000)
	for n := 0; ; n++ {
		d := logtest.NewDisk(uint64(n), 64<<20)
		d.OffAfter(n)
		acked, trimmed, err := scenario(d, uint64(n))
		through := !d.Off()
		if err != nil && through {
			t.Fatalf("operation %d: %v, and the power is on", n, err)
		}
		d.PowerCut()
		l, report, err := seglog.Open(onDisk(d, chance(99)))
		if err != nil {
			t.Fatalf("operation %d: %v", n, err)
		}
		if l.End() < acked || report.First > max(trimmed, 1) {
			t.Fatalf("operation %d: %s; %d was acknowledged, %d trimmed", n, report, acked, trimmed)
		}
		for _, e := range readEverything(t, l) {
			if !bytes.Equal(e.Body, bodies[e.Seq-1]) {
				t.Fatalf("operation %d: entry %d has changed", n, e.Seq)
			}
		}
		mustClose(t, l)
		if through {
			if acked != 60 || n < 50 {
				t.Fatalf("the scenario ended after %d operations with %d entries", n, acked)
			}
			return
		}
	}
}

// scenario fills three segments, with a restart and a trim between, and returns what was
// acknowledged and up to where it asked to trim.
func scenario(d *logtest.Disk, seed uint64) (acked, trimmed uint64, err error) {
	bodies := many(60, 3000)
	for acked < 60 {
		l, _, err := seglog.Open(onDisk(d, chance(seed)))
		if err != nil {
			return acked, trimmed, err
		}
		for range 30 {
			if err = appendWait(l, bodies[acked]); err != nil {
				return acked, trimmed, errors.Join(err, l.Close())
			}
			acked++
		}
		trimmed = acked
		_, err = l.Trim(trimmed)
		if err = errors.Join(err, l.Close()); err != nil {
			return acked, trimmed, err
		}
	}
	return acked, trimmed, nil
}

// TestPowerCutDuringTrim: some of the oldest segments are gone, never one between others.
func TestPowerCutDuringTrim(t *testing.T) {
	for seed := range uint64(20) {
		for n := range 8 {
			d := logtest.NewDisk(seed, 64<<20)
			l, _ := mustOpen(t, onDisk(d, chance(seed)))
			put(t, l, many(100, 3000)...)
			d.OffAfter(n)
			_, _ = l.Trim(100)
			d.PowerCut()
			_ = l.Close()
			l, report, err := seglog.Open(onDisk(d, chance(99)))
			if err != nil || l.End() != 100 || report.First > 100 {
				t.Fatalf("seed %d, operation %d: %s, %v", seed, n, report, err)
			}
			readEverything(t, l)
			mustClose(t, l)
		}
	}
}
