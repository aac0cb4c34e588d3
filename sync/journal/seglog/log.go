package seglog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"yipiao/sync/journal"
)

var errStopped = errors.New("log is closing")

// Log is a journal in segment files. All methods are safe for concurrent use.
type Log struct {
	cfg    Config
	lock   io.Closer
	chain  *chainer    // the committer's
	active *segment    // the committer's: being written to, nil before the first record
	off    int64       // the committer's: where the next record goes in active
	tip    journal.Pos // the committer's: last sealed record

	durable atomic.Uint64 // pos.Seq, for the fast path of Wait

	mu        sync.Mutex // guards the fields below
	work      sync.Cond  // front has records, or the log closes
	front     *batch     // filled by Append
	flight    *batch     // being committed, or nil
	spare     *batch     // the other of the two buffers while none is in flight
	end       uint64
	pos       journal.Pos // last durable
	segs      []*segment  // with records, ascending; copied when shortened
	ready     []*segment  // prepared, in the order they will be used
	room      room
	last      uint64 // highest segment number in use
	total     int64  // bytes of all segments
	disk      int64  // free bytes of the file system when last measured
	low       bool   // as last announced
	failed    error  // set once
	closed    bool   // no more appends
	stopped   bool   // the committer has ended
	prepErr   error  // why the last preparation did not succeed
	syncs     uint64
	lastSync  time.Duration
	committed chan struct{} // closed when the committer has ended

	prep  sync.Mutex    // held while segments are prepared; before mu
	poke  chan struct{} // wakes the preparer
	stop  chan struct{} // ends the preparer
	tasks sync.WaitGroup

	trim  sync.Mutex   // held by Trim; before mu
	files sync.RWMutex // read: using segment files; write: closing them

	windows sync.Pool // of *window, for Read
}

var _ journal.Log = (*Log)(nil)

// batch is a buffer of encoded records with consecutive sequence numbers.
type batch struct {
	buf  []byte
	last uint64
	done chan struct{} // closed when committed or given up
}

// room is where the next record will go in prepared space. The committer follows the same rule
// (commit.go), so what was accepted always fits.
type room struct {
	off, size int64 // in the segment that the last appended record went to
	entered   int   // how many of ready the appended, not yet written records need
}

// Append is journal.Log's. It returns ErrFull when prepared space less the reserve has no room.
func (l *Log) Append(recs ...journal.Record) (uint64, error) {
	return l.append(recs, l.cfg.Reserve)
}

// AppendReserve is Append that may use the reserve: for facts that finish something already begun,
// so that an admission in progress can end in the books when the disk is full.
func (l *Log) AppendReserve(recs ...journal.Record) (uint64, error) {
	return l.append(recs, 0)
}

func (l *Log) append(recs []journal.Record, reserve int64) (uint64, error) {
	maxBody := l.cfg.maxBody()
	for i := range recs {
		if len(recs[i].Body) > maxBody {
			return 0, fmt.Errorf("%w: %d bytes, at most %d", journal.ErrTooLarge, len(recs[i].Body), maxBody)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil {
		return 0, err
	}
	after, ok := l.place(recs, reserve)
	if !ok {
		return 0, l.full()
	}
	l.room = after
	b := l.front
	for i := range recs {
		l.end++
		b.buf = appendRecord(b.buf, l.end, &recs[i])
	}
	b.last = l.end
	if len(recs) > 0 {
		l.work.Signal()
	}
	return l.end, nil
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

// place finds room for recs that leaves reserve bytes. mu is held.
func (l *Log) place(recs []journal.Record, reserve int64) (room, bool) {
	at := l.room
	for i := range recs {
		size := int64(recordSize(len(recs[i].Body)))
		if at.off+size > at.size {
			if at.entered == len(l.ready) {
				return room{}, false
			}
			at = room{off: headerSize, size: l.ready[at.entered].size, entered: at.entered + 1}
		}
		at.off += size
	}
	return at, l.left(at) >= reserve
}

// left is how many bytes of prepared space lie behind at. mu is held.
func (l *Log) left(at room) int64 {
	left := at.size - at.off
	for _, s := range l.ready[at.entered:] {
		left += s.size - headerSize
	}
	return left
}

// full says why there is no room and asks for more. mu is held.
func (l *Log) full() error {
	l.wakePreparer()
	if l.prepErr != nil {
		return fmt.Errorf("%w: %w", journal.ErrFull, l.prepErr)
	}
	if l.extra() > 0 {
		return fmt.Errorf("%w: the next segment is not prepared yet", journal.ErrFull)
	}
	return journal.ErrFull
}

// Wait is journal.Log's. For a sequence number that is not appended yet it waits for that, too.
func (l *Log) Wait(ctx context.Context, seq uint64) error {
	for l.durable.Load() < seq {
		done, err := l.waiting(seq)
		if err != nil {
			return err
		}
		select {
		case <-done:
		case <-ctx.Done():
			if l.durable.Load() < seq {
				return ctx.Err()
			}
		}
	}
	return nil
}

// waiting returns what closes when seq may have become durable.
func (l *Log) waiting(seq uint64) (<-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.pos.Seq >= seq:
		return closedChan(), nil
	case l.failed != nil:
		return nil, l.failed
	case l.stopped:
		return nil, journal.ErrClosed
	case l.flight != nil && seq <= l.flight.last:
		return l.flight.done, nil
	}
	return l.front.done, nil
}

func closedChan() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// End is journal.Log's.
func (l *Log) End() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Durable is journal.Log's.
func (l *Log) Durable() journal.Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pos
}

// Close is journal.Log's. A second Close returns ErrClosed; Close of a failed log releases the
// files and returns the failure.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return journal.ErrClosed
	}
	l.closed = true
	l.work.Signal()
	l.mu.Unlock()
	<-l.committed
	close(l.stop)
	l.tasks.Wait()

	l.trim.Lock()
	defer l.trim.Unlock()
	l.prep.Lock()
	defer l.prep.Unlock()
	l.files.Lock()
	defer l.files.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	errs := []error{l.failed}
	for _, s := range l.segs {
		errs = append(errs, s.file.Close())
	}
	for _, s := range l.ready {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(append(errs, l.lock.Close())...)
}
