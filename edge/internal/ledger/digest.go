package ledger

import "yipiao/sync/ticket"

// Digests returns the custody digest of every session (sync.md section 5), with the number of tickets
// in each. It is exact for a journal position only while nothing is decided; compare End before and after.
func (l *Ledger) Digests() map[ticket.SessionID]SessionDigest {
	l.mu.RLock()
	rows := make([]*row, 0, len(l.rows))
	for _, r := range l.rows {
		rows = append(rows, r)
	}
	l.mu.RUnlock()
	sums := make(map[ticket.SessionID]*SessionDigest)
	for _, r := range rows {
		r.mu.Lock()
		t, h := r.t, r.held
		r.mu.Unlock()
		if t == nil {
			continue
		}
		d := sums[t.Session]
		if d == nil {
			d = &SessionDigest{}
			sums[t.Session] = d
		}
		d.Tickets++
		d.Used += int(h.Used)
		d.Digest.Add(l.standing(t, h))
	}
	out := make(map[ticket.SessionID]SessionDigest, len(sums))
	for id, d := range sums {
		out[id] = *d
	}
	return out
}

// A SessionDigest is the digest of a session's tickets with two plain figures to read.
type SessionDigest struct {
	Digest  ticket.Digest
	Tickets int
	Used    int // uses of all rights together
}

func (l *Ledger) standing(t *ticket.Ticket, h ticket.Held) ticket.Standing {
	s := ticket.Standing{Ticket: t.ID, Ver: t.Ver, Gen: h.Gen, Hand: t.Entry.Hand, Used: h.Used, Inside: h.Inside}
	if h.Holds {
		s.Holder = l.cfg.Self
	}
	return s
}
