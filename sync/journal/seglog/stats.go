package seglog

import "time"

// Stats is the state of a log at one moment.
type Stats struct {
	First   uint64 // oldest kept sequence number; End+1 when there is none
	End     uint64 // last appended
	Durable uint64 // last durable

	Segments int   // with records
	Prepared int   // made ahead and not begun
	Bytes    int64 // size of all segment files
	Free     int64 // bytes of records that Append can still take, by the last measurement of the disk
	Low      bool  // Free is less than Config.LowBytes

	Syncs    uint64        // since Open
	LastSync time.Duration // of the last batch; 0 without Config.Mono
	Failed   error         // nil, or what ended the log; wraps journal.ErrFailed
}

// Stats returns the state without touching the disk.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats()
}

// stats is Stats. mu is held.
func (l *Log) stats() Stats {
	s := Stats{
		First: l.end + 1, End: l.end, Durable: l.pos.Seq,
		Segments: len(l.segs), Prepared: len(l.ready), Bytes: l.total, Free: l.free(),
		Syncs: l.syncs, LastSync: l.lastSync, Failed: l.failed,
	}
	if len(l.segs) > 0 {
		s.First = l.segs[0].first
	}
	s.Low = s.Free < l.cfg.LowBytes
	return s
}
