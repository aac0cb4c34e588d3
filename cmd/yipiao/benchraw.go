package main

import (
	"context"
	"os"
	"path/filepath"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// rawRecord is about the median size of our own records, bytes.
const rawRecord = 320

// measureRaw is the baseline of everything: append one record and fdatasync, pre-zeroed file, one thread.
func (b *benchRun) measureRaw(ctx context.Context, dir string) error {
	const size = 16 << 20
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(make([]byte, size)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	rec := make([]byte, rawRecord)
	for i := range rec {
		rec[i] = byte(i)
	}
	var took []time.Duration
	began := time.Now()
	for at := int64(0); time.Since(began) < b.span && ctx.Err() == nil; at = (at + rawRecord) % (size - rawRecord) {
		one := time.Now()
		if _, err := f.WriteAt(rec, at); err != nil {
			return err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return err
		}
		took = append(took, time.Since(one))
	}
	b.raw = float64(len(took)) / time.Since(began).Seconds()
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	b.rawP99 = took[len(took)*99/100]
	b.add(figure{Name: "raw", Value: b.raw, Unit: "1/s", Baseline: b.raw, Ratio: 1})
	return nil
}

// quantile returns the q-th quantile (0 to 1) of durations, which it sorts.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	sort.Slice(d, func(i, j int) bool { return d[i] < d[j] })
	return d[min(int(q*float64(len(d))), len(d)-1)]
}
