package seglog_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"

	"yipiao/sync/journal"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
)

const formatDoc = "../../../docs/formats/journal.md"

// exampleFromDoc returns the bytes that the format's page shows, by offset.
func exampleFromDoc(t testing.TB) map[int][]byte {
	t.Helper()
	f, err := os.Open(formatDoc)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line := regexp.MustCompile(`^    ([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+)$`)
	shown := map[int][]byte{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		m := line.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		off, err := strconv.ParseInt(m[1], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(m[2]), []byte(" "), nil)))
		if err != nil {
			t.Fatal(err)
		}
		shown[int(off)] = b
	}
	return shown
}

func exampleSegment(t testing.TB) []byte {
	t.Helper()
	seg := make([]byte, testSize)
	for off, b := range exampleFromDoc(t) {
		copy(seg[off:], b)
	}
	return seg
}

func exampleConfig(t testing.TB, d *logtest.Disk) seglog.Config {
	t.Helper()
	key, err := hex.DecodeString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if err != nil {
		t.Fatal(err)
	}
	epochs := bytes.Repeat([]byte{0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}, 8)
	return seglog.Config{Dir: testDir, Epoch: 7, Key: key, SegmentSize: testSize, FS: d.Mount(), Rand: bytes.NewReader(epochs)}
}

func exampleRecords() []journal.Record {
	return []journal.Record{
		{Kind: 1, TimeMs: 1750000000000, Body: []byte("entry granted")},
		{Kind: 2, TimeMs: 1750000000250, OffsetMs: -20, Body: []byte("entry passed")},
		{Kind: 2, TimeMs: 1750000000251, OffsetMs: -20},
	}
}

// TestDocumentedExample writes the entries of docs/formats/journal.md and compares the whole file
// with the bytes on that page, which another program has computed.
func TestDocumentedExample(t *testing.T) {
	want := exampleSegment(t)
	synctest.Test(t, func(t *testing.T) {
		d := logtest.NewDisk(1, 64<<20)
		l, _ := mustOpen(t, exampleConfig(t, d))
		recs := exampleRecords()
		for _, batch := range [][]journal.Record{recs[:1], recs[1:]} {
			if _, err := l.Append(batch...); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		mustClose(t, l)
		got := d.Bytes(segFile(1))
		for off := 0; off < len(want); off += 16 {
			if !bytes.Equal(got[off:off+16], want[off:off+16]) {
				t.Errorf("at %04x: the code writes % x, the page shows % x", off, got[off:off+16], want[off:off+16])
			}
		}
	})
}

// TestDocumentedExampleOpens reads the page's bytes as a journal.
func TestDocumentedExampleOpens(t *testing.T) {
	d := logtest.NewDisk(1, 64<<20)
	d.Put(segFile(1), exampleSegment(t))
	l, report := mustOpen(t, exampleConfig(t, d))
	if !report.Clean() || report.Checked != 3 {
		t.Fatalf("report: %s", report)
	}
	for i, e := range readEverything(t, l) {
		want := exampleRecords()[i]
		if e.Kind != want.Kind || e.TimeMs != want.TimeMs || e.OffsetMs != want.OffsetMs || !bytes.Equal(e.Body, want.Body) {
			t.Errorf("entry %d is %+v", i+1, e)
		}
	}
}

// TestUnknownVersion: files of a later format are refused, not called damaged, and not changed.
func TestUnknownVersion(t *testing.T) {
	d := logtest.NewDisk(1, 64<<20)
	seg := exampleSegment(t)
	seglog.SetVersion(seg, 2)
	d.Put(segFile(1), seg)
	cfg := exampleConfig(t, d)
	cfg.AllowDamaged = true
	if _, report, err := seglog.Open(cfg); err == nil || len(report.Damage) != 0 {
		t.Errorf("open: %v, %s", err, report)
	}
	if !bytes.Equal(d.Bytes(segFile(1)), seg) {
		t.Error("the file has been changed")
	}
}
