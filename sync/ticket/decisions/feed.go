package decisions

import (
	"encoding/json"
	"fmt"

	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Epoch is the feed epoch of every world.
const Epoch = "world"

// Feed returns the feed entries that bring a station into the row's world before its history, and
// those that come after the history and before the request. Positions continue.
func (w *World) Feed() (before, after []wire.Entry, err error) {
	r := w.Row
	f := &feed{}
	if !r.SessionAbsent && !r.NotCaughtUp {
		f.put(wire.KindSession, wire.Key(w.Session.ID), 1, w.Session)
	}
	f.put(wire.KindSession, wire.Key(w.Other.ID), 1, w.Other)
	for _, g := range w.Groups {
		if g.ID != r.Group || !r.GroupAbsent {
			f.put(wire.KindGateGroup, wire.Key(g.ID), 1, g)
		}
	}
	for _, k := range w.Keys {
		f.put(wire.KindSignKey, wire.Key(k.ID), 1, k)
	}
	t := w.Ticket
	if r.Custody == string(ticket.CustodyCloud) {
		t.Entry.Custody = ticket.CustodyCloud
	}
	if !r.Absent {
		f.put(wire.KindTicket, wire.Key(t.ID), t.Ver, t)
	}
	before, f.out = f.out, nil
	if r.NotCaughtUp && !r.SessionAbsent { // the session comes last, and the head is not reached
		f.put(wire.KindSession, wire.Key(w.Session.ID), 1, w.Session)
	}
	if r.Custody == string(ticket.CustodyRecalled) {
		t.Ver, t.Entry.Custody = t.Ver+1, ticket.CustodyRecalled
		f.put(wire.KindTicket, wire.Key(t.ID), t.Ver, t)
	}
	if r.Unreadable {
		f.out = append(f.out, wire.Entry{
			Pos: f.pos + 1, Kind: "ticket_extension", Key: wire.Key(t.ID), Ver: 1,
			Body: json.RawMessage(`{"of":"a later version"}`), Tickets: []ticket.TicketID{t.ID},
		})
		f.pos++
	}
	return before, f.out, f.err
}

type feed struct {
	pos uint64
	out []wire.Entry
	err error
}

func (f *feed) put(kind wire.EntryKind, key string, ver uint64, body any) {
	raw, err := json.Marshal(body)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("decision table: %w", err)
	}
	f.pos++
	f.out = append(f.out, wire.Entry{Pos: f.pos, Kind: kind, Key: key, Ver: ver, Body: raw})
}
