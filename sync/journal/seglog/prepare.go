package seglog

import (
	"errors"
	"fmt"
)

// runPreparer keeps segments prepared until the log stops.
func (l *Log) runPreparer() {
	defer l.tasks.Done()
	for {
		select {
		case <-l.stop:
			return
		case <-l.poke:
			l.fill(l.cfg.Ahead)
		}
	}
}

func (l *Log) wakePreparer() {
	select {
	case l.poke <- struct{}{}:
	default:
	}
}

// fill prepares what is missing to ahead segments, as far as disk and limit allow, and announces
// low space.
func (l *Log) fill(ahead int) {
	l.prep.Lock()
	defer l.prep.Unlock()
	for {
		free, err := l.cfg.FS.Free(l.cfg.Dir)
		if err != nil {
			err = fmt.Errorf("free space of %s: %w", l.cfg.Dir, err)
		}
		number, want := l.measured(free, err, ahead)
		if !want {
			break
		}
		seg, err := makeSegment(&l.cfg, number, l.stop)
		if err != nil {
			l.notPrepared(err)
			break
		}
		l.mu.Lock()
		l.ready = append(l.ready, seg)
		l.last = number
		l.total += seg.size
		l.prepErr = nil
		l.mu.Unlock()
	}
	l.announce()
}

// firstFill makes an opened log able to append: a new one gets all its segments, an old one at least
// the next. Only a log with nowhere to write at all is an error.
func (l *Log) firstFill() error {
	ahead := 1
	if l.active == nil {
		ahead = l.cfg.Ahead
	}
	l.fill(ahead)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active == nil && len(l.ready) == 0 {
		return l.full()
	}
	return nil
}

// measured takes in what the disk has and returns the number of the segment to prepare, if one is
// wanted and possible.
func (l *Log) measured(free int64, err error, ahead int) (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.disk = free
	l.prepErr = err
	if err != nil || l.refusal() != nil || len(l.ready) >= ahead {
		return 0, false
	}
	return l.last + 1, l.extra() > 0
}

func (l *Log) notPrepared(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !errors.Is(err, errStopped) {
		l.prepErr = err
	}
}

func (l *Log) announce() {
	l.mu.Lock()
	low := l.free() < l.cfg.LowBytes
	changed := low != l.low
	l.low = low
	l.mu.Unlock()
	if changed && l.cfg.OnLow != nil {
		l.cfg.OnLow(low)
	}
}

// extra is how many more segments disk and limit allow. mu is held.
func (l *Log) extra() int64 {
	n := max(0, l.disk-l.cfg.KeepFree) / l.cfg.SegmentSize
	if l.cfg.MaxBytes > 0 {
		n = min(n, max(0, l.cfg.MaxBytes-l.total)/l.cfg.SegmentSize)
	}
	return n
}

// free is how many bytes of records Append may still take, now or after preparation. mu is held.
func (l *Log) free() int64 {
	return max(0, l.left(l.room)-l.cfg.Reserve) + l.extra()*(l.cfg.SegmentSize-headerSize)
}

// CheckSpace measures the disk, prepares what is missing and says how things stand. It blocks on
// the disk. Call it from time to time: other programs fill disks, too. The error says why a
// segment could not be prepared; the log goes on with the space it has.
func (l *Log) CheckSpace() (Stats, error) {
	l.fill(l.cfg.Ahead)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil {
		return l.stats(), err
	}
	return l.stats(), l.prepErr
}
