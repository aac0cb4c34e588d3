package ledger

import (
	"maps"
	"strconv"

	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A venue is what the feed said besides tickets. It is replaced as a whole, so that a decision reads
// it without a lock and what it has read stays as it was.
type venue struct {
	sessions map[ticket.SessionID]*session
	groups   map[ticket.GateGroupID]*ticket.GateGroup
	keys     map[ticket.KeyID]ticket.SignKey
	unread   map[ticket.TicketID]int      // how many entries kept aside name the ticket
	aside    map[string][]ticket.TicketID // entries kept aside, by kind and key
}

type session struct {
	S   ticket.Session
	Pos uint64 // feed position of its entry
}

func newVenue() *venue {
	return &venue{
		sessions: make(map[ticket.SessionID]*session),
		groups:   make(map[ticket.GateGroupID]*ticket.GateGroup),
		keys:     make(map[ticket.KeyID]ticket.SignKey),
		unread:   make(map[ticket.TicketID]int),
		aside:    make(map[string][]ticket.TicketID),
	}
}

func (v *venue) clone() *venue {
	return &venue{
		sessions: maps.Clone(v.sessions), groups: maps.Clone(v.groups), keys: maps.Clone(v.keys),
		unread: maps.Clone(v.unread), aside: maps.Clone(v.aside),
	}
}

// now is the session of a hall that admits at ms. The venue's sessions are few.
func (v *venue) now(hall ticket.HallID, ms int64) ticket.SessionID {
	var found ticket.SessionID
	for id, se := range v.sessions {
		open := se.S.Status == ticket.SessionPlanned && se.S.AdmitFromMs <= ms && ms < se.S.EndMs
		if se.S.Hall == hall && open && (found == 0 || id < found) {
			found = id
		}
	}
	return found
}

func (v *venue) signKey(id ticket.KeyID) (ticket.SignKey, bool) {
	k, ok := v.keys[id]
	return k, ok
}

// keepAside remembers an entry that cannot be read, once per key.
func (v *venue) keepAside(e *wire.Entry) {
	v.dropAside(e)
	ids := named(e)
	v.aside[string(asideKey(e))] = ids
	for _, id := range ids {
		v.unread[id]++
	}
}

// dropAside forgets an entry kept aside, if there is one of that key.
func (v *venue) dropAside(e *wire.Entry) {
	key := string(asideKey(e))
	for _, id := range v.aside[key] {
		if v.unread[id]--; v.unread[id] <= 0 {
			delete(v.unread, id)
		}
	}
	delete(v.aside, key)
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
