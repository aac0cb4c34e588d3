package replicamem

import (
	"context"
	"fmt"
	"strconv"

	"yipiao/sync/mutant"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Reset implements replica.Store.
func (s *Store) Reset(_ context.Context, epoch string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(func(d *Disk) { d.epoch, d.cursor, d.caughtUp = epoch, 0, 0 })
}

// Apply implements replica.Store. Two pages may be on their way at once: what one has barred or answered
// the other finds so.
func (s *Store) Apply(ctx context.Context, p *wire.Page) error {
	tickets, err := decode(p)
	if err != nil {
		return err
	}
	end, err := s.meet(p, tickets)
	if err == nil && !mutant.On(mutant.StationCursorFirst) {
		err = s.durable(ctx, end)
	}
	if err != nil && !mutant.On(mutant.StationCursorOnFailure) {
		return err
	}
	if err != nil {
		tickets = nil
	}
	return s.store(p, tickets)
}

// decode reads the tickets of a page.
func decode(p *wire.Page) ([]*ticket.Ticket, error) {
	var out []*ticket.Ticket
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Kind == wire.KindTicket && !e.Gone {
			t := new(ticket.Ticket)
			if err := e.DecodeBody(t); err != nil {
				return nil, err
			}
			out = append(out, t)
		}
	}
	return out, nil
}

// meet bars and answers the recalls of a page. end is the sequence that must be durable before the cursor
// may pass it: the journal's end in memory, whoever wrote it (R3).
func (s *Store) meet(p *wire.Page, tickets []*ticket.Ticket) (end uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Epoch != s.disk.epoch {
		return 0, fmt.Errorf("apply page: feed epoch %q, the station follows %q", p.Epoch, s.disk.epoch)
	}
	waiting, own := false, uint64(0)
	for _, t := range tickets {
		wait, seq, err := s.meetOne(t)
		if err != nil {
			return 0, err
		}
		waiting, own = waiting || wait, max(own, seq)
	}
	switch {
	case waiting:
		return 0, replica.ErrNotYet
	case mutant.On(mutant.StationOwnFactsOnly):
		return own, nil
	}
	return s.log.End(), nil
}

func (s *Store) meetOne(t *ticket.Ticket) (wait bool, seq uint64, err error) {
	r := s.row(t.ID)
	older := r.known && r.tk.Ver > t.Ver
	if older && t.Entry.Custody != ticket.CustodyRecalled && !mutant.On(mutant.StationIgnoreGen) {
		return false, 0, nil
	}
	held, kind, f, wait := offer(r.held, t.Entry)
	switch {
	case wait, t.Entry.Custody == ticket.CustodyRecalled && kind == 0:
		r.held.Recalling = held.Recalling
	case kind == 0 && !older && (held.Gen != r.held.Gen || held.Holds != r.held.Holds):
		r.held.Recalling = true // nothing may begin on the old standing until the new one counts
	}
	if kind == 0 {
		return wait, 0, nil
	}
	before := r.held
	f.Ticket, f.Session = t.ID, t.Session
	seq, err = s.commit(kind, &f)
	if mutant.On(mutant.StationForgetAnswered) && before.Gen < t.Entry.Gen {
		r.held = before
	}
	return false, seq, err
}

// offer is ticket.Held's, with what is planted.
func offer(h ticket.Held, r ticket.Right) (ticket.Held, ticket.FactKind, ticket.Fact, bool) {
	if mutant.On(mutant.StationIgnoreGen) && r.Custody == ticket.CustodyGranted && (r.Gen < h.Gen || r.Gen == h.Gen && !h.Holds) {
		h.Gen = r.Gen - 1
	}
	if mutant.On(mutant.StationReleaseUsed) && r.Custody == ticket.CustodyRecalled && h.Holds {
		h.Used = min(h.Used, r.Used)
	}
	return h.Offer(r)
}

// store makes a page and its cursor durable in one step, and lets it count.
func (s *Store) store(p *wire.Page, tickets []*ticket.Ticket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Epoch != s.disk.epoch {
		return fmt.Errorf("apply page: feed epoch %q, the station follows %q", p.Epoch, s.disk.epoch)
	}
	if p.Next < s.disk.cursor { // an old page that came late: all of it has been applied
		return nil
	}
	err := s.write(func(d *Disk) {
		for i := range p.Entries {
			d.put(&p.Entries[i])
		}
		for _, t := range tickets {
			if have, ok := d.tickets[t.ID]; !ok || have.Ver <= t.Ver {
				d.tickets[t.ID] = *t
			}
		}
		d.cursor = p.Next
		if p.CaughtUp {
			d.caughtUp = max(d.caughtUp, p.Next)
		}
	})
	if err != nil {
		return err
	}
	for _, t := range tickets {
		s.absorb(t)
	}
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Kind == wire.KindTicket && e.Gone {
			id, _ := strconv.ParseUint(e.Key, 10, 64)
			r := s.row(ticket.TicketID(id))
			r.known, r.held.Holds = false, false
		}
	}
	return nil
}

// put brings what is no ticket, and tombstones, into the catalogue. An entry that cannot be read is not
// this model's subject: it is passed over.
func (d *Disk) put(e *wire.Entry) {
	id, err := strconv.ParseUint(e.Key, 10, 64)
	if err != nil {
		return
	}
	switch e.Kind {
	case wire.KindSession:
		delete(d.sessions, ticket.SessionID(id))
		if v := (ticket.Session{}); !e.Gone && e.DecodeBody(&v) == nil {
			d.sessions[v.ID] = seen{v, e.Pos}
		}
	case wire.KindGateGroup:
		delete(d.groups, ticket.GateGroupID(id))
		if v := (ticket.GateGroup{}); !e.Gone && e.DecodeBody(&v) == nil {
			d.groups[v.ID] = v
		}
	case wire.KindSignKey:
		delete(d.keys, ticket.KeyID(id))
		if v := (ticket.SignKey{}); !e.Gone && e.DecodeBody(&v) == nil {
			d.keys[v.ID] = v
		}
	case wire.KindTicket:
		if e.Gone {
			delete(d.tickets, ticket.TicketID(id))
		}
	}
}

// absorb lets a stored entry count.
func (s *Store) absorb(t *ticket.Ticket) {
	r := s.row(t.ID)
	if r.known && r.tk.Ver > t.Ver && !mutant.On(mutant.StationIgnoreGen) {
		return
	}
	if held, kind, _, wait := offer(r.held, t.Entry); kind == 0 && !wait {
		r.held = held
	}
	r.tk, r.known = *t, true
}
