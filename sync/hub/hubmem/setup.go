package hubmem

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// AddStation registers a station with an empty feed. Its journal begins epoch with the chain key.
// Adding it again begins another epoch and leaves its feed as it is.
func (s *Store) AddStation(f link.Peer, epoch uint32, chainKey []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, ok := s.feeds[f]
	if !ok {
		s.epochs++
		fd = &feed{
			head:  hub.Head{Epoch: fmt.Sprintf("mem%d", s.epochs)},
			items: make(map[itemKey]*item), pending: make(map[*item]struct{}), uncertain: make(map[ticket.TicketID]uint32),
		}
		s.feeds[f] = fd
	}
	fd.journal = hub.Journal{Epoch: epoch, Key: slices.Clone(chainKey)}
	fd.dead, fd.conflicts = make(map[deadKey]dead), make(map[uint64]Conflict)
}

// Revoke withdraws a station's registration.
func (s *Store) Revoke(f link.Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustFeed(f).revoked = true
	s.Ring(f)
}

// mustFeed panics for a station that was never added: a mistake of the test.
func (s *Store) mustFeed(f link.Peer) *feed {
	fd, err := s.feed(f)
	if err != nil {
		panic(err)
	}
	return fd
}

// PutSession puts a session into the feed.
func (s *Store) PutSession(f link.Peer, v ticket.Session) {
	s.mu.Lock()
	s.sessions[sessionKey{f.Tenant, v.ID}] = v
	s.mu.Unlock()
	s.putBody(f, wire.KindSession, wire.Key(v.ID), v)
}

// PutGateGroup puts a gate group into the feed.
func (s *Store) PutGateGroup(f link.Peer, v ticket.GateGroup) {
	s.putBody(f, wire.KindGateGroup, wire.Key(v.ID), v)
}

// PutSignKey puts a public signing key into the feed.
func (s *Store) PutSignKey(f link.Peer, v ticket.SignKey) {
	s.putBody(f, wire.KindSignKey, wire.Key(v.ID), v)
}

func (s *Store) putBody(f link.Peer, kind wire.EntryKind, key string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data: a programmer error
	}
	s.Put(f, wire.Entry{Kind: kind, Key: key, Body: body})
}

// Put puts anything that is not a ticket into the feed, also of a kind that no program knows. Kind,
// Key, Body, Gone and Tickets of e are taken; version and position come by themselves.
func (s *Store) Put(f link.Peer, e wire.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd := s.mustFeed(f)
	key := itemKey{e.Kind, e.Key}
	it, ok := fd.items[key]
	if !ok {
		it = new(item)
		fd.items[key] = it
	}
	e.Ver, e.Pos = it.entry.Ver, 0
	it.entry = e
	s.touch(f, fd, it)
}

// Remove puts a tombstone in the place of something that is not a ticket.
func (s *Store) Remove(f link.Peer, kind wire.EntryKind, key string) {
	s.Put(f, wire.Entry{Kind: kind, Key: key, Gone: true})
}

// AddTicket puts a ticket into the feed with its right in the cloud's custody; t.Entry.Max counts,
// the rest of t.Entry and t.Ver do not. A ticket that exists keeps its right and is replaced.
func (s *Store) AddTicket(f link.Peer, t ticket.Ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd := s.mustFeed(f)
	key := ticketKey{f.Tenant, t.ID}
	it, ok := s.tickets[key]
	if !ok {
		it = &item{row: &hub.Row{Feed: f, Right: hub.Right{Max: t.Entry.Max}}}
		s.tickets[key] = it
	}
	t.Entry = ticket.Right{}
	it.row.Ticket = t
	s.touch(f, fd, it)
}

// PutTicket is AddTicket and a first grant to the station.
func (s *Store) PutTicket(f link.Peer, t ticket.Ticket) error {
	s.AddTicket(f, t)
	return s.Grant(context.Background(), f.Tenant, t.ID)
}

// Rebuild gives the feed a new epoch and every row a new position, as after a restore.
func (s *Store) Rebuild(f link.Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd := s.mustFeed(f)
	s.epochs++
	fd.head, fd.order = hub.Head{Epoch: fmt.Sprintf("mem%d", s.epochs)}, nil
	for _, it := range fd.items {
		it.entry.Pos = 0
		fd.pending[it] = struct{}{}
	}
	for _, it := range s.tickets {
		if it.row.Feed == f {
			it.entry.Pos, it.row.Seq = 0, 0
			fd.pending[it] = struct{}{}
		}
	}
	s.Ring(f)
}

// Facts returns what the station has uploaded, in order.
func (s *Store) Facts(f link.Peer) []journal.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mustFeed(f).facts)
}

// Journal returns what is held of the station's journal.
func (s *Store) Journal(f link.Peer) hub.Journal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mustFeed(f).journal
}

// Conflicts returns the facts of the present epoch that need a person, by sequence.
func (s *Store) Conflicts(f link.Peer) map[uint64]Conflict {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.mustFeed(f).conflicts)
}

// Incidents returns the uploads that were refused as forks or broken chains.
func (s *Store) Incidents(f link.Peer) []Incident {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mustFeed(f).incidents)
}

// Digest is the digest of a session's tickets in the station's feed.
func (s *Store) Digest(f link.Peer, session ticket.SessionID) ticket.Digest {
	s.mu.Lock()
	defer s.mu.Unlock()
	var d ticket.Digest
	for _, it := range s.tickets {
		if it.row.Feed == f && it.row.Ticket.Session == session {
			row := s.read(it)
			d.Add(row.Standing())
		}
	}
	return d
}

// A local is a Handler that is called without any network.
type local struct {
	h    link.Handler
	peer link.Peer
}

// Link returns h as the station peer sees it, without any network between them.
func Link(h link.Handler, peer link.Peer) link.Cloud { return local{h, peer} }

func (l local) Feed(ctx context.Context, req wire.FeedRequest) (wire.Page, error) {
	return l.h.Feed(ctx, l.peer, req)
}

func (l local) Upload(ctx context.Context, b *wire.Batch) (wire.Ack, error) {
	return l.h.Upload(ctx, l.peer, b)
}
