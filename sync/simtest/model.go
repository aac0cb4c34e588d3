package simtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"sync"

	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A Tally counts what a simulation has seen.
type Tally struct {
	Events, Stations, Asks, Entries, Refunds, Crashes, Uploads, Repeats int
}

// A promise is what was promised about one ticket, and what really became of it.
type promise struct {
	id      ticket.TicketID
	at      *place
	session *ticket.Session
	max     uint16
	payload string
	sold    bool
	ver     uint64 // changes by the cloud

	walked   int // who has gone in with it, less those taken back
	opening  int // gates open for it at this moment
	refunded bool
	// loose tickets were at a machine that was declared lost: every use beyond is flagged, not prevented.
	loose, unflagged bool
	// sent and back are the newest generations that were sent to a station, and taken back unsent.
	sent, back uint32
}

// A book is the model's side of one journal epoch of a station.
type book struct {
	audit   *audit
	entries []journal.Record // by sequence, as appended and not lost
	newest  uint64           // that somebody was told of
	gates   map[uint64]bool  // grants at whose gate somebody stands
	said    map[ticket.Nonce]ticket.Verdict
	stored  uint64 // by the cloud
	durable uint64 // as the cloud has said
	lost    bool   // with its machine
}

// A model is the reference beside the real thing. Its methods are called at instants of one actor.
type model struct {
	w        *world
	sessions []*ticket.Session
	key      ed25519.PrivateKey

	mu      sync.Mutex // guards the fields below
	tickets []*promise // by number, from 1
	books   map[bookKey]*book
}

type bookKey struct {
	station ticket.StationID
	epoch   uint32
}

func newModel(w *world) *model {
	m := &model{w: w, books: make(map[bookKey]*book)}
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = byte(w.seed)
	m.key = ed25519.NewKeyFromSeed(seed)
	now := w.began.UnixMilli()
	const hour = 3600_000
	for i, re := range []ticket.Reentry{ticket.ReentryNone, ticket.ReentryFree, ticket.ReentryAfterExit} {
		m.sessions = append(m.sessions, &ticket.Session{
			ID: ticket.SessionID(i + 1), Code: ticket.SessionCode(fmt.Sprintf("1101010010120261125%02d", i+1)), Type: "1001",
			Name: "样例话剧", Hall: 1, HallName: "一厅", StartMs: now, EndMs: now + 9*hour, AdmitFromMs: now - 2*hour,
			AdmitToMs: now + 8*hour, Status: ticket.SessionPlanned, Mode: ticket.CheckModeLAN, Reentry: re,
			SignedEntry: i == int(w.seed%5), // in some seeds one of them admits on the signature (R9)
		})
	}
	return m
}

// open opens the book of a machine's journal.
func (m *model) open(p *place) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.books[bookKey{p.peer.Station, p.box.Load().epoch}] = &book{
		audit: newAudit(m.max), gates: make(map[uint64]bool), said: make(map[ticket.Nonce]ticket.Verdict),
	}
}

// tell puts what is no ticket into a station's feed.
func (m *model) tell(p *place) {
	pub, _ := m.key.Public().(ed25519.PublicKey)
	m.w.cloud.PutSignKey(p.peer, ticket.SignKey{ID: 1, Alg: "Ed25519", Public: pub})
	m.w.cloud.PutGateGroup(p.peer, ticket.GateGroup{ID: ticket.GateGroupID(p.number), Hall: 1, HallName: "一厅", Name: "门", Home: p.peer.Station})
	for _, s := range m.sessions {
		m.w.cloud.PutSession(p.peer, *s)
	}
}

func (m *model) book(s ticket.StationID, epoch uint32) *book { return m.books[bookKey{s, epoch}] }

func (m *model) max(id ticket.TicketID) uint16 { return m.tickets[id-1].max }

func (m *model) ticket(id ticket.TicketID) *promise {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tickets[id-1]
}

func (m *model) home(id ticket.TicketID) link.Peer { return m.ticket(id).at.peer }

// wrote: facts were appended at a station.
func (m *model) wrote(p *place, epoch uint32, last uint64, recs []journal.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.book(p.peer.Station, epoch)
	for i := range recs {
		seq := last - uint64(len(recs)-1-i)
		if seq != uint64(len(b.entries))+1 {
			m.w.fail("station %d: fact %d is appended behind %d", p.number, seq, len(b.entries))
			return
		}
		kept := recs[i]
		kept.Body = bytes.Clone(kept.Body) // it belongs to the caller
		b.entries = append(b.entries, kept)
		if err := b.audit.read(seq, &recs[i]); err != nil {
			m.w.fail("journal of station %d: %w", p.number, err)
		}
	}
}

// crashed: what was not durable is gone, and nobody may have been told of it (I3).
func (m *model) crashed(p *place) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.w.tally.Crashes++
	found := p.box.Load()
	b, end := m.book(p.peer.Station, found.epoch), found.log.End()
	if b.newest > end {
		m.w.fail("station %d has told fact %d, and lost it: the journal ends at %d (I3)", p.number, b.newest, end)
	}
	if b.durable > end {
		m.w.fail("station %d has uploaded fact %d, and lost it: the journal ends at %d (I3)", p.number, b.durable, end)
	}
	b.entries = b.entries[:end]
	b.audit = newAudit(m.max)
	for i := range b.entries {
		if err := b.audit.read(uint64(i)+1, &b.entries[i]); err != nil {
			m.w.fail("journal of station %d after a crash: %w", p.number, err)
		}
	}
}

// told reports whether somebody who was let in by a grant will say how it ends.
func (m *model) told(p *place, epoch uint32, grant uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.book(p.peer.Station, epoch).gates[grant]
}

// answered: somebody was told an answer; where it admits, they may go in (I1, I2).
func (m *model) answered(l *life, tk *promise, q *replicamem.Request, a *replicamem.Answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, b := m.w, m.book(l.at.peer.Station, l.epoch)
	w.tally.Asks++
	if !q.Nonce.IsZero() && a.Seq != 0 {
		if before, ok := b.said[q.Nonce]; ok && before != a.Verdict {
			w.fail("station %d has answered one nonce with %s and with %s (R12)", l.at.number, before.Reason, a.Verdict.Reason)
		}
		b.said[q.Nonce] = a.Verdict
	}
	if a.Seq != 0 && (!q.Nonce.IsZero() || a.Verdict.Outcome() != ticket.OutcomeRefuse) {
		b.newest = max(b.newest, a.Seq) // only a refusal at a lane's own scanner may be lost
	}
	if a.Verdict.Outcome() != ticket.OutcomeAdmit {
		return
	}
	if tk.refunded && !tk.loose {
		w.fail("ticket %d was refunded, and station %d admits it (I2)", tk.id, l.at.number)
	}
	if q.Gated {
		tk.opening++
		b.gates[a.Seq] = true
	}
}

// walks: somebody goes in, or stays out at an open gate.
func (m *model) walks(l *life, tk *promise, a *replicamem.Answer, gated, in bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if gated {
		tk.opening--
	}
	if !in {
		return
	}
	tk.walked++
	m.w.tally.Entries++
	if tk.walked > int(tk.max) && !tk.loose {
		m.w.fail("ticket %d has let in %d, allowed are %d; the last one at station %d by fact %d (I1)", tk.id, tk.walked, tk.max, l.at.number, a.Seq)
	}
	if tk.refunded && !tk.loose {
		m.w.fail("ticket %d was refunded, and somebody goes in with it at station %d (I2)", tk.id, l.at.number)
	}
}

// stays: an entry is being taken back, and nobody has gone in (-1); or it was not taken back (1).
func (m *model) stays(tk *promise, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tk.walked += n
	if tk.walked > int(tk.max) && !tk.loose {
		m.w.fail("ticket %d has let in %d, allowed are %d: an entry was taken back and was not (I1)", tk.id, tk.walked, tk.max)
	}
}

// unclear: the machine that knew whether an entry was taken back is gone.
func (m *model) unclear(tk *promise) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tk.loose = true
}

// changed: the cloud has changed a ticket's right, or refused to.
func (m *model) changed(what string, id ticket.TicketID, err error) {
	if err != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	tk := m.tickets[id-1]
	tk.ver++
	switch what {
	case "take back":
		row, e := m.w.cloud.Row(context.Background(), tenant, id)
		if e == nil {
			tk.back = row.Right.Gen
		}
		if tk.sent >= tk.back && !tk.loose {
			m.w.fail("ticket %d: generation %d was sent, and is taken back (R2)", id, tk.back)
		}
	case string(ticket.StatusRefunded):
		tk.refunded = true
		m.w.tally.Refunds++
		if tk.walked+tk.opening > 0 && !tk.loose {
			m.w.fail("ticket %d is refunded: %d went in with it, %d gates are open for it (I2)", id, tk.walked, tk.opening)
		}
	}
}

// served: a page is on its way to a station.
func (m *model) served(f link.Peer, s hub.Span, entries []wire.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := s.After
	for i := range entries {
		e := &entries[i]
		if e.Pos <= last || e.Pos > s.UpTo {
			m.w.fail("page (%d,%d] of %s has position %d behind %d", s.After, s.UpTo, f.Station, e.Pos, last)
		}
		last = e.Pos
		var t ticket.Ticket
		if e.Kind != wire.KindTicket || e.DecodeBody(&t) != nil || t.Entry.Custody == ticket.CustodyCloud {
			continue
		}
		tk := m.tickets[t.ID-1]
		tk.sent = max(tk.sent, t.Entry.Gen)
		if t.Entry.Gen <= tk.back && t.Entry.Custody == ticket.CustodyGranted {
			m.w.fail("ticket %d: generation %d was taken back as unsent, and is sent (R2)", t.ID, t.Entry.Gen)
		}
	}
}
