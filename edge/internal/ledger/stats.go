package ledger

import (
	"context"
	"sort"

	"yipiao/sync/journal"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

var _ replica.Store = (*Ledger)(nil)

// Stats are the figures that pages and `yipiao status` show.
type Stats struct {
	Tickets    int
	Sessions   []SessionStats // in order of start
	Feed       FeedStats
	End        uint64 // last fact in memory
	Durable    uint64 // last fact on the disk
	Acked      uint64 // last fact that the cloud holds
	Folded     uint64 // last fact that the cloud has applied
	Checkpoint uint64 // last fact that the catalogue covers
	Open       int    // passages going on
	Aside      int    // feed entries kept aside
	Syncs      uint64 // of the journal since the start
	Bytes      uint64 // of facts recorded since the start, without record heads
}

// FeedStats say where the station stands in its feed.
type FeedStats struct {
	Epoch    string
	Cursor   uint64
	CaughtUp uint64 // highest cursor at which the feed was read to its head
	Resyncs  uint64 // full resynchronisations
}

// SessionStats are a session with its counts.
type SessionStats struct {
	Session ticket.Session
	Tickets int64
	Entered int64 // tickets used at least once
	Inside  int64
}

// Stats returns the present figures.
func (l *Ledger) Stats() Stats {
	f := l.feedSnapshot()
	st := Stats{
		Feed: FeedStats{f.epoch, f.cursor, f.caughtUp, f.resyncs},
		End:  l.journal.End(), Durable: l.journal.Durable().Seq,
		Acked: l.acked.Load(), Folded: l.folded.Load(), Checkpoint: l.covered.Load(),
	}
	if log, ok := l.journal.(interface{ Stats() seglog.Stats }); ok {
		st.Syncs = log.Stats().Syncs
	}
	st.Bytes = l.bytes.Load()
	l.open.mu.Lock()
	st.Open = len(l.open.bySeq)
	l.open.mu.Unlock()
	l.mu.RLock()
	defer l.mu.RUnlock()
	st.Aside = len(l.aside)
	for id, s := range l.sessions {
		c := l.counted[id]
		one := SessionStats{Session: s.s}
		if c != nil {
			one.Tickets, one.Entered, one.Inside = c.tickets.Load(), c.entered.Load(), c.inside.Load()
		}
		st.Sessions = append(st.Sessions, one)
		st.Tickets += int(one.Tickets)
	}
	sort.Slice(st.Sessions, func(i, j int) bool {
		a, b := st.Sessions[i].Session, st.Sessions[j].Session
		return a.StartMs < b.StartMs || a.StartMs == b.StartMs && a.ID < b.ID
	})
	return st
}

// Groups lists the venue's gate groups by id.
func (l *Ledger) Groups() []ticket.GateGroup {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]ticket.GateGroup, 0, len(l.groups))
	for _, g := range l.groups {
		out = append(out, *g)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// Ticket returns what the station knows of a ticket.
func (l *Ledger) Ticket(id ticket.TicketID) (t ticket.Ticket, h ticket.Held, ok bool) {
	r := l.get(id)
	if r == nil {
		return t, h, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.t != nil {
		t = *r.t
	}
	return t, r.held, true
}

// Journal returns durable facts from a sequence on, for the uploader.
func (l *Ledger) Journal(from uint64, n, maxBytes int) ([]journal.Entry, error) {
	return l.journal.Read(from, n, maxBytes)
}

// Durable is the position of the last durable fact.
func (l *Ledger) Durable() journal.Pos { return l.journal.Durable() }

// WaitDurable returns nil once the fact seq is durable.
func (l *Ledger) WaitDurable(ctx context.Context, seq uint64) error { return l.durable(ctx, seq) }

// Acked is the last fact that the cloud is known to hold.
func (l *Ledger) Acked() uint64 { return l.acked.Load() }

// SetAcked records what the cloud says it holds. It may be lower than before: a cloud restored to an
// earlier time asks again.
func (l *Ledger) SetAcked(a wire.Ack) {
	l.acked.Store(a.Durable)
	l.folded.Store(a.Folded)
}
