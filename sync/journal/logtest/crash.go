package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing/synctest"

	"yipiao/sync/journal"
	"yipiao/sync/journal/memlog"
)

// crasher is the crash loop over one log. It runs in a synctest bubble, so that "everything has
// come to rest" can be waited for without a clock.
type crasher struct {
	h     Harness
	seed  uint64
	rng   *rand.Rand
	model *memlog.Log
	log   journal.Log

	acked   uint64 // what the log has answered for
	low     uint64 // oldest entry that must be readable
	asked   uint64 // highest sequence number given to Trim
	release func() // ends a Hold
	armed   bool   // the power may fail at any time
	trace   []string
}

func newCrasher(h Harness, seed uint64) *crasher {
	return &crasher{
		h: h, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), low: 1, asked: 1,
		model: memlog.New(memlog.Options{Epoch: h.Epoch, Key: h.Key, Manual: true}),
	}
}

func (c *crasher) run(rounds int) error {
	for round := range rounds {
		if err := c.life(); err != nil {
			return fmt.Errorf("seed %d, round %d: %w (steps of this life: %v)", c.seed, round, err, c.trace)
		}
	}
	return nil
}

// life opens the log, checks it, works with it and ends it in one of the ways there are.
func (c *crasher) life() error {
	c.trace, c.armed = c.trace[:0], false
	if err := c.open(); err != nil {
		return err
	}
	if c.h.OffAfter != nil && c.rng.IntN(3) == 0 {
		c.armed = true
		c.h.OffAfter(c.rng.IntN(60))
	}
	for range c.rng.IntN(30) {
		err := c.step()
		if c.armed && (errors.Is(err, journal.ErrFailed) || errors.Is(err, ErrPowerCut)) {
			return c.end(c.h.PowerCut)
		}
		if err != nil {
			return errors.Join(err, c.end(nil))
		}
	}
	return c.finish()
}

// open brings the log back; the power may fail meanwhile.
func (c *crasher) open() (err error) {
	for c.h.OffAfter != nil && c.rng.IntN(4) == 0 {
		c.h.OffAfter(c.rng.IntN(30))
		c.say("open in a storm")
		if c.log, err = c.h.Open(); err == nil {
			err = c.end(c.h.PowerCut)
		} else if errors.Is(err, ErrPowerCut) {
			c.h.PowerCut()
			err = nil
		}
		if err != nil {
			return err
		}
	}
	if c.log, err = c.h.Open(); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	c.say("open at %d", c.log.End())
	if err := c.compare(); err != nil {
		return errors.Join(err, c.end(nil))
	}
	return nil
}

// compare checks what an opened log holds and brings the model to the same end.
func (c *crasher) compare() error {
	end := c.log.End()
	if d := c.log.Durable().Seq; d != end {
		return fmt.Errorf("opened with end %d but durable %d", end, d)
	}
	if end < c.acked || end > c.model.End() {
		return fmt.Errorf("opened with end %d; %d was acknowledged and %d appended", end, c.acked, c.model.End())
	}
	if err := c.model.FlushTo(end); err != nil {
		return err
	}
	c.model = c.model.Crash()
	if got, want := c.log.Durable(), c.model.Durable(); got != want {
		return fmt.Errorf("opened at %v, want %v", got, want)
	}
	c.acked = end
	if err := c.checkFirst(); err != nil {
		return err
	}
	for from := c.low; from <= end; {
		n, err := c.read(from, 100, 1<<20)
		if err != nil {
			return err
		}
		from += uint64(n)
	}
	if c.h.Check != nil {
		return c.h.Check(c.log)
	}
	return nil
}

func (c *crasher) checkFirst() error {
	if c.h.First == nil {
		return nil
	}
	first := c.h.First(c.log)
	if first > c.asked {
		return fmt.Errorf("oldest kept is %d, nobody asked to trim beyond %d", first, c.asked)
	}
	c.low = max(c.low, first)
	return nil
}

// step does one thing.
func (c *crasher) step() error {
	switch c.rng.IntN(8) {
	case 0, 1, 2:
		return c.append()
	case 3:
		return c.wait()
	case 4:
		return c.readSome()
	case 5:
		return c.trim()
	case 6:
		if c.h.Hold != nil && c.release == nil {
			c.say("hold")
			c.release = c.h.Hold()
		}
	case 7:
		c.letGo()
	}
	return nil
}

func (c *crasher) letGo() {
	if c.release != nil {
		c.say("release")
		c.release()
		c.release = nil
		synctest.Wait()
	}
}

func (c *crasher) append() error {
	recs := make([]journal.Record, 1+c.rng.IntN(5))
	for i := range recs {
		recs[i] = c.record()
	}
	last, err := c.log.Append(recs...)
	c.say("append %d: %d, %v", len(recs), last, err)
	if errors.Is(err, journal.ErrFull) && (c.armed || c.release != nil) {
		return nil // prepared space is used up, and what is held or dead cannot make more
	}
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	want, err := c.model.Append(recs...)
	if err != nil {
		return err
	}
	if last != want {
		return fmt.Errorf("append returned %d, want %d", last, want)
	}
	for i := range recs {
		clear(recs[i].Body) // the log must have its own copy
	}
	synctest.Wait()
	return nil
}

func (c *crasher) record() journal.Record {
	size := c.rng.IntN(300)
	switch c.rng.IntN(10) {
	case 0:
		size = 0
	case 1:
		size = c.rng.IntN(min(c.h.MaxBody, 20_000) + 1)
	}
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(c.rng.Uint32())
	}
	return journal.Record{
		Kind: journal.Kind(c.rng.IntN(256)), TimeMs: c.rng.Int64() - c.rng.Int64(),
		OffsetMs: c.rng.Int32() - c.rng.Int32(), Body: body,
	}
}

func (c *crasher) wait() error {
	end := c.log.End()
	if end == 0 {
		return nil
	}
	seq := 1 + c.rng.Uint64N(end)
	ctx, cancel := context.WithCancel(context.Background())
	if c.release != nil {
		cancel() // it may never come
	}
	defer cancel()
	err := c.log.Wait(ctx, seq)
	c.say("wait %d: %v", seq, err)
	if errors.Is(err, context.Canceled) && c.release != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	c.acked = max(c.acked, seq)
	return nil
}

func (c *crasher) readSome() error {
	n := c.log.End() - c.low + 3
	_, err := c.read(c.low+c.rng.Uint64N(n), 1+c.rng.IntN(20), c.rng.IntN(5000))
	return err
}

// read compares one Read of the log with the model's.
func (c *crasher) read(from uint64, n, maxBytes int) (int, error) {
	got, err := c.log.Read(from, n, maxBytes)
	if err != nil {
		return 0, fmt.Errorf("read %d: %w", from, err)
	}
	if err := c.model.FlushTo(c.log.Durable().Seq); err != nil {
		return 0, err
	}
	want, err := c.model.Read(from, n, maxBytes)
	if err != nil {
		return 0, err
	}
	if len(got) != len(want) {
		return 0, fmt.Errorf("read %d, %d, %d: got %d entries, want %d", from, n, maxBytes, len(got), len(want))
	}
	for i := range got {
		if !equal(&got[i], &want[i]) {
			return 0, fmt.Errorf("read %d: got %+v, want %+v", want[i].Seq, got[i], want[i])
		}
	}
	return len(got), nil
}

func equal(a, b *journal.Entry) bool {
	return a.Epoch == b.Epoch && a.Seq == b.Seq && a.Kind == b.Kind && a.TimeMs == b.TimeMs &&
		a.OffsetMs == b.OffsetMs && a.Sum == b.Sum && bytes.Equal(a.Body, b.Body)
}

func (c *crasher) trim() error {
	if c.h.Trim == nil || c.rng.IntN(4) != 0 {
		return nil
	}
	before := 1 + c.rng.Uint64N(c.acked+1)
	c.asked = max(c.asked, before)
	err := c.h.Trim(c.log, before)
	c.say("trim %d: %v", before, err)
	synctest.Wait()
	if c.armed {
		err = nil
	}
	return errors.Join(err, c.checkFirst())
}

// finish ends a life that nothing has ended yet.
func (c *crasher) finish() error {
	ways := []func(){nil}
	for _, way := range []func(){c.h.PowerCut, c.h.PowerCut, c.h.Kill} {
		if way != nil {
			ways = append(ways, way)
		}
	}
	if c.armed {
		ways = []func(){c.h.PowerCut}
	}
	return c.end(ways[c.rng.IntN(len(ways))])
}

// end ends the log: by Close alone, or by something worse before it.
func (c *crasher) end(how func()) error {
	if how == nil {
		c.letGo()
	} else {
		how()
		c.release = nil
	}
	appended := c.log.End()
	err := c.log.Close()
	synctest.Wait()
	c.say("end: %v", err)
	if how != nil {
		return nil // what Close says of a dead disk does not matter
	}
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	c.acked = appended
	return nil
}

func (c *crasher) say(format string, args ...any) {
	c.trace = append(c.trace, fmt.Sprintf(format, args...))
}
