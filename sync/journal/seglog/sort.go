package seglog

import (
	"errors"
	"fmt"

	"yipiao/sync/journal"
)

// readHeaders reads label and start block of every segment. A segment without a good label keeps
// size 0, one without a good start block keeps first 0.
func (r *recovery) readHeaders() error {
	buf := make([]byte, headerSize)
	for _, s := range r.all {
		clear(buf)
		if _, err := readUpTo(s.file, buf, 0); err != nil {
			return fmt.Errorf("read %s: %w", segName(s.number), err)
		}
		h, err := decodeLabel(buf)
		if errors.Is(err, errVersion) {
			return fmt.Errorf("%s: %w", segName(s.number), err)
		}
		if err != nil || h.number != s.number {
			r.cut(s.number, ReasonHeader, 0)
			continue
		}
		if h.epoch != r.cfg.Epoch {
			return fmt.Errorf("%w: %s is of epoch %d, not %d", ErrEpoch, segName(s.number), h.epoch, r.cfg.Epoch)
		}
		s.label, s.crcSeed = h, seedCRC(h.seed)
		s.start, _ = decodeStart(buf[startOff:], s.crcSeed)
	}
	return nil
}

// sort tells begun from blank segments and looks for holes between them.
func (r *recovery) sort() error {
	tail := len(r.all) - 1
	for tail >= 0 && (r.all[tail].size == 0 || r.all[tail].first == 0) {
		tail--
	}
	for i, s := range r.all[:tail+1] {
		switch {
		case s.size == 0:
			r.damage(s.number, 0, 0, ReasonHeader)
			continue
		case s.first == 0 || i > 0 && s.first <= r.all[i-1].first:
			r.damage(s.number, startOff, 0, ReasonHeader)
			continue
		case i > 0 && s.number != r.all[i-1].number+1:
			r.damage(s.number-1, 0, 0, ReasonGap)
		}
		r.begun = append(r.begun, s)
	}
	r.blank = append(r.blank, r.all[tail+1:]...)
	r.spoilt = len(r.blank)
	r.sortBlank(tail)
	return nil
}

// sortBlank finds the first blank segment that cannot be the next one.
func (r *recovery) sortBlank(tail int) {
	want := uint64(1)
	if tail >= 0 {
		want = r.all[tail].number + 1
	}
	for i, s := range r.blank {
		switch {
		case s.size == 0:
			r.damage(s.number, 0, 0, ReasonHeader)
			r.spoil(i, true)
		case s.number != want:
			r.damage(want, 0, 0, ReasonGap)
			r.spoil(i, true)
		}
		want = s.number + 1
	}
}

// spoil marks the blank segments from i on as not usable; keep says that they may hold records.
func (r *recovery) spoil(i int, keep bool) {
	r.spoilt = min(r.spoilt, i)
	r.aside = r.aside || keep
}

// readTail walks the last begun segment to the end of the log.
func (r *recovery) readTail() error {
	r.end = journal.Pos{Epoch: r.cfg.Epoch}
	if len(r.begun) == 0 {
		return nil
	}
	s := r.begun[len(r.begun)-1]
	buf := make([]byte, s.size)
	n, err := readUpTo(s.file, buf, 0)
	if err != nil {
		return fmt.Errorf("read %s: %w", segName(s.number), err)
	}
	r.short = int64(n) < s.size
	r.tail = newScan(s, buf, r.chain)
	why := r.tail.run()
	r.end = r.tail.pos
	r.report.Checked += r.tail.records
	if why == ReasonNone && r.short {
		why = ReasonTorn
	}
	switch {
	case why == ReasonNone:
	case why == ReasonSeq || why == ReasonChain || r.tail.durableBehind():
		r.damage(s.number, r.tail.off, r.end.Seq+1, why)
		r.saves = true
	default:
		r.report.Reason, r.report.Segment = why, s.number
		r.report.Offset, r.report.Dropped = r.tail.off, r.tail.dropped()
	}
	return nil
}

// cut notes that a segment is not as it was made. It gets its name when all of it is durable, so no power
// cut does that; nothing in it may have been acknowledged, but nobody can tell any more.
func (r *recovery) cut(number uint64, why Reason, off int64) {
	if r.report.Reason == ReasonNone {
		r.report.Reason, r.report.Segment, r.report.Offset = why, number, off
	}
}

// readBlank looks for what a first batch may have left in the segment after the last one, and for
// what must not be in those further on.
func (r *recovery) readBlank() error {
	for i, s := range r.blank[:r.spoilt] {
		buf := make([]byte, headerSize)
		if i == 0 {
			buf = make([]byte, s.size)
		}
		n, err := readUpTo(s.file, buf, 0)
		if err != nil {
			return fmt.Errorf("read %s: %w", segName(s.number), err)
		}
		dirty := int64(lastNonZero(buf[startOff:]))
		switch {
		case n < len(buf) && dirty == 0:
			r.cut(s.number, ReasonTorn, int64(n))
			r.spoil(i, false)
		case dirty == 0:
		case i > 0 || r.tailCut() || durableBehind(buf, headerSize, r.end.Seq+1, s.crcSeed):
			r.damage(s.number, startOff, r.end.Seq+1, ReasonHeader)
			r.spoil(i, true)
		default:
			r.dirty = s
			r.report.Reason, r.report.Segment = ReasonTorn, s.number
			r.report.Offset, r.report.Dropped = startOff, dirty
		}
		if s.size != r.cfg.SegmentSize {
			r.spoil(i, false)
		}
	}
	return nil
}

// tailCut reports whether something was cut off the last begun segment. All of it was durable
// before anything was written behind it.
func (r *recovery) tailCut() bool { return r.report.Reason != ReasonNone || r.saves }

func newScan(s *segment, buf []byte, chain *chainer) scan {
	return scan{
		buf: buf, crcSeed: s.crcSeed, chain: chain, off: headerSize, note: s.note,
		pos: journal.Pos{Epoch: s.epoch, Seq: s.first - 1, Sum: s.prev},
	}
}
