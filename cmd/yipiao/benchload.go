package main

import (
	"context"
	"crypto/rand"
	le "encoding/binary"
	"errors"
	"math/bits"
	"sort"
	"sync"
	"time"

	"yipiao/sync/ticket"
)

// A hist counts durations in buckets of 3 % of their size, without allocating.
type hist struct {
	counts [64 << subBits]uint32
	n      uint64
}

const subBits = 5

func (h *hist) add(d time.Duration) {
	v := uint64(max(d, 1))
	shift := max(bits.Len64(v)-subBits-1, 0)
	h.counts[shift<<subBits+int(v>>shift)]++
	h.n++
}

func (h *hist) merge(o *hist) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
}

// quantile returns the q-th quantile (0 to 1) in ms, 0 for nothing.
func (h *hist) quantile(q float64) float64 {
	left := uint64(q * float64(h.n))
	for i, c := range h.counts {
		if uint64(c) > left {
			shift := max(i>>subBits-1, 0)
			low := uint64(i-shift<<subBits) << shift
			return float64(low+(uint64(1)<<shift)/2) / 1e6
		}
		left -= uint64(c)
	}
	return 0
}

// A caller is one of those that ask at the same time.
type caller struct {
	id    int
	nonce ticket.Nonce // a new one for each check
	at    int          // of the ticket to be checked, in the list of codes
	code  string
}

// asks is one durable check by a caller; anything but an admission is an error.
type asks func(ctx context.Context, c *caller) error

// A reading is what one measurement of a cell saw.
type reading struct {
	rate          float64 // checks a second
	p50, p99, far float64 // ms; far is p99.9
	n             uint64
}

// drive lets n callers check tickets for span, each its next one as soon as the last is answered, or, with
// pace, so many apart. Codes are used round after round.
func drive(ctx context.Context, n int, span, pace time.Duration, codes []string, do asks) (reading, error) {
	var from [8]byte
	if _, err := rand.Read(from[:]); err != nil {
		return reading{}, err
	}
	start := int(le.LittleEndian.Uint32(from[:]) >> 1)
	hists, errs := make([]hist, n), make([]error, n)
	var wg sync.WaitGroup
	began := time.Now()
	end := began.Add(span)
	for i := range n {
		wg.Go(func() {
			c := &caller{id: i}
			copy(c.nonce[8:], from[:])
			c.nonce[7] = 1
			le.LittleEndian.PutUint16(c.nonce[4:], uint16(i))
			due := began.Add(pace * time.Duration(i) / time.Duration(n))
			for k := 0; ; k++ {
				if pace > 0 {
					time.Sleep(time.Until(due))
					due = due.Add(pace)
				}
				one := time.Now()
				if !one.Before(end) || ctx.Err() != nil {
					return
				}
				le.LittleEndian.PutUint32(c.nonce[:], uint32(k))
				c.at = (start + k*n + i) % len(codes)
				c.code = codes[c.at]
				if errs[i] = do(ctx, c); errs[i] != nil {
					return
				}
				hists[i].add(time.Since(one))
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	for i := range hists[1:] {
		hists[0].merge(&hists[1+i])
	}
	h := &hists[0]
	return reading{float64(h.n) / took.Seconds(), h.quantile(0.5), h.quantile(0.99), h.quantile(0.999), h.n}, errors.Join(errors.Join(errs...), ctx.Err())
}

// median returns the middle one of values, which it sorts.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sort.Float64s(v)
	return v[len(v)/2]
}

// A cell is one figure of a block: what is measured several times, in turn with the others.
type cell struct {
	fig   figure
	goal  float64 // least multiple of raw, 0 for none
	do    asks
	codes []string
	// around, if set, brings about what is to go on during the measurement.
	around   func(ctx context.Context, measure func() error) error
	readings []reading
	raws     []float64
}

// block measures cells in turn, pass after pass, each right after a raw of its own.
func (b *benchRun) block(ctx context.Context, cells []*cell) error {
	for pass := range b.passes {
		for _, c := range cells {
			b.say("%s, pass %d", c.fig.title(), pass+1)
			if err := b.measure(ctx, c); err != nil {
				return err
			}
		}
	}
	for _, c := range cells {
		b.add(c.figure())
	}
	return nil
}

func (b *benchRun) measure(ctx context.Context, c *cell) error {
	raw, err := b.raw.measure(ctx, b.span/4)
	if err != nil {
		return err
	}
	around := c.around
	if around == nil {
		around = func(_ context.Context, measure func() error) error { return measure() }
	}
	return around(ctx, func() error {
		r, err := drive(ctx, c.fig.Callers, b.span, 0, c.codes, c.do)
		if err == nil {
			c.readings, c.raws = append(c.readings, r), append(c.raws, raw.rate)
		}
		return err
	})
}

// figure is the median of the cell's readings, each to the raw that was measured right before it.
func (c *cell) figure() figure {
	f := c.fig
	var rates, ratios, p50, p99, far []float64
	for i, r := range c.readings {
		rates, ratios = append(rates, r.rate), append(ratios, r.rate/c.raws[i])
		p50, p99, far = append(p50, r.p50), append(p99, r.p99), append(far, r.far)
	}
	f.Value, f.Unit, f.Ratio, f.Of, f.Baseline = number(median(rates)), "1/s", median(ratios), "raw", median(c.raws)
	f.P50, f.P99, f.P999 = median(p50), median(p99), median(far)
	f.atLeast(c.goal)
	return f
}
