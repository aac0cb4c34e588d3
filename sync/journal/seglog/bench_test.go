package seglog_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/journal/seglog"
)

// benchBody is the body of a typical admission fact.
const benchBody = 64

// BenchmarkRaw is what one thread gets from the disk: append a record's bytes to a pre-zeroed file
// and fdatasync. The other benchmarks are judged by their ratio to it in the same run.
func BenchmarkRaw(b *testing.B) {
	fs := seglog.OS()
	f, err := fs.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const size, rec = 16 << 20, 112
	if _, err := f.WriteAt(make([]byte, size), 0); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, rec)
	off := int64(0)
	for b.Loop() {
		for i := range buf {
			buf[i]++
		}
		if off+rec > size {
			off = 0
		}
		if _, err := f.WriteAt(buf, off); err != nil {
			b.Fatal(err)
		}
		if err := f.Datasync(); err != nil {
			b.Fatal(err)
		}
		off += rec
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkAppendWait(b *testing.B) {
	for _, callers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchCallers(b, callers) })
	}
}

func benchCallers(b *testing.B, callers int) {
	l, _, err := seglog.Open(seglog.Config{Dir: b.TempDir(), Epoch: 1, Key: []byte("bench")})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	ctx := context.Background()
	var wg sync.WaitGroup
	per := b.N/callers + 1
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			body := make([]byte, benchBody)
			for i := range per {
				body[0] = byte(i)
				seq, err := l.Append(journal.Record{Kind: 1, TimeMs: int64(i), Body: body})
				if err == nil {
					err = l.Wait(ctx, seq)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	ops := float64(per * callers)
	b.ReportMetric(ops/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric(ops/float64(l.Stats().Syncs), "ops/sync")
}

func BenchmarkRead(b *testing.B) {
	l, _, err := seglog.Open(seglog.Config{Dir: b.TempDir(), Epoch: 1, Key: []byte("bench")})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const entries = 200_000
	body := make([]byte, benchBody)
	for i := range entries {
		seq, err := l.Append(journal.Record{Kind: 1, TimeMs: int64(i), Body: body})
		if err != nil {
			b.Fatal(err)
		}
		if i%10_000 == 0 {
			if err := l.Wait(context.Background(), seq); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := l.Wait(context.Background(), entries); err != nil {
		b.Fatal(err)
	}
	from := uint64(1)
	read := 0
	for b.Loop() {
		got, err := l.Read(from, 500, 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		read += len(got)
		if from += uint64(len(got)); from > entries {
			from = 1
		}
	}
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "entries/s")
}
