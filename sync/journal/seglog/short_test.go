package seglog_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/journal/seglog"
)

// TestOpen_ShortSegmentIsSaid: wherever the last segment is cut, also within its label or before its
// first record, the report is not clean or the journal does not open; it never just ends earlier.
func TestOpen_ShortSegmentIsSaid(t *testing.T) {
	for _, cut := range []int64{0, 10, 100, 364, 512, 700, 4096, 4200} {
		cfg := seglog.Config{Dir: t.TempDir(), Epoch: 1, Key: []byte("key"), SegmentSize: seglog.MinSegmentSize}
		l, _, err := seglog.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var last uint64
		for range 130 { // into the second segment
			if last, err = l.Append(journal.Record{Kind: 1, Body: make([]byte, 600)}); err == nil {
				err = l.Wait(context.Background(), last)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		begun := l.Stats().Segments
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(cfg.Dir, "*.seg"))
		if err != nil || begun < 2 {
			t.Fatalf("%d segments, %v", begun, err)
		}
		slices.Sort(names)
		if err := os.Truncate(names[begun-1], cut); err != nil {
			t.Fatal(err)
		}
		l, report, err := seglog.Open(cfg)
		if err != nil {
			continue
		}
		if l.End() < last && report.Clean() {
			t.Errorf("cut at byte %d: ends at %d of %d, report %q", cut, l.End(), last, report)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
