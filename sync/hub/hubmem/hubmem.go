// Package hubmem is a hub.Store in memory: the reference model of the conformance suite, and a cloud
// for tests of the station's end. It keeps every rule of the contract and nothing over a restart.
package hubmem

import (
	"context"
	"fmt"
	"sort"
	"sync"

	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/mutant"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Store is a hub.Store in memory. It is safe for concurrent use.
type Store struct {
	hub.Bell

	mu sync.Mutex
	// mu guards the fields below.
	feeds   map[link.Peer]*feed
	tickets map[ticketKey]*item
	// sessions are those that were put, for their policy and times.
	sessions map[sessionKey]ticket.Session
	epochs   int
}

var _ hub.Store = (*Store)(nil)

type ticketKey struct {
	tenant ticket.TenantID
	id     ticket.TicketID
}

type sessionKey struct {
	tenant ticket.TenantID
	id     ticket.SessionID
}

type itemKey struct {
	kind wire.EntryKind
	key  string
}

// An item is one row of a feed: a ticket when row is set, anything else when not.
type item struct {
	entry wire.Entry // Pos is the position, 0 while pending
	row   *hub.Row
}

// A stamped says that an item got a position; it is stale when the item has another one by now.
type stamped struct {
	pos uint64
	it  *item
}

type feed struct {
	head    hub.Head
	items   map[itemKey]*item
	pending map[*item]struct{}
	order   []stamped

	revoked   bool
	serial    string // of the machine's certificate; "" for any
	journal   hub.Journal
	ended     []*hub.Journal // of machines that were replaced
	uncertain map[ticket.TicketID]uint32
	facts     []journal.Entry
	seenMs    int64
	dead      map[deadKey]dead
	conflicts map[uint64]Conflict
	incidents []Incident
}

// A Conflict is a fact that needs a person.
type Conflict struct {
	Ticket ticket.TicketID
	Reason hub.ConflictReason
}

// An Incident is an upload that was refused as a fork or a broken chain.
type Incident struct {
	Code wire.Code
	Seq  uint64
}

// New returns an empty store.
func New() *Store {
	return &Store{
		feeds: make(map[link.Peer]*feed), tickets: make(map[ticketKey]*item), sessions: make(map[sessionKey]ticket.Session),
	}
}

func (s *Store) feed(f link.Peer) (*feed, error) {
	if have, ok := s.feeds[f]; ok {
		return have, nil
	}
	return nil, fmt.Errorf("%w: %s", hub.ErrUnknownStation, f.Station)
}

// Stamp implements hub.FeedStore.
func (s *Store) Stamp(_ context.Context, f link.Peer) (hub.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := s.feed(f)
	if err != nil {
		return hub.Head{}, err
	}
	fd.stamp()
	return fd.head, nil
}

func (fd *feed) stamp() {
	rows := make([]*item, 0, len(fd.pending))
	for it := range fd.pending {
		rows = append(rows, it)
	}
	sort.Slice(rows, func(i, j int) bool { return before(rows[i], rows[j]) })
	for _, it := range rows {
		fd.head.Pos++
		it.entry.Pos = fd.head.Pos
		if it.row != nil {
			it.row.Seq = fd.head.Pos
			it.row.Right = hub.Stamped(it.row.Right, fd.head.Pos)
		}
		fd.order = append(fd.order, stamped{fd.head.Pos, it})
		delete(fd.pending, it)
	}
}

// before is the order in which pending rows are stamped: other things first, then tickets by session
// and id, so that a first load arrives nearly sorted.
func before(a, b *item) bool {
	switch {
	case (a.row == nil) != (b.row == nil):
		return a.row == nil
	case a.row == nil && a.entry.Kind != b.entry.Kind:
		return a.entry.Kind < b.entry.Kind
	case a.row == nil:
		return a.entry.Key < b.entry.Key
	case a.row.Ticket.Session != b.row.Ticket.Session:
		return a.row.Ticket.Session < b.row.Ticket.Session
	}
	return a.row.Ticket.ID < b.row.Ticket.ID
}

// Reserve implements hub.FeedStore.
func (s *Store) Reserve(_ context.Context, f link.Peer) (hub.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := s.feed(f)
	if err != nil {
		return hub.Head{}, err
	}
	if mutant.On(mutant.HubSentNotStored) {
		head := fd.head
		head.Sent = fd.head.Pos
		return head, nil
	}
	fd.head.Sent = max(fd.head.Sent, fd.head.Pos)
	return fd.head, nil
}

// Page implements hub.FeedStore.
func (s *Store) Page(_ context.Context, f link.Peer, span hub.Span) ([]wire.Entry, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := s.feed(f)
	if err != nil {
		return nil, false, err
	}
	var out []wire.Entry
	size := 0
	from := sort.Search(len(fd.order), func(i int) bool { return fd.order[i].pos > span.After })
	for _, st := range fd.order[from:] {
		if st.pos > span.UpTo {
			break
		}
		if st.it.entry.Pos != st.pos { // pending, or stamped again
			continue
		}
		e := st.it.entry
		if st.it.row != nil {
			row := s.read(st.it)
			if e, err = row.Entry(); err != nil {
				return nil, false, err
			}
		}
		if len(out) > 0 && (len(out) == span.Rows || size+len(e.Body) > span.Bytes) {
			return out, true, nil
		}
		size += len(e.Body)
		out = append(out, e)
	}
	return out, false, nil
}

// News implements hub.FeedStore.
func (s *Store) News(context.Context) ([]hub.News, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]hub.News, 0, len(s.feeds))
	for f, fd := range s.feeds {
		out = append(out, hub.News{
			Feed: f, Pos: fd.head.Pos, Pending: len(fd.pending) > 0, Unfolded: fd.anyUnfolded(),
		})
	}
	return out, nil
}

// touch makes an item pending and wakes those who wait. The caller holds mu.
func (s *Store) touch(f link.Peer, fd *feed, it *item) {
	it.entry.Ver++
	it.entry.Pos = 0
	if it.row != nil {
		it.row.Ticket.Ver, it.row.Seq = it.entry.Ver, 0
	}
	fd.pending[it] = struct{}{}
	s.Ring(f)
}

func (s *Store) change(tenant ticket.TenantID, id ticket.TicketID, rule func(*hub.Row, hub.Head) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.tickets[ticketKey{tenant, id}]
	if !ok {
		return fmt.Errorf("%w: %d", hub.ErrUnknownTicket, id)
	}
	fd := s.feeds[it.row.Feed]
	row := s.read(it)
	if err := rule(&row, fd.head); err != nil {
		return err
	}
	*it.row = row
	s.touch(it.row.Feed, fd, it)
	return nil
}

// Grant implements hub.RightStore.
func (s *Store) Grant(_ context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(tenant, id, func(r *hub.Row, _ hub.Head) (err error) {
		r.Right, err = hub.Grant(r.Right, r.Ticket.Status)
		return err
	})
}

// TakeBack implements hub.RightStore.
func (s *Store) TakeBack(_ context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(tenant, id, func(r *hub.Row, head hub.Head) (err error) {
		r.Right, err = hub.TakeBack(r.Right, head.Sent, s.sessions[sessionKey{tenant, r.Ticket.Session}].SignedEntry)
		return err
	})
}

// Recall implements hub.RightStore.
func (s *Store) Recall(_ context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(tenant, id, func(r *hub.Row, _ hub.Head) (err error) {
		r.Right, err = hub.Recall(r.Right)
		return err
	})
}

// Withdraw implements hub.RightStore.
func (s *Store) Withdraw(_ context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(tenant, id, func(r *hub.Row, _ hub.Head) (err error) {
		r.Right, err = hub.Withdraw(r.Right)
		return err
	})
}

// SetStatus implements hub.RightStore.
func (s *Store) SetStatus(_ context.Context, tenant ticket.TenantID, id ticket.TicketID, to ticket.Status, nowMs int64) error {
	return s.change(tenant, id, func(r *hub.Row, _ hub.Head) error {
		if err := hub.ChangeStatus(r.Right, r.Ticket.Status, to); err != nil {
			return err
		}
		r.Ticket.Status, r.Ticket.StatusMs = to, nowMs
		return nil
	})
}

// Row implements hub.RightStore.
func (s *Store) Row(_ context.Context, tenant ticket.TenantID, id ticket.TicketID) (hub.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.tickets[ticketKey{tenant, id}]
	if !ok {
		return hub.Row{}, fmt.Errorf("%w: %d", hub.ErrUnknownTicket, id)
	}
	return s.read(it), nil
}
