package ledger

import (
	"sync"
	"sync/atomic"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
)

// lock returns the locked row of a ticket, or a nil row. Whoever gets a row unlocks its slot.
func (l *Ledger) lock(id ticket.TicketID) (index.Slot, *index.Row) {
	for {
		s := l.x.Find(id)
		if s == 0 {
			return 0, nil
		}
		l.x.Lock(s)
		if r := l.x.Row(s); r.ID == id {
			return s, r
		}
		l.x.Unlock(s) // purged, and its slot given to another ticket, in between
	}
}

// obtain is lock, making a row where there is none.
func (l *Ledger) obtain(id ticket.TicketID) (index.Slot, *index.Row) {
	for {
		s, _ := l.x.Obtain(id)
		l.x.Lock(s)
		if r := l.x.Row(s); r.ID == id {
			return s, r
		}
		l.x.Unlock(s)
	}
}

// held is what the station holds of a row's right. The row is locked.
func (l *Ledger) held(r *index.Row) ticket.Held {
	return ticket.Held{
		Gen: r.Gen, Holds: r.Has(index.Holds), Recalling: r.Has(index.Recalling), Used: r.Used,
		Inside: r.Has(index.Inside), Passage: ticket.Passage(r.Passage), LastMs: r.LastMs, LastAt: l.x.Lanes.Name(r.Lane),
	}
}

func (l *Ledger) setHeld(r *index.Row, h ticket.Held) {
	r.Gen, r.Used, r.Passage, r.LastMs = h.Gen, h.Used, uint8(h.Passage), h.LastMs
	r.Set(index.Holds, h.Holds)
	r.Set(index.Recalling, h.Recalling)
	r.Set(index.Inside, h.Inside)
	if h.LastAt != l.x.Lanes.Name(r.Lane) {
		r.Lane = l.x.Lanes.Number(h.LastAt)
	}
}

// session is the session of a row, 0 for none.
func (l *Ledger) session(r *index.Row) ticket.SessionID { return l.x.Sessions.ID(r.Session) }

// view fills out with what a decision needs of a row, and reports whether the feed's entry is here.
// What only people read (seat, holder, code, order) stays in the catalogue.
func (l *Ledger) view(r *index.Row, out *ticket.Ticket) bool {
	if !r.Has(index.Known) {
		return false
	}
	*out = ticket.Ticket{
		ID: r.ID, Session: l.session(r), Group: r.Group, Ver: r.Ver, Type: r.Type(), Status: r.Status(),
		Cred: r.Cred, CredHash: r.CredHash, Entry: ticket.Right{Gen: r.Gen, Hand: r.Hand, Max: r.Max},
	}
	return true
}

// fold folds a fact into a locked row and keeps the session's figures right.
func (l *Ledger) fold(r *index.Row, kind ticket.FactKind, f *ticket.Fact, ms int64) {
	if r.Session == 0 && f.Session != 0 {
		r.Session = l.x.Sessions.Number(f.Session)
	}
	before := l.held(r)
	after := before.Fold(kind, f, ms)
	l.setHeld(r, after)
	l.figures.moved(r.Session, before, after)
}

// counts are a session's running figures.
type counts struct {
	tickets atomic.Int64 // rows that the feed knows
	entered atomic.Int64 // tickets used at least once
	inside  atomic.Int64
}

// figures are the counts by number of session. They are safe for concurrent use.
type figures struct {
	mu sync.RWMutex
	by []*counts
}

func (g *figures) of(session uint16) *counts {
	g.mu.RLock()
	if int(session) < len(g.by) {
		defer g.mu.RUnlock()
		return g.by[session]
	}
	g.mu.RUnlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.by) <= int(session) {
		g.by = append(g.by, &counts{})
	}
	return g.by[session]
}

// moved brings the change of one right into its session's figures.
func (g *figures) moved(session uint16, before, after ticket.Held) {
	entered, inside := use(after)-use(before), bit(after.Inside)-bit(before.Inside)
	if entered == 0 && inside == 0 {
		return
	}
	c := g.of(session)
	c.entered.Add(entered)
	c.inside.Add(inside)
}

func use(h ticket.Held) int64 { return bit(h.Used > 0) }

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
