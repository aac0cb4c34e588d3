package ledger

import (
	"context"
	"sort"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/journal"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

var _ replica.Store = (*Ledger)(nil)

// Stats are the figures that pages and `yipiao status` show.
type Stats struct {
	Tickets      int
	Sessions     []SessionStats // in order of start
	Feed         FeedStats
	End          uint64 // last fact in memory
	Durable      uint64 // last fact on the disk
	Acked        uint64 // last fact that the cloud holds
	Folded       uint64 // last fact that the cloud has applied
	Checkpoint   uint64 // last fact that the catalogue covers
	Snapshot     uint64 // last fact that the snapshot covers
	Open         int    // passages going on
	Aside        int    // feed entries kept aside
	Syncs        uint64 // of the journal since the start
	Bytes        uint64 // of facts recorded since the start, without record heads
	First        uint64 // oldest fact that the journal still has
	JournalBytes int64  // of all segments
	Room         int64  // bytes of facts that can still be recorded, as last measured
	Low          bool   // Room is running out
	Failed       string // what ended the journal; "" while it works
	Memory       int64  // bytes of the index
	Damaged      string // what was found wrong with the catalogue since the start, for technicians
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
	if log, ok := l.journal.(*seglog.Log); ok {
		j := log.Stats()
		st.Syncs, st.First, st.JournalBytes, st.Room, st.Low = j.Syncs, j.First, j.Bytes, j.Free, j.Low
		if j.Failed != nil {
			st.Failed = j.Failed.Error()
		}
	}
	st.Bytes = l.bytes.Load()
	st.Open, st.Snapshot, st.Memory = l.open.len(), l.snap.covered.Load(), l.x.Bytes()
	if err := l.damaged.Load(); err != nil {
		st.Damaged = (*err).Error()
	}
	v := l.venue.Load()
	st.Aside = len(v.aside)
	for id, s := range v.sessions {
		one := SessionStats{Session: s.S}
		c := l.figures.of(l.x.Sessions.Number(id))
		one.Tickets, one.Entered, one.Inside = c.tickets.Load(), c.entered.Load(), c.inside.Load()
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
	groups := l.venue.Load().groups
	out := make([]ticket.GateGroup, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// Hall is the hall of a gate group, 0 for one that is not known.
func (l *Ledger) Hall(id ticket.GateGroupID) ticket.HallID {
	if g := l.venue.Load().groups[id]; g != nil {
		return g.Hall
	}
	return 0
}

// Ticket returns what the station knows of a ticket: t is zero for one that the feed does not have.
func (l *Ledger) Ticket(id ticket.TicketID) (t ticket.Ticket, h ticket.Held, ok bool) {
	slot, r := l.lock(id)
	if r == nil {
		return t, h, false
	}
	known := l.view(r, &t)
	h = l.held(r)
	l.x.Unlock(slot)
	if known {
		l.stored(&t)
	}
	return t, h, true
}

// Find lists tickets by a key of theirs, as hashed by the cloud; the catalogue confirms every hit.
func (l *Ledger) Find(k index.Key, h ticket.Hash) []ticket.TicketID {
	var out []ticket.TicketID
	for _, s := range l.x.Candidates(k, h, nil) {
		l.x.Lock(s)
		id := l.x.Row(s).ID
		l.x.Unlock(s)
		t, known := l.body(id)
		has := map[index.Key]ticket.Hash{index.KeyDocument: t.Doc, index.KeyChip: t.Chip, index.KeyPickup: t.Pickup}
		if known && has[k] == h {
			out = append(out, id)
		}
	}
	return out
}

// FindCredential returns the ticket whose present credential has a hash, 0 for none.
func (l *Ledger) FindCredential(h ticket.Hash) ticket.TicketID {
	s := l.x.FindCredential(h)
	if s == 0 {
		return 0
	}
	l.x.Lock(s)
	defer l.x.Unlock(s)
	if r := l.x.Row(s); r.CredHash == h {
		return r.ID
	}
	return 0
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
