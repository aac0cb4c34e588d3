package hubmem

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// History implements hub.HistoryStore. All stations of a tenant stand in one venue here.
func (s *Store) History(_ context.Context, station link.Peer, req wire.HistoryRequest) ([]wire.HistoryFact, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.tickets[ticketKey{station.Tenant, req.Ticket}]; !ok {
		return nil, false, fmt.Errorf("%w: %d", hub.ErrUnknownTicket, req.Ticket)
	}
	var all []wire.HistoryFact
	for f, fd := range s.feeds {
		if f.Tenant != station.Tenant {
			continue
		}
		for i := range fd.facts {
			if e := &fd.facts[i]; about(e, req.Ticket) && (req.BeforeMs == 0 || e.TimeMs < req.BeforeMs) {
				all = append(all, wire.HistoryFact{
					Station: f.Station, Epoch: e.Epoch, Seq: e.Seq, TimeMs: e.TimeMs, Kind: ticket.FactKind(e.Kind), Body: slices.Clone(e.Body),
				})
			}
		}
	}
	slices.SortFunc(all, func(a, b wire.HistoryFact) int {
		return cmp.Or(cmp.Compare(b.TimeMs, a.TimeMs), cmp.Compare(b.Station, a.Station),
			cmp.Compare(b.Epoch, a.Epoch), cmp.Compare(b.Seq, a.Seq))
	})
	more := len(all) > req.Limit
	return all[:min(len(all), req.Limit)], more, nil
}

func about(e *journal.Entry, id ticket.TicketID) bool {
	f, _, err := hub.Read(e)
	return err == nil && f != nil && f.Ticket == id
}
