package seglog

import (
	"encoding/binary"
	"fmt"
	"sort"

	"yipiao/sync/journal"
)

const (
	minWindow = 8 << 10
	maxWindow = 256 << 10

	perRecord    = 256 // guess of a record's size, to choose how much to read at once
	guessEntries = 512 // most entries to make room for before they are read
)

// Read is journal.Log's. A sequential reader costs one read of the file per call or per 256 KiB;
// Read checks CRC and sequence number of what it returns (Verify checks the chain, too) and answers
// ErrDamaged where they are wrong.
func (l *Log) Read(from uint64, n, maxBytes int) ([]journal.Entry, error) {
	l.files.RLock()
	defer l.files.RUnlock()
	from = max(from, 1)
	r, err := l.reader(from)
	if err != nil || n <= 0 || from > r.upTo {
		return nil, err
	}
	w := l.windows.Get().(*window)
	defer l.windows.Put(w)
	w.buf = w.buf[:0]
	w.want = max(minWindow, min(n, maxWindow/perRecord)*perRecord)
	r.window = w
	return r.read(from, n, maxBytes)
}

// reader walks the records of one Read.
type reader struct {
	epoch uint32
	segs  []*segment
	upTo  uint64 // last durable

	at     int    // index of the segment
	off    int64  // of the next record in it
	seq    uint64 // of the next record
	noted  int64  // offset from which the next place is worth remembering
	window *window
}

// window is a part of a segment in memory.
type window struct {
	buf  []byte
	base int64 // offset of buf in the segment
	want int   // how much to read at once
}

func (l *Log) reader(from uint64) (*reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil {
		return nil, err
	}
	r := &reader{epoch: l.cfg.Epoch, segs: l.segs, upTo: l.pos.Seq}
	if from > r.upTo {
		return r, nil
	}
	r.at = sort.Search(len(r.segs), func(i int) bool { return r.segs[i].first > from }) - 1
	if r.at < 0 {
		return nil, fmt.Errorf("%w: %d", journal.ErrTrimmed, from)
	}
	m := r.segs[r.at].seek(from)
	r.seq, r.off = m.seq, m.off
	return r, nil
}

func (r *reader) read(from uint64, n, maxBytes int) ([]journal.Entry, error) {
	guess := min(uint64(n), r.upTo-from+1, guessEntries)
	entries := make([]journal.Entry, 0, guess)
	bodies := make([]byte, 0, max(0, min(maxBytes, int(guess)*(perRecord-recordHead)/2)))
	for r.seq <= r.upTo && len(entries) < n {
		rec, err := r.next(r.seq >= from)
		if err != nil {
			return nil, err
		}
		if rec.seq() < from {
			continue
		}
		if len(entries) > 0 && len(bodies)+len(rec.body()) > maxBytes {
			break
		}
		bodies = append(bodies, rec.body()...)
		entries = append(entries, rec.entry(r.epoch))
	}
	// The bodies have moved while they grew, so they are handed out only now.
	for i := range entries {
		k := len(entries[i].Body)
		entries[i].Body = bodies[:k:k]
		bodies = bodies[k:]
	}
	return entries, nil
}

// next returns the record r.seq, in the window, and goes on behind it; check says to compare its CRC.
func (r *reader) next(check bool) (record, error) {
	for {
		s := r.segs[r.at]
		rec, why, err := r.frame(s)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", segName(s.number), err)
		}
		if why == ReasonZero && r.at+1 < len(r.segs) && r.segs[r.at+1].first == r.seq {
			r.at, r.off, r.noted = r.at+1, headerSize, 0
			r.window.buf = r.window.buf[:0]
			continue
		}
		if why == ReasonNone && check && binary.LittleEndian.Uint32(rec[4:]) != recordCRC(rec, s.crcSeed) {
			why = ReasonCRC
		}
		if why == ReasonNone && rec.seq() != r.seq {
			why = ReasonSeq
		}
		if why != ReasonNone {
			return nil, fmt.Errorf("%w: %s", ErrDamaged, Damage{Segment: s.number, Offset: r.off, Seq: r.seq, Reason: why})
		}
		if r.off >= r.noted {
			s.note(r.seq, r.off)
			r.noted = r.off + markEvery
		}
		r.off += int64(len(rec))
		r.seq++
		return rec, nil
	}
}

// frame returns the record at r.off by its length, reading more of the file where the window ends.
// ReasonZero says that the segment has no more records.
func (r *reader) frame(s *segment) (record, Reason, error) {
	if s.size-r.off < recordHead {
		return nil, ReasonZero, nil
	}
	b, err := r.window.hold(s, r.off, recordHead)
	if err != nil {
		return nil, ReasonNone, err
	}
	size := recordHead
	if n := record(b).length(); n > recordHead && n <= recordHead+journal.MaxBody {
		size = recordSize(n - recordHead)
	}
	if s.size-r.off < int64(size) {
		return nil, ReasonLength, nil
	}
	if len(b) < size {
		if b, err = r.window.hold(s, r.off, size); err != nil {
			return nil, ReasonNone, err
		}
	}
	rec, why := frameRecord(b)
	return rec, why, nil
}

// hold returns at least size bytes of s from off on, as zeros where the file is too short.
func (w *window) hold(s *segment, off int64, size int) ([]byte, error) {
	if at := off - w.base; at >= 0 && at+int64(size) <= int64(len(w.buf)) {
		return w.buf[at:], nil
	}
	room := int(min(int64(max(w.want, size)), s.size-off))
	if room > cap(w.buf) {
		w.buf = make([]byte, room)
	}
	w.buf, w.base = w.buf[:room], off
	n, err := readUpTo(s.file, w.buf, off)
	clear(w.buf[n:])
	return w.buf, err
}
