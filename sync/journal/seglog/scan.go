package seglog

import "yipiao/sync/journal"

// scan walks the records of one segment held in memory.
type scan struct {
	buf     []byte // the whole segment
	crcSeed uint32
	chain   *chainer

	off     int64       // behind the last good record
	pos     journal.Pos // of the last good record
	records int
	note    func(seq uint64, off int64) // told of every good record
}

// run advances to the first place that is not the next record, and says why. ReasonNone means that
// only zeros follow.
func (s *scan) run() Reason {
	for {
		rec, why := decodeRecord(s.buf[s.off:], s.crcSeed)
		if why != ReasonNone {
			return s.refine(why)
		}
		if rec.seq() != s.pos.Seq+1 {
			return ReasonSeq
		}
		sum := s.chain.next(s.pos.Sum, rec)
		if sum != rec.sum() {
			return ReasonChain
		}
		s.note(rec.seq(), s.off)
		s.pos.Seq, s.pos.Sum = rec.seq(), sum
		s.off += int64(len(rec))
		s.records++
	}
}

// refine tells a record written in part, as a power cut leaves it, from a whole one that changed.
func (s *scan) refine(why Reason) Reason {
	rest := s.buf[s.off:]
	written := lastNonZero(rest)
	switch {
	case written == 0:
		return ReasonNone
	case why == ReasonLength && written < recordHead:
		return ReasonTorn
	case why == ReasonCRC:
		rec, _ := frameRecord(rest)
		if written < rec.length() || hasZeroSector(s.buf, s.off, s.off+int64(rec.length())) {
			return ReasonTorn
		}
	}
	return why
}

// dropped is how many bytes from the cut on are not zero, up to the last such byte.
func (s *scan) dropped() int64 { return int64(lastNonZero(s.buf[s.off:])) }

// durableBehind reports whether a record behind the cut proves that the record at the cut was
// durable once: its batch began later, and a batch is only written when all before it is synced.
// Without such a proof what lies there was written together with the lost record and never
// acknowledged.
func (s *scan) durableBehind() bool { return durableBehind(s.buf, s.off, s.pos.Seq+1, s.crcSeed) }

func durableBehind(buf []byte, off int64, cut uint64, crcSeed uint32) bool {
	const farthest = MaxSegmentSize / recordHead
	for off+recordHead <= int64(len(buf)) {
		if seq := record(buf[off:]).seq(); seq <= cut || seq-cut > farthest {
			off += align
			continue
		}
		rec, why := decodeRecord(buf[off:], crcSeed)
		if why != ReasonNone {
			off += align
			continue
		}
		if rec.batch() > cut {
			return true
		}
		off += int64(len(rec))
	}
	return false
}

// lastNonZero returns the length of b without the zeros at its end.
func lastNonZero(b []byte) int {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return n
}

// hasZeroSector reports whether a whole sector within buf[from:to] is zero.
func hasZeroSector(buf []byte, from, to int64) bool {
	for at := (from + sectorSize - 1) / sectorSize * sectorSize; at+sectorSize <= to; at += sectorSize {
		if lastNonZero(buf[at:at+sectorSize]) == 0 {
			return true
		}
	}
	return false
}
