package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// feedState is where the station stands in its feed. The fields are written under applyMu.
type feedState struct {
	snap atomic.Pointer[feedSnapshot]
}

type feedSnapshot struct {
	epoch    string
	cursor   uint64
	caughtUp uint64 // highest cursor at which the feed was caught up
	resyncs  uint64 // full resynchronisations since the data directory was made
}

func (l *Ledger) feedSnapshot() feedSnapshot {
	if s := l.feed.snap.Load(); s != nil {
		return *s
	}
	return feedSnapshot{}
}

// Cursor returns the feed epoch and position up to which everything is applied.
func (l *Ledger) Cursor() (epoch string, cursor uint64) {
	s := l.feedSnapshot()
	return s.epoch, s.cursor
}

// Reset begins a full resynchronisation under a new feed epoch: the cursor goes back to 0, nothing
// that is held is given up, and the count of resynchronisations rises.
func (l *Ledger) Reset(_ context.Context, epoch string) error {
	l.applyMu.Lock()
	defer l.applyMu.Unlock()
	s := l.feedSnapshot()
	s.epoch, s.cursor, s.caughtUp = epoch, 0, 0
	s.resyncs++
	err := l.cat.db.Update(func(tx *bbolt.Tx) error { return putFeed(tx, s) })
	if err == nil {
		l.feed.snap.Store(&s)
	}
	return err
}

func putFeed(tx *bbolt.Tx, s feedSnapshot) error {
	meta := tx.Bucket(bucketMeta)
	return errors.Join(
		meta.Put([]byte("feed_epoch"), []byte(s.epoch)), meta.Put([]byte("cursor"), u64(s.cursor)),
		meta.Put([]byte("caught_up"), u64(s.caughtUp)), meta.Put([]byte("resyncs"), u64(s.resyncs)))
}

// A batch is a decoded page, in key order.
type batch struct {
	read     []wire.Entry // every entry that could be read
	sessions []*sessionEntry
	groups   []*ticket.GateGroup
	keys     []*ticket.SignKey
	tickets  []*ticket.Ticket
	gone     []wire.Entry
	aside    []wire.Entry
}

type sessionEntry struct {
	S   ticket.Session `json:"s"`
	Pos uint64         `json:"pos"`
}

// Apply applies one page in one transaction with its cursor: answers to recalls first become durable
// in the journal (R3), then the entries in the catalogue, then they count in memory. Pages may be
// applied again; the cursor never goes back. It returns replica.ErrNotYet when a recall meets a passage
// in progress: the right is already barred, and nothing else of the page was applied.
func (l *Ledger) Apply(ctx context.Context, p *wire.Page) error {
	l.applyMu.Lock()
	defer l.applyMu.Unlock()
	now := l.feedSnapshot()
	if p.Epoch != now.epoch {
		return fmt.Errorf("apply page: feed epoch %q, the station follows %q", p.Epoch, now.epoch)
	}
	if p.Next < now.cursor { // an old page that came late, on another uplink
		return nil
	}
	b := decodePage(p)
	if err := l.answerRecalls(ctx, b.tickets); err != nil {
		return err
	}
	b.tickets = l.newest(b.tickets)
	next := now
	next.cursor = p.Next
	if p.CaughtUp {
		next.caughtUp = max(next.caughtUp, p.Next)
	}
	if len(p.Entries) > 0 || next != now {
		if err := l.cat.db.Update(func(tx *bbolt.Tx) error { return l.store(tx, b, next) }); err != nil {
			return fmt.Errorf("apply page: %w", err)
		}
	}
	l.absorb(b)
	l.feed.snap.Store(&next)
	return nil
}

// decodePage sorts a page by what it is. What cannot be read goes aside, whole.
func decodePage(p *wire.Page) *batch {
	b := &batch{}
	for i := range p.Entries {
		e := &p.Entries[i]
		if e.Gone {
			b.gone = append(b.gone, *e)
			continue
		}
		if !b.decode(e) {
			kept := *e
			if !json.Valid(kept.Body) {
				kept.Body = nil // could not be stored either
			}
			b.aside = append(b.aside, kept)
			continue
		}
		b.read = append(b.read, *e)
	}
	sort.Slice(b.tickets, func(i, j int) bool {
		x, y := b.tickets[i], b.tickets[j]
		return x.Session < y.Session || x.Session == y.Session && x.ID < y.ID
	})
	return b
}

func (b *batch) decode(e *wire.Entry) bool {
	switch e.Kind {
	case wire.KindSession:
		v := &sessionEntry{Pos: e.Pos}
		if e.DecodeBody(&v.S) != nil {
			return false
		}
		b.sessions = append(b.sessions, v)
	case wire.KindGateGroup:
		v := &ticket.GateGroup{}
		if e.DecodeBody(v) != nil {
			return false
		}
		b.groups = append(b.groups, v)
	case wire.KindSignKey:
		v := &ticket.SignKey{}
		if e.DecodeBody(v) != nil {
			return false
		}
		b.keys = append(b.keys, v)
	case wire.KindTicket:
		v := &ticket.Ticket{}
		if e.DecodeBody(v) != nil {
			return false
		}
		b.tickets = append(b.tickets, v)
	default:
		return false
	}
	return true
}

// answerRecalls bars and answers every recall in the page and returns once the journal is durable up
// to its end in memory at that moment, whoever wrote it (R3). That holds for a page without recalls
// too: a grant may rest on a passage whose end is in memory only.
func (l *Ledger) answerRecalls(ctx context.Context, tickets []*ticket.Ticket) error {
	waiting := false
	for _, t := range tickets {
		if t.Entry.Custody != ticket.CustodyRecalled {
			waiting = l.mustWait(t) || waiting
			continue
		}
		wait, err := l.answer(t)
		if err != nil {
			return err
		}
		waiting = waiting || wait
	}
	if waiting {
		return replica.ErrNotYet
	}
	if len(tickets) == 0 {
		return nil
	}
	return l.durable(ctx, l.journal.End())
}

// mustWait reports whether an entry that needs no answer meets a passage that has to end first; the
// right is then barred, so that nothing new begins meanwhile.
func (l *Ledger) mustWait(t *ticket.Ticket) bool {
	r := l.get(t.ID)
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	held, _, _, wait := r.held.Offer(t.Entry)
	if wait {
		r.held.Recalling = held.Recalling
	}
	return wait
}

// newest leaves out of a batch what is older than the station knows already: a feed that was rebuilt
// from an earlier time may bring it.
func (l *Ledger) newest(tickets []*ticket.Ticket) []*ticket.Ticket {
	out := tickets[:0]
	for _, t := range tickets {
		if r := l.get(t.ID); r == nil || !r.knowsNewer(t) {
			out = append(out, t)
		}
	}
	return out
}

func (r *row) knowsNewer(t *ticket.Ticket) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.t != nil && r.t.Ver > t.Ver
}

func (l *Ledger) answer(t *ticket.Ticket) (wait bool, err error) {
	r := l.obtain(t.ID)
	r.mu.Lock()
	defer r.mu.Unlock()
	held, kind, f, wait := r.held.Offer(t.Entry)
	if kind == 0 {
		r.held.Recalling = held.Recalling
		return wait, nil
	}
	f.Ticket, f.Session = t.ID, t.Session
	ms, offset, _ := l.cfg.Clock.Now()
	_, err = l.commit(r, kind, &f, ms, offset)
	return false, err
}

// store writes a batch and the cursor.
func (l *Ledger) store(tx *bbolt.Tx, b *batch, next feedSnapshot) error {
	for _, s := range b.sessions {
		if err := l.cat.put(tx, bucketSession, u64(uint64(s.S.ID)), s); err != nil {
			return err
		}
	}
	for _, g := range b.groups {
		if err := l.cat.put(tx, bucketGroup, u64(uint64(g.ID)), g); err != nil {
			return err
		}
	}
	for _, k := range b.keys {
		if err := l.cat.put(tx, bucketKey, u64(uint64(k.ID)), k); err != nil {
			return err
		}
	}
	for _, t := range b.tickets {
		if err := l.cat.put(tx, bucketTicket, ticketKey(t.Session, t.ID), t); err != nil {
			return err
		}
	}
	for i := range b.aside {
		if err := l.cat.put(tx, bucketAside, asideKey(&b.aside[i]), b.aside[i]); err != nil {
			return err
		}
	}
	if len(l.aside) > 0 { // written under applyMu only, which is held
		for i := range b.read {
			if err := tx.Bucket(bucketAside).Delete(asideKey(&b.read[i])); err != nil {
				return err
			}
		}
	}
	for i := range b.gone {
		if err := l.remove(tx, &b.gone[i]); err != nil {
			return err
		}
	}
	return putFeed(tx, next)
}

func asideKey(e *wire.Entry) []byte { return []byte(string(e.Kind) + "\x00" + e.Key) }

// remove deletes what a tombstone names. A ticket's state stays: its facts happened.
func (l *Ledger) remove(tx *bbolt.Tx, e *wire.Entry) error {
	if err := tx.Bucket(bucketAside).Delete(asideKey(e)); err != nil {
		return err
	}
	id, err := strconv.ParseUint(e.Key, 10, 64)
	if err != nil {
		return nil //nolint:nilerr // an opaque key: of a kind that is only ever kept aside
	}
	switch e.Kind {
	case wire.KindSession:
		return tx.Bucket(bucketSession).Delete(u64(id))
	case wire.KindGateGroup:
		return tx.Bucket(bucketGroup).Delete(u64(id))
	case wire.KindSignKey:
		return tx.Bucket(bucketKey).Delete(u64(id))
	case wire.KindTicket:
		r := l.get(ticket.TicketID(id))
		if r == nil || r.t == nil {
			return nil
		}
		return tx.Bucket(bucketTicket).Delete(ticketKey(r.t.Session, r.t.ID))
	}
	return nil
}
