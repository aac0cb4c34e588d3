package seglog

import (
	"fmt"
	"runtime"
	"time"

	"yipiao/sync/journal"
)

// keepBuffer is the largest buffer kept for the next batch, in bytes: a burst should not stay in memory.
const keepBuffer = 4 << 20

// runCommitter is the committer: the only goroutine that writes records and syncs them.
func (l *Log) runCommitter() {
	defer close(l.committed)
	for {
		b := l.take()
		if b == nil {
			return
		}
		err := l.commit(b)
		l.finish(b, err)
		// Let those just woken append, so that they share the next sync.
		runtime.Gosched()
	}
}

// take waits for records and returns the buffer with all there are; nil means that the log closes.
func (l *Log) take() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.front.buf) == 0 && !l.closed && l.failed == nil {
		l.work.Wait()
	}
	if len(l.front.buf) == 0 || l.failed != nil {
		l.stopped = true
		close(l.front.done)
		return nil
	}
	b := l.front
	l.flight, l.front, l.spare = b, l.spare, nil
	l.front.done = make(chan struct{})
	return b
}

// finish wakes who waits for b and gives its buffer back.
func (l *Log) finish(b *batch, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.failed == nil {
		l.failed = fmt.Errorf("%w: %w", journal.ErrFailed, err)
	}
	close(b.done)
	if cap(b.buf) > keepBuffer {
		b.buf = nil
	}
	b.buf = b.buf[:0]
	l.flight, l.spare = nil, b
	if l.free() < l.cfg.LowBytes != l.low {
		l.wakePreparer()
	}
}

// commit writes and syncs a buffer, in as many parts as it needs segments. It never goes on after
// an error: what a failed sync has left on the disk is unknown.
func (l *Log) commit(b *batch) error {
	for rest := b.buf; len(rest) > 0; {
		part, n := l.sealPart(rest)
		if n == 0 {
			if err := l.roll(record(rest).seq()); err != nil {
				return err
			}
			continue
		}
		if err := writeFull(l.active.file, part, l.off); err != nil {
			return fmt.Errorf("write %s: %w", segName(l.active.number), err)
		}
		began := l.mono()
		if err := l.active.file.Datasync(); err != nil {
			return fmt.Errorf("sync %s: %w", segName(l.active.number), err)
		}
		l.off += int64(len(part))
		l.publish(l.mono() - began)
		rest = rest[len(part):]
	}
	return nil
}

// sealPart completes the records that still fit the active segment and returns them and their number.
func (l *Log) sealPart(buf []byte) ([]byte, uint32) {
	if l.active == nil {
		return nil, 0
	}
	used, n := 0, uint32(0)
	for used < len(buf) {
		rec := record(buf[used:])
		size := recordSize(rec.length() - recordHead)
		if l.off+int64(used+size) > l.active.size {
			break
		}
		rec = rec[:size]
		l.tip.Sum = l.chain.next(l.tip.Sum, rec)
		l.tip.Seq = rec.seq()
		copy(rec[sumOff:], l.tip.Sum[:])
		seal(rec, n, l.active.crcSeed)
		l.active.note(l.tip.Seq, l.off+int64(used))
		used += size
		n++
	}
	return buf[:used], n
}

// roll begins the next prepared segment. Its start block becomes durable with its first records.
func (l *Log) roll(first uint64) error {
	l.mu.Lock()
	if len(l.ready) == 0 {
		l.mu.Unlock()
		return fmt.Errorf("no segment is prepared for sequence %d", first) // place would not have accepted it
	}
	next := l.ready[0]
	l.ready = append([]*segment(nil), l.ready[1:]...)
	l.room.entered--
	next.start = start{first: first, prev: l.tip.Sum}
	l.segs = append(l.segs, next)
	l.wakePreparer()
	l.mu.Unlock()
	l.active, l.off = next, headerSize
	if err := writeFull(next.file, next.start.encode(next.crcSeed), startOff); err != nil {
		return fmt.Errorf("write %s: %w", segName(next.number), err)
	}
	return nil
}

// publish makes what was just synced visible.
func (l *Log) publish(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pos = l.tip
	l.durable.Store(l.pos.Seq)
	l.syncs++
	l.lastSync = took
}

func (l *Log) mono() time.Duration {
	if l.cfg.Mono == nil {
		return 0
	}
	return l.cfg.Mono()
}
