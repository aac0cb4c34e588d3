package hubmem

import (
	"context"
	"errors"
	"fmt"

	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/mutant"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Registered implements hub.JournalStore.
func (s *Store) Registered(_ context.Context, station link.Peer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := s.feed(station)
	if err != nil {
		return err
	}
	if fd.revoked {
		return fmt.Errorf("%w: %s", hub.ErrRevoked, station.Station)
	}
	return nil
}

// Seen implements hub.JournalStore.
func (s *Store) Seen(_ context.Context, station link.Peer, nowMs int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := s.feed(station)
	if err == nil {
		fd.seenMs = nowMs
	}
	return err
}

// Receive implements hub.JournalStore.
func (s *Store) Receive(_ context.Context, station link.Peer, b *wire.Batch, _ int64) (wire.Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := s.feed(station)
	if err != nil {
		return wire.Ack{}, err
	}
	held := fd.held(b.Epoch)
	fresh, err := hub.Accept(held, b, func(first, last uint64) ([]journal.Sum, error) {
		var sums []journal.Sum
		for _, e := range fd.facts {
			if e.Epoch == b.Epoch && e.Seq >= first && e.Seq <= last {
				sums = append(sums, e.Sum)
			}
		}
		return sums, nil
	})
	if err != nil {
		fd.incident(err, b)
		return wire.Ack{}, err
	}
	for _, e := range fresh {
		e.Body = append([]byte(nil), e.Body...)
		fd.facts = append(fd.facts, e)
		held.Durable, held.Sum = e.Seq, e.Sum
	}
	return held.Ack(), nil
}

func (fd *feed) incident(err error, b *wire.Batch) {
	var answer *wire.Error
	if !errors.As(err, &answer) || (answer.Code != wire.CodeFork && answer.Code != wire.CodeChain) {
		return
	}
	in := Incident{Code: answer.Code, Seq: b.Entries[0].Seq}
	for _, have := range fd.incidents {
		if have == in {
			return
		}
	}
	fd.incidents = append(fd.incidents, in)
}

// Fold implements hub.JournalStore.
func (s *Store) Fold(ctx context.Context, station link.Peer, most int, nowMs int64) (uint64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := s.feed(station)
	if err != nil {
		return 0, false, err
	}
	j, facts := fd.unfolded()
	tx := foldTx{s, station, fd, j != &fd.journal, nowMs}
	for _, e := range facts[:min(most, len(facts))] {
		if err := hub.FoldEntry(ctx, tx, station, e); err != nil {
			return fd.journal.Folded, true, err
		}
		j.Folded = e.Seq
	}
	return fd.journal.Folded, fd.anyUnfolded(), nil
}

type foldTx struct {
	s       *Store
	station link.Peer
	fd      *feed
	ended   bool // facts of a machine that was replaced: news to the present one
	nowMs   int64
}

var _ hub.RetryTx = foldTx{}

func (t foldTx) Ticket(_ context.Context, id ticket.TicketID) (hub.Row, bool, error) {
	it, ok := t.s.tickets[ticketKey{t.station.Tenant, id}]
	if !ok {
		return hub.Row{}, false, nil
	}
	return t.s.read(it), true, nil
}

func (t foldTx) SetRight(_ context.Context, id ticket.TicketID, r hub.Right) error {
	it := t.s.tickets[ticketKey{t.station.Tenant, id}]
	it.row.Right = r
	if t.ended || mutant.On(mutant.HubEcho) {
		t.s.touch(it.row.Feed, t.fd, it)
	}
	return nil
}

func (t foldTx) Conflict(_ context.Context, at hub.Place, id ticket.TicketID, why hub.ConflictReason) error {
	t.fd.conflicts[at.Seq] = Conflict{Ticket: id, Reason: why}
	return nil
}

func (t foldTx) DeadLetter(_ context.Context, at hub.Place, why hub.DeadReason) error {
	if key := (deadKey{at.Epoch, at.Seq}); t.fd.dead[key].why == "" { // recording one twice is harmless
		t.fd.dead[key] = dead{why: why, atMs: t.nowMs}
	}
	return nil
}
