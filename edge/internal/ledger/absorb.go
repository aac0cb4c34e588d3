package ledger

import (
	"strconv"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// absorb makes a stored batch count in memory.
func (l *Ledger) absorb(b *batch) {
	old := l.venue.Load()
	if len(b.sessions)+len(b.groups)+len(b.keys)+len(b.gone)+len(b.aside) > 0 || len(old.aside) > 0 && len(b.read) > 0 {
		v := old.clone()
		v.absorb(b)
		l.venue.Store(v)
	}
	for i, t := range b.tickets {
		var before *ticket.Ticket
		if b.before != nil {
			before = b.before[i]
		}
		l.putTicket(t, before)
	}
	for i := range b.gone {
		l.forget(&b.gone[i], b.left[i])
	}
}

// absorb brings what a batch says of everything but tickets into v.
func (v *venue) absorb(b *batch) {
	for _, s := range b.sessions {
		v.sessions[s.S.ID] = s
	}
	for _, g := range b.groups {
		v.groups[g.ID] = g
	}
	for _, k := range b.keys {
		v.keys[k.ID] = *k
	}
	for i := range b.aside {
		v.keepAside(&b.aside[i])
	}
	for i := range b.read {
		v.dropAside(b.read[i])
	}
	for i := range b.gone {
		e := &b.gone[i]
		v.dropAside(e)
		id, err := strconv.ParseUint(e.Key, 10, 64)
		if err != nil {
			continue
		}
		switch e.Kind {
		case wire.KindSession:
			delete(v.sessions, ticket.SessionID(id))
		case wire.KindGateGroup:
			delete(v.groups, ticket.GateGroupID(id))
		case wire.KindSignKey:
			delete(v.keys, ticket.KeyID(id))
		case wire.KindTicket:
		}
	}
}

// putTicket brings a ticket into the index; before is what the catalogue had of it, nil for none.
func (l *Ledger) putTicket(t, before *ticket.Ticket) {
	slot, r := l.obtain(t.ID)
	defer l.x.Unlock(slot)
	known := r.Has(index.Known)
	if known && r.Ver > t.Ver {
		return // an older page that came late
	}
	had := l.held(r)
	if held, kind, _, wait := offer(had, t.Entry); kind == 0 && !wait {
		l.setHeld(r, held)
	}
	number := l.x.Sessions.Number(t.Session)
	if known && number != r.Session { // moved to another session: it counts there from now on
		l.figures.of(r.Session).tickets.Add(-1)
		l.figures.moved(r.Session, had, ticket.Held{})
		known, had = false, ticket.Held{}
	}
	if !known && r.Session != 0 && r.Session != number {
		l.figures.moved(r.Session, had, ticket.Held{})
		had = ticket.Held{}
	}
	r.Session = number
	if !known {
		l.figures.of(number).tickets.Add(1)
	}
	r.Ver, r.Group, r.Cred, r.Max, r.Hand = t.Ver, t.Group, t.Cred, t.Entry.Max, t.Entry.Hand
	r.SetType(t.Type)
	r.SetStatus(t.Status)
	r.Set(index.Known, true)
	if r.CredHash != t.CredHash {
		l.x.SetCredential(slot, t.CredHash)
	}
	l.relink(slot, before, t)
	l.figures.moved(number, had, l.held(r))
}

// relink moves the keys of a slot from one state of its ticket to the next; either may be nil.
func (l *Ledger) relink(slot index.Slot, before, after *ticket.Ticket) {
	var old, now ticket.Ticket
	if before != nil {
		old = *before
	}
	if after != nil {
		now = *after
	}
	for _, k := range []struct {
		key      index.Key
		old, now ticket.Hash
	}{{index.KeyDocument, old.Doc, now.Doc}, {index.KeyChip, old.Chip, now.Chip}, {index.KeyPickup, old.Pickup, now.Pickup}} {
		if k.old == k.now {
			continue
		}
		if k.old != (ticket.Hash{}) {
			l.x.Unlink(k.key, k.old, slot)
		}
		if k.now != (ticket.Hash{}) {
			l.x.Link(k.key, k.now, slot)
		}
	}
}

// forget takes a ticket that has left the feed out of use; left is what the catalogue had of it.
func (l *Ledger) forget(e *wire.Entry, left *ticket.Ticket) {
	if e.Kind == wire.KindSession || e.Kind == wire.KindTicket {
		l.purge.Store(true)
	}
	id, err := strconv.ParseUint(e.Key, 10, 64)
	if err != nil || e.Kind != wire.KindTicket {
		return
	}
	slot, r := l.lock(ticket.TicketID(id))
	if r == nil {
		return
	}
	defer l.x.Unlock(slot)
	if r.Has(index.Known) {
		l.figures.of(r.Session).tickets.Add(-1)
	}
	r.Set(index.Known, false)
	r.Set(index.Holds, false)
	l.x.SetCredential(slot, ticket.Hash{})
	l.relink(slot, left, nil)
}
