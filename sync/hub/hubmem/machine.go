package hubmem

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/mutant"
	"yipiao/sync/ticket"
)

// ReplaceMachine makes the station another machine's: its journal begins the next epoch with the chain
// key, its feed has another epoch, and what was granted so far is stranded.
func (s *Store) ReplaceMachine(f link.Peer, chainKey []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd := s.mustFeed(f)
	fd.stamp()
	old := fd.journal
	fd.ended = append(fd.ended, &old)
	fd.journal = hub.Journal{Epoch: old.Epoch + 1, Key: slices.Clone(chainKey)}
	if mutant.On(mutant.HubReuseEpoch) {
		fd.journal.Epoch = old.Epoch
	}
	s.epochs++
	fd.head.Epoch, fd.head.Lost = fmt.Sprintf("mem%d", s.epochs), fd.head.Pos
	s.Ring(f)
}

// SetSerial records the number of the station's certificate.
func (s *Store) SetSerial(f link.Peer, serial string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustFeed(f).serial = serial
}

// Machine implements hub.MachineStore.
func (s *Store) Machine(_ context.Context, station link.Peer) (hub.Machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := s.feed(station)
	if err != nil {
		return hub.Machine{}, err
	}
	return hub.Machine{Serial: fd.serial, Epoch: fd.journal.Epoch}, nil
}

// Regrant implements hub.MachineStore.
func (s *Store) Regrant(_ context.Context, station link.Peer, d hub.Decision, after ticket.TicketID, most int) (hub.Regranted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := s.feed(station)
	if err != nil {
		return hub.Regranted{}, err
	}
	out := hub.Regranted{Last: after}
	ids := slices.Sorted(maps.Keys(s.idsOf(station, after)))
	for _, id := range ids {
		it := s.tickets[ticketKey{station.Tenant, id}]
		row := s.read(it)
		right, ok := hub.Regrant(row.Right)
		if !ok {
			continue
		}
		if out.Rights == most {
			out.More = true
			break
		}
		out.Rights++
		out.Last = id
		in := s.sessions[sessionKey{station.Tenant, row.Ticket.Session}]
		if d.Uncertain(row.Right, &in) {
			out.Uncertain++
			fd.uncertain[id] = right.Gen
		}
		it.row.Right = right
		s.touch(station, fd, it)
	}
	return out, nil
}

func (s *Store) idsOf(f link.Peer, after ticket.TicketID) map[ticket.TicketID]struct{} {
	out := make(map[ticket.TicketID]struct{})
	for k, it := range s.tickets {
		if it.row.Feed == f && k.id > after {
			out[k.id] = struct{}{}
		}
	}
	return out
}

// Uncertain returns the tickets that were recorded as uncertain, with the generation granted since.
func (s *Store) Uncertain(f link.Peer) map[ticket.TicketID]uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.mustFeed(f).uncertain)
}

// read is a row with what is derived of it.
func (s *Store) read(it *item) hub.Row {
	r := *it.row
	r.Right = hub.Strand(r.Right, s.feeds[r.Feed].head.Lost)
	return r
}

// held is the journal of an epoch that is known, else the present one.
func (fd *feed) held(epoch uint32) *hub.Journal {
	for _, j := range fd.ended {
		if j.Epoch == epoch {
			return j
		}
	}
	return &fd.journal
}

// unfolded returns the first journal with facts to be folded, and these.
func (fd *feed) unfolded() (*hub.Journal, []*journal.Entry) {
	for _, j := range append(slices.Clone(fd.ended), &fd.journal) {
		var out []*journal.Entry
		for i := range fd.facts {
			if e := &fd.facts[i]; e.Epoch == j.Epoch && e.Seq > j.Folded {
				out = append(out, e)
			}
		}
		if len(out) > 0 {
			return j, out
		}
	}
	return nil, nil
}

func (fd *feed) anyUnfolded() bool {
	for _, j := range fd.ended {
		if j.Folded < j.Durable {
			return true
		}
	}
	return fd.journal.Folded < fd.journal.Durable
}
