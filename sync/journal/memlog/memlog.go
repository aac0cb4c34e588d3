// Package memlog is the journal in memory: the reference model that the real one is compared with,
// and the journal of tests that need no disk.
//
// It is as simple as the contract allows, because it says what is right. It must not know files,
// segments or batches. Nothing survives the process; Crash stands for a power cut.
package memlog

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"yipiao/sync/journal"
)

// Options of a Log.
type Options struct {
	Epoch uint32
	Key   []byte // of the chain
	// Manual holds durability back from the beginning, as Hold does: appended entries become
	// durable only in Flush, FlushTo and Close.
	Manual bool
	// Limit is how many entries may be kept, the reserve included; Append answers ErrFull beyond
	// Limit-Reserve. 0 = no limit.
	Limit int
	// Reserve is how many of Limit only AppendReserve may use.
	Reserve int
}

// Log is a journal in memory. All methods are safe for concurrent use.
type Log struct {
	opt Options

	mu      sync.Mutex // guards the fields below
	entries []journal.Entry
	trimmed uint64 // entries that Trim has removed: entries[0] is trimmed+1
	lastSum journal.Sum
	durable journal.Pos
	manual  bool
	failed  error
	closed  bool
	changed chan struct{} // closed and replaced when a waiter may go on
}

var _ journal.Log = (*Log)(nil)

// New returns an empty log.
func New(opt Options) *Log {
	opt.Key = slices.Clone(opt.Key)
	return &Log{
		opt: opt, manual: opt.Manual,
		durable: journal.Pos{Epoch: opt.Epoch}, changed: make(chan struct{}),
	}
}

// Append is journal.Log's.
func (l *Log) Append(recs ...journal.Record) (uint64, error) {
	return l.append(recs, l.opt.Limit-l.opt.Reserve)
}

// AppendReserve is Append that may use the reserve.
func (l *Log) AppendReserve(recs ...journal.Record) (uint64, error) {
	return l.append(recs, l.opt.Limit)
}

func (l *Log) append(recs []journal.Record, limit int) (uint64, error) {
	for i := range recs {
		if n := len(recs[i].Body); n > journal.MaxBody {
			return 0, fmt.Errorf("%w: %d bytes", journal.ErrTooLarge, n)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil {
		return 0, err
	}
	if l.opt.Limit > 0 && len(l.entries)+len(recs) > limit {
		return 0, journal.ErrFull
	}
	for _, rec := range recs {
		rec.Body = bytes.Clone(rec.Body)
		e := journal.Entry{Epoch: l.opt.Epoch, Seq: l.end() + 1, Record: rec}
		e.Sum = journal.Chain(l.opt.Key, l.lastSum, &e)
		l.lastSum = e.Sum
		l.entries = append(l.entries, e)
	}
	if !l.manual {
		l.flush(l.end())
	}
	return l.end(), nil
}

// refusal says why nothing can be done any more. mu is held.
func (l *Log) refusal() error {
	if l.failed != nil {
		return l.failed
	}
	if l.closed {
		return journal.ErrClosed
	}
	return nil
}

// end is the number of the last entry. mu is held.
func (l *Log) end() uint64 { return l.trimmed + uint64(len(l.entries)) }

// flush makes everything up to seq durable. mu is held.
func (l *Log) flush(seq uint64) {
	if seq > l.durable.Seq {
		l.durable.Seq, l.durable.Sum = seq, l.entries[seq-l.trimmed-1].Sum
	}
	l.wake()
}

// wake lets every waiter look again. mu is held.
func (l *Log) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Flush makes everything that is appended durable, as a sync does. It returns why it cannot.
func (l *Log) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flushTo(l.end())
}

// FlushTo makes the entries up to seq durable, and not those behind it.
func (l *Log) FlushTo(seq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flushTo(min(seq, l.end()))
}

func (l *Log) flushTo(seq uint64) error {
	if err := l.refusal(); err != nil {
		return err
	}
	l.flush(seq)
	return nil
}

// Hold makes what is appended from now on wait for release, which also makes it durable.
func (l *Log) Hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manual = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.manual = false; l.refusal() == nil {
			l.flush(l.end())
		}
	}
}

// Fail makes the log fail as after a disk error: from now on it answers journal.ErrFailed, with cause.
func (l *Log) Fail(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = fmt.Errorf("%w: %w", journal.ErrFailed, cause)
	}
	l.wake()
}

// Crash ends l as a power cut does and returns the log that is found afterwards: what was durable.
// Of a closed log that is everything, so Crash also stands for opening the files again.
func (l *Log) Crash() *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := New(l.opt)
	n.trimmed = l.trimmed
	n.entries = slices.Clone(l.entries[:l.durable.Seq-l.trimmed])
	n.durable, n.lastSum = l.durable, l.durable.Sum
	l.closed = true
	l.wake()
	return n
}

// Wait is journal.Log's.
func (l *Log) Wait(ctx context.Context, seq uint64) error {
	for {
		l.mu.Lock()
		durable, err, changed := l.durable.Seq, l.refusal(), l.changed
		l.mu.Unlock()
		if durable >= seq {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// End is journal.Log's.
func (l *Log) End() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end()
}

// Durable is journal.Log's.
func (l *Log) Durable() journal.Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// Read is journal.Log's.
func (l *Log) Read(from uint64, n, maxBytes int) ([]journal.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil {
		return nil, err
	}
	from = max(from, 1)
	if from > l.durable.Seq {
		return nil, nil
	}
	if from <= l.trimmed {
		return nil, fmt.Errorf("%w: %d", journal.ErrTrimmed, from)
	}
	var out []journal.Entry
	for bodies := 0; len(out) < n && from <= l.durable.Seq; from++ {
		e := l.entries[from-l.trimmed-1]
		if bodies += len(e.Body); len(out) > 0 && bodies > maxBytes {
			break
		}
		e.Body = bytes.Clone(e.Body)
		out = append(out, e)
	}
	return out, nil
}

// Trim removes the durable entries before seq, but never the last one, and returns how many.
func (l *Log) Trim(before uint64) (removed int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil {
		return 0, err
	}
	if before = min(before, l.durable.Seq); before <= l.trimmed+1 {
		return 0, nil
	}
	removed = int(before - 1 - l.trimmed)
	l.entries = slices.Clone(l.entries[removed:])
	l.trimmed = before - 1
	return removed, nil
}

// Close is journal.Log's.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return journal.ErrClosed
	}
	l.closed = true
	if l.failed == nil {
		l.flush(l.end())
	}
	l.wake()
	return l.failed
}
