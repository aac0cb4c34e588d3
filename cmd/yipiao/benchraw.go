package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// rawRecord is about the median size of our own records with their heads, bytes.
const rawRecord = 144

const rawFile = 16 << 20

// A rawDisk measures the baseline of everything: append one record and fdatasync, pre-zeroed file, one thread.
type rawDisk struct {
	f     *os.File
	at    int64
	rec   []byte
	delay time.Duration // what an emulated slow disk adds to each sync
}

func newRawDisk(dir string) (*rawDisk, error) {
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(make([]byte, rawFile)); err != nil {
		return nil, err
	}
	r := &rawDisk{f: f, rec: make([]byte, rawRecord)}
	for i := range r.rec {
		r.rec[i] = byte(i)
	}
	return r, f.Sync()
}

func (r *rawDisk) close() { _ = r.f.Close() }

func (r *rawDisk) measure(ctx context.Context, span time.Duration) (reading, error) {
	var h hist
	began := time.Now()
	for time.Since(began) < span && ctx.Err() == nil {
		one := time.Now()
		if _, err := r.f.WriteAt(r.rec, r.at); err != nil {
			return reading{}, err
		}
		time.Sleep(r.delay)
		if err := unix.Fdatasync(int(r.f.Fd())); err != nil {
			return reading{}, err
		}
		h.add(time.Since(one))
		r.at = (r.at + rawRecord) % (rawFile - rawRecord)
	}
	rate := float64(h.n) / time.Since(began).Seconds()
	return reading{rate, h.quantile(0.5), h.quantile(0.99), h.quantile(0.999), h.n}, ctx.Err()
}
