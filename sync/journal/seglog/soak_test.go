package seglog_test

import (
	"os"
	"strconv"
	"testing"

	"yipiao/sync/journal/logtest"
)

// TestSoak runs the crash loop for many seeds: as many as YIPIAO_JOURNAL_SOAK says. With
// YIPIAO_JOURNAL_SEED it begins at that seed, to look at a failure again.
func TestSoak(t *testing.T) {
	count, err := strconv.ParseUint(os.Getenv("YIPIAO_JOURNAL_SOAK"), 10, 64)
	if err != nil || count == 0 {
		count = 4 // a taste; `make soak` sets more
	}
	first, err := strconv.ParseUint(os.Getenv("YIPIAO_JOURNAL_SEED"), 10, 64)
	if err != nil {
		first = 1000
	}
	for seed := first; seed < first+count; seed++ {
		err := logtest.Crash(t, func(_ *testing.T, seed uint64) logtest.Harness { return diskHarness(seed, nil) }, seed, 40)
		if err != nil {
			t.Fatal(err)
		}
	}
}
