package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	"go.etcd.io/bbolt"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A Report says what a start found.
type Report struct {
	Tickets  int    // in the catalogue
	Sessions int    // of the venue
	Covered  uint64 // journal sequence of the last checkpoint
	Replayed int    // facts folded over it
	End      uint64 // last fact
	Nonces   int    // answers that a retry still gets
	Open     int    // passages whose end the gate must tell
	Aside    int    // feed entries of an unknown kind or version
}

const (
	replayRows  = 10_000
	replayBytes = 8 << 20
)

// recover loads the catalogue, folds the journal over the last checkpoint, and only then lets the
// catalogue's rights count: by generation the order does not matter, and a recall that was applied is
// found answered.
func (l *Ledger) recover() (Report, error) {
	var rep Report
	var tickets []*ticket.Ticket
	var covered uint64
	err := l.cat.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		covered = getU64(meta, "covered")
		l.acked.Store(getU64(meta, "acked"))
		l.feed.snap.Store(&feedSnapshot{
			epoch: string(meta.Get([]byte("feed_epoch"))), cursor: getU64(meta, "cursor"),
			caughtUp: getU64(meta, "caught_up"), resyncs: getU64(meta, "resyncs"),
		})
		if err := l.loadStates(tx); err != nil {
			return err
		}
		var err error
		tickets, err = l.loadFeed(tx)
		return err
	})
	if err != nil {
		return rep, err
	}
	end := l.journal.End()
	if covered > end {
		return rep, fmt.Errorf("the catalogue covers fact %d, the journal ends at %d: it is not this station's journal, or it lost its end", covered, end)
	}
	l.covered.Store(covered)
	rep = Report{Covered: covered, End: end, Tickets: len(tickets), Sessions: len(l.sessions), Aside: len(l.aside)}
	if rep.Replayed, err = l.replay(covered); err != nil {
		return rep, err
	}
	for _, t := range tickets {
		l.putTicket(t)
	}
	l.recount()
	l.watch.next = end + 1
	rep.Nonces, rep.Open = len(l.nonces.recs), len(l.open.bySeq)
	return rep, nil
}

// recount sets the sessions' figures from the rows, after a start.
func (l *Ledger) recount() {
	l.counted = make(map[ticket.SessionID]*counts)
	for _, r := range l.rows {
		if r.t == nil {
			continue
		}
		l.countsOf(r.t.Session).tickets.Add(1)
		l.count(r.t.Session, ticket.Held{}, r.held)
	}
}

func (l *Ledger) loadStates(tx *bbolt.Tx) error {
	return tx.Bucket(bucketState).ForEach(func(k, v []byte) error {
		if len(k) != 8 {
			return fmt.Errorf("catalogue: state key of %d bytes", len(k))
		}
		h, last, err := decodeState(v)
		if err != nil {
			return err
		}
		l.rows[ticket.TicketID(binary.BigEndian.Uint64(k))] = &row{held: h, last: last}
		return nil
	})
}

func (l *Ledger) loadFeed(tx *bbolt.Tx) ([]*ticket.Ticket, error) {
	var tickets []*ticket.Ticket
	err := errors.Join(
		each(l.cat, tx, bucketSession, func(s *sessionEntry) { l.putSession(s) }),
		each(l.cat, tx, bucketGroup, func(g *ticket.GateGroup) { l.groups[g.ID] = g }),
		each(l.cat, tx, bucketKey, func(k *ticket.SignKey) { l.keys[k.ID] = *k }),
		each(l.cat, tx, bucketTicket, func(t *ticket.Ticket) { tickets = append(tickets, t) }),
		each(l.cat, tx, bucketAside, func(e *wire.Entry) { l.keepAside(e) }))
	return tickets, err
}

func each[T any](c *catalogue, tx *bbolt.Tx, bucket []byte, use func(*T)) error {
	return tx.Bucket(bucket).ForEach(func(k, v []byte) error {
		out := new(T)
		if err := c.unseal(bucket, k, v, out); err != nil {
			return err
		}
		use(out)
		return nil
	})
}

// replay folds every kept fact behind covered, and takes the nonces of the last day from all kept facts.
func (l *Ledger) replay(covered uint64) (int, error) {
	now, _, _ := l.cfg.Clock.Now()
	folded := 0
	from := l.FirstFact()
	if from > covered+1 {
		return 0, fmt.Errorf("the catalogue covers fact %d, the journal begins at %d: facts between them are gone", covered, from)
	}
	for from <= l.journal.End() {
		entries, err := l.journal.Read(from, replayRows, replayBytes)
		if err != nil {
			return folded, fmt.Errorf("replay from fact %d: %w", from, err)
		}
		if len(entries) == 0 {
			break
		}
		for i := range entries {
			e := &entries[i]
			if e.Seq <= covered && e.TimeMs < now-nonceKeepMs {
				continue
			}
			if err := l.replayOne(e, e.Seq > covered); err != nil {
				return folded, fmt.Errorf("replay fact %d: %w", e.Seq, err)
			}
			if e.Seq > covered {
				folded++
			}
		}
		from = entries[len(entries)-1].Seq + 1
	}
	return folded, nil
}

// FirstFact is the first sequence that the journal still has; End+1 where it has none.
func (l *Ledger) FirstFact() uint64 {
	n := sort.Search(int(l.journal.End()), func(i int) bool {
		_, err := l.journal.Read(uint64(i)+1, 1, 1)
		return !errors.Is(err, journal.ErrTrimmed)
	})
	return uint64(n) + 1
}

func (l *Ledger) replayOne(e *journal.Entry, fold bool) error {
	kind := ticket.FactKind(e.Kind)
	if !kind.OfTicket() {
		return nil
	}
	var f ticket.Fact
	if err := json.Unmarshal(e.Body, &f); err != nil {
		return err
	}
	if f.Nonce != nil && f.Request != nil && f.Verdict != nil {
		a := Answer{Verdict: *f.Verdict, Seq: e.Seq, TimeMs: e.TimeMs}
		switch out := a.Verdict.Outcome(); {
		case out == ticket.OutcomeAdmit, out == ticket.OutcomeExit, a.Verdict.Reason == ticket.MaxEntries:
			a.about = f.Ticket // only after a genuine code: a forged one must not show whose seat it names
		}
		l.nonces.restore(nonceKey{f.Device, *f.Nonce}, *f.Request, a)
	}
	if !fold || kind == ticket.FactRefused {
		return nil
	}
	r := l.obtain(f.Ticket)
	l.dirty.add(f.Ticket, r)
	l.fold(r, kind, &f, e.Seq, e.TimeMs)
	switch kind {
	case ticket.FactEntryGranted:
		if f.Gated {
			l.open.bySeq[e.Seq] = f
		}
	case ticket.FactEntryPassed, ticket.FactEntryLapsed, ticket.FactEntryUncertain:
		delete(l.open.bySeq, f.Of)
	default:
	}
	return nil
}
