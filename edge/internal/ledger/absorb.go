package ledger

import (
	"strconv"

	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// absorb makes a stored batch count in memory.
func (l *Ledger) absorb(b *batch) {
	l.mu.Lock()
	for _, s := range b.sessions {
		l.putSession(s)
	}
	for _, g := range b.groups {
		l.groups[g.ID] = g
	}
	for _, k := range b.keys {
		l.keys[k.ID] = *k
	}
	for i := range b.aside {
		l.keepAside(&b.aside[i])
	}
	if len(l.aside) > 0 {
		for i := range b.read {
			l.dropAside(&b.read[i])
		}
	}
	l.mu.Unlock()
	for _, t := range b.tickets {
		l.putTicket(t)
	}
	for i := range b.gone {
		l.forget(&b.gone[i])
	}
}

// keepAside remembers an entry that cannot be read, once per key; it needs l.mu.
func (l *Ledger) keepAside(e *wire.Entry) {
	l.dropAside(e)
	ids := named(e)
	l.aside[string(asideKey(e))] = ids
	for _, id := range ids {
		l.unread[id]++
	}
}

// dropAside forgets an entry kept aside, if there is one of that key; it needs l.mu.
func (l *Ledger) dropAside(e *wire.Entry) {
	key := string(asideKey(e))
	for _, id := range l.aside[key] {
		if l.unread[id]--; l.unread[id] <= 0 {
			delete(l.unread, id)
		}
	}
	delete(l.aside, key)
}

// named lists the tickets that an entry kept aside concerns.
func named(e *wire.Entry) []ticket.TicketID {
	if e.Kind == wire.KindTicket {
		if id, err := strconv.ParseUint(e.Key, 10, 64); err == nil {
			return append([]ticket.TicketID{ticket.TicketID(id)}, e.Tickets...)
		}
	}
	return e.Tickets
}

// putSession needs l.mu.
func (l *Ledger) putSession(s *sessionEntry) {
	l.sessions[s.S.ID] = &session{s: s.S, pos: s.Pos}
}

func (l *Ledger) putTicket(t *ticket.Ticket) {
	r := l.obtain(t.ID)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.t != nil && r.t.Ver > t.Ver {
		return // an older page that came late
	}
	before := r.held
	if held, kind, _, wait := r.held.Offer(t.Entry); kind == 0 && !wait {
		r.held = held
	}
	if r.t == nil {
		l.countsOf(t.Session).tickets.Add(1)
	}
	r.t = t
	l.count(t.Session, before, r.held)
}

func (l *Ledger) forget(e *wire.Entry) {
	l.mu.Lock()
	l.dropAside(e)
	l.mu.Unlock()
	id, err := strconv.ParseUint(e.Key, 10, 64)
	if err != nil {
		return
	}
	if e.Kind == wire.KindTicket {
		if r := l.get(ticket.TicketID(id)); r != nil {
			r.mu.Lock()
			if r.t != nil {
				l.countsOf(r.t.Session).tickets.Add(-1)
			}
			r.t = nil
			r.held.Holds = false
			r.mu.Unlock()
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case wire.KindSession:
		delete(l.sessions, ticket.SessionID(id))
	case wire.KindGateGroup:
		delete(l.groups, ticket.GateGroupID(id))
	case wire.KindSignKey:
		delete(l.keys, ticket.KeyID(id))
	case wire.KindTicket:
	}
}
