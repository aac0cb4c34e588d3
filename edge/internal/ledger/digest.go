package ledger

import (
	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
)

// Digests returns the custody digest of every session (sync.md section 5), with the number of tickets
// in each. It is exact for a journal position only while nothing is decided; compare End before and after.
func (l *Ledger) Digests() map[ticket.SessionID]SessionDigest {
	sums := make(map[ticket.SessionID]*SessionDigest)
	for s := range l.x.All() {
		l.x.Lock(s)
		r := l.x.Row(s)
		known, id, session, used, standing := r.Has(index.Known), r.ID, l.session(r), r.Used, l.standing(r)
		l.x.Unlock(s)
		if !known || id == 0 {
			continue
		}
		d := sums[session]
		if d == nil {
			d = &SessionDigest{}
			sums[session] = d
		}
		d.Tickets++
		d.Used += int(used)
		d.Digest.Add(standing)
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

func (l *Ledger) standing(r *index.Row) ticket.Standing {
	s := ticket.Standing{Ticket: r.ID, Ver: r.Ver, Gen: r.Gen, Hand: r.Hand, Used: r.Used, Inside: r.Has(index.Inside)}
	if r.Has(index.Holds) {
		s.Holder = l.cfg.Self
	}
	return s
}
