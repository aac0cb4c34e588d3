package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/mutant"
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
	err := l.cat.update(func(tx *bbolt.Tx) error { return putFeed(tx, s) })
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
	if err := l.meetTickets(ctx, b); err != nil {
		if !mutant.On(mutant.StationCursorOnFailure) {
			return err
		}
		b.tickets = nil
	}
	for _, t := range b.tickets {
		if l.x.Sessions.Number(t.Session) == 0 {
			return fmt.Errorf("apply page: more sessions than this station can hold (65,535): session %d has no number", t.Session)
		}
	}
	next := now
	next.cursor = p.Next
	if p.CaughtUp {
		next.caughtUp = max(next.caughtUp, p.Next)
	}
	if len(p.Entries) > 0 || next != now {
		if err := l.cat.update(func(tx *bbolt.Tx) error { return l.store(tx, b, next) }); err != nil {
			return fmt.Errorf("apply page: %w", err)
		}
	}
	l.absorb(b)
	l.feed.snap.Store(&next)
	return nil
}

// meetTickets bars and answers every recall in the batch and returns once the journal is durable up to
// its end in memory at that moment, whoever wrote it (R3). That holds for a page without recalls too: a
// grant may rest on a passage whose end is in memory only. What is older than the station knows already
// leaves the batch: a feed that was rebuilt from an earlier time may bring it.
func (l *Ledger) meetTickets(ctx context.Context, b *batch) error {
	if len(b.tickets) == 0 {
		return nil
	}
	waiting, answers, kept := false, false, b.tickets[:0]
	b.fresh = make([]bool, 0, len(b.tickets))
	for _, t := range b.tickets {
		m, err := l.meet(t)
		if err != nil {
			return err
		}
		waiting, answers = waiting || m.wait, answers || m.answer
		if !m.older {
			kept, b.fresh = append(kept, t), append(b.fresh, m.fresh)
		}
	}
	if waiting {
		return replica.ErrNotYet
	}
	b.tickets = kept
	if mutant.On(mutant.StationCursorFirst) || !answers && mutant.On(mutant.StationOwnFactsOnly) {
		return nil
	}
	return l.durable(ctx, l.journal.End())
}

// A meeting is how an entry met what the station holds.
type meeting struct {
	wait   bool // for a passage that has to end first; the right is barred, so that nothing new begins
	fresh  bool // nothing was known of the ticket
	older  bool // than what is known of the ticket
	answer bool // it was answered
}

func (l *Ledger) meet(t *ticket.Ticket) (m meeting, err error) {
	slot, r := l.lock(t.ID)
	if r == nil && t.Entry.Custody != ticket.CustodyRecalled && !l.signed(t.Session) {
		return meeting{fresh: true}, nil
	}
	if r == nil {
		slot, r = l.obtain(t.ID)
		m.fresh = true
	}
	defer l.x.Unlock(slot)
	if m.older = r.Has(index.Known) && r.Ver > t.Ver; m.older && t.Entry.Custody != ticket.CustodyRecalled {
		return m, nil // it will not be offered again, so it must bar nothing
	}
	before := l.held(r)
	held, kind, f, wait := offer(before, t.Entry)
	switch m.wait = wait; {
	case wait, t.Entry.Custody == ticket.CustodyRecalled && kind == 0:
		r.Set(index.Recalling, held.Recalling)
	case kind == 0 && !m.older && (held.Gen != before.Gen || held.Holds != before.Holds):
		// Nothing may begin on the old standing until putTicket brings the new one: a passage by signature
		// would then hold up an entry that the cursor has passed.
		r.Set(index.Recalling, true)
	}
	if m.answer = kind != 0; m.answer {
		err = l.answer(t, slot, r, kind, &f)
		if mutant.On(mutant.StationForgetAnswered) && before.Gen < t.Entry.Gen {
			l.setHeld(r, before)
		}
	}
	return m, err
}

// offer is Held's, where nothing is planted.
func offer(h ticket.Held, r ticket.Right) (ticket.Held, ticket.FactKind, ticket.Fact, bool) {
	if mutant.On(mutant.StationIgnoreGen) && r.Custody == ticket.CustodyGranted && (r.Gen < h.Gen || r.Gen == h.Gen && !h.Holds) {
		h.Gen = r.Gen - 1
	}
	if mutant.On(mutant.StationReleaseUsed) && r.Custody == ticket.CustodyRecalled && h.Holds {
		h.Used = min(h.Used, r.Used)
	}
	return h.Offer(r)
}

// signed reports whether a session admits unknown tickets on their signature.
func (l *Ledger) signed(id ticket.SessionID) bool {
	se := l.venue.Load().sessions[id]
	return se != nil && se.S.SignedEntry
}

// answer journals what a recall is answered with.
func (l *Ledger) answer(t *ticket.Ticket, slot index.Slot, r *index.Row, kind ticket.FactKind, f *ticket.Fact) error {
	f.Ticket, f.Session = t.ID, t.Session
	ms, offset, _ := l.cfg.Clock.Now()
	w := works.Get().(*work)
	defer works.Put(w)
	_, err := l.commit(w, slot, r, kind, f, ms, offset)
	return err
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
	if err := l.storeTickets(tx, b); err != nil {
		return err
	}
	for i := range b.aside {
		if err := l.cat.put(tx, bucketAside, asideKey(&b.aside[i]), b.aside[i]); err != nil {
			return err
		}
	}
	if len(l.venue.Load().aside) > 0 {
		for i := range b.read {
			if err := tx.Bucket(bucketAside).Delete(asideKey(b.read[i])); err != nil {
				return err
			}
		}
	}
	b.left = make([]*ticket.Ticket, len(b.gone))
	for i := range b.gone {
		if err := l.remove(tx, b, i); err != nil {
			return err
		}
	}
	return putFeed(tx, next)
}

// sortedFill is how full leaves are left by keys that arrive in order, as at a first load.
const sortedFill = 0.95

// storeTickets writes the tickets and notes them for the next snapshot. What was stored of them before
// is read first, because the index must forget their keys.
func (l *Ledger) storeTickets(tx *bbolt.Tx, b *batch) error {
	tickets, fresh := tx.Bucket(bucketTicket), l.snap.bucket(tx)
	b.before = make([]*ticket.Ticket, len(b.tickets))
	for i, t := range b.tickets {
		if b.fresh[i] {
			continue
		}
		old, err := l.replaced(tx, t)
		if err != nil {
			return err
		}
		b.before[i] = old
	}
	if l.feedSnapshot().caughtUp == 0 { // a first load: the hub stamps in the order of our keys
		tickets.FillPercent = sortedFill
	}
	var scratch []byte
	for _, t := range b.tickets {
		if err := l.cat.putTicket(tickets, t, &scratch); err != nil {
			return err
		}
		if err := l.snap.note(fresh, ticketKey(t.Session, t.ID)); err != nil {
			return err
		}
	}
	return nil
}

func asideKey(e *wire.Entry) []byte { return []byte(string(e.Kind) + "\x00" + e.Key) }

// replaced returns what is stored of a ticket that is about to be stored, nil for nothing. A ticket that
// has moved to another session leaves its old place, with its state.
func (l *Ledger) replaced(tx *bbolt.Tx, t *ticket.Ticket) (*ticket.Ticket, error) {
	slot, r := l.lock(t.ID)
	if r == nil {
		return nil, nil
	}
	was := l.session(r)
	l.x.Unlock(slot)
	key := ticketKey(was, t.ID)
	var out *ticket.Ticket
	old, found, err := l.cat.readTicket(tx, key)
	switch {
	case err != nil:
		l.spoilt(err) // its keys stay behind in the index; every hit is compared in full
	case found:
		out = &old
	}
	if was == t.Session || was == 0 {
		return out, nil
	}
	if err := tx.Bucket(bucketTicket).Delete(key); err != nil {
		return nil, err
	}
	states := tx.Bucket(bucketState)
	state := states.Get(key)
	if state == nil {
		return out, nil
	}
	h, last, err := decodeState(key, state)
	if err != nil {
		return nil, err
	}
	to := ticketKey(t.Session, t.ID)
	return out, errors.Join(states.Put(to, encodeState(to, h, last)), states.Delete(key))
}

// remove deletes what a tombstone names. A ticket's state stays: its facts happened.
func (l *Ledger) remove(tx *bbolt.Tx, b *batch, i int) error {
	e := &b.gone[i]
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
		return l.removeTicket(tx, b, i, ticket.TicketID(id))
	}
	return nil
}

func (l *Ledger) removeTicket(tx *bbolt.Tx, b *batch, i int, id ticket.TicketID) error {
	slot, r := l.lock(id)
	if r == nil {
		return nil
	}
	key := ticketKey(l.session(r), id)
	l.x.Unlock(slot)
	old, found, err := l.cat.readTicket(tx, key)
	if err != nil {
		l.spoilt(err)
	}
	if found && err == nil {
		b.left[i] = &old
	}
	if err := l.snap.note(l.snap.bucket(tx), key); err != nil {
		return err
	}
	return tx.Bucket(bucketTicket).Delete(key)
}
