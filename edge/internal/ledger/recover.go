package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sort"

	"go.etcd.io/bbolt"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/journal"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A Report says what a start found.
type Report struct {
	Tickets  int    // that the feed knows
	Sessions int    // of the venue
	Covered  uint64 // journal sequence that needed no replay
	Replayed int    // facts folded over it
	End      uint64 // last fact
	Nonces   int    // answers that a retry still gets
	Open     int    // passages whose end the gate must tell
	Aside    int    // feed entries of an unknown kind or version
	Snapshot bool   // the index came from the snapshot; otherwise it was rebuilt
	// Damage lists what was found spoilt and how it was mended, for people; nil for nothing.
	Damage []string
}

const (
	replayRows  = 10_000
	replayBytes = 8 << 20
)

// recover loads the index, folds the journal over what it covers, and only then lets the feed's newer
// rights count: by generation the order does not matter, and a recall that was applied is found
// answered.
func (l *Ledger) recover(rep *Report) error {
	covered, err := l.loadMeta(rep)
	if err != nil {
		return err
	}
	end, first := l.journal.End(), l.FirstFact()
	if covered > end {
		return fmt.Errorf("the catalogue covers fact %d, the journal ends at %d: it is not this station's journal, or it lost its end", covered, end)
	}
	l.covered.Store(covered)
	finish, from, err := l.load(rep, covered, first)
	if err != nil {
		return err
	}
	if from > end+1 || first > from {
		return fmt.Errorf("the catalogue covers fact %d, the journal begins at %d: facts between them are gone", from-1, first)
	}
	if rep.Replayed, err = l.replay(max(first, min(l.nonces.from, covered+1, from)), from); err != nil {
		return err
	}
	if err := finish(); err != nil {
		return err
	}
	l.recount()
	v := l.venue.Load()
	rep.Covered, rep.End, rep.Sessions, rep.Aside = from-1, end, len(v.sessions), len(v.aside)
	for _, c := range l.figures.by {
		rep.Tickets += int(c.tickets.Load())
	}
	l.watch.next = end + 1
	rep.Nonces, rep.Open = l.nonces.len(), l.open.len()
	for _, d := range rep.Damage {
		l.cfg.Log.Error("damage found at the start", "what", d)
	}
	return nil
}

// loadMeta reads everything that is small.
func (l *Ledger) loadMeta(rep *Report) (covered uint64, err error) {
	bad := 0
	err = l.cat.view(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		covered = getU64(meta, "covered")
		l.nonces.resume(nonceAge{getU64(meta, "nonce_from"), getU64(meta, "nonce_next"), int64(getU64(meta, "nonce_since"))})
		l.acked.Store(getU64(meta, "acked"))
		l.snap.number = getU64(meta, string(keySnapshots))
		l.feed.snap.Store(&feedSnapshot{
			epoch: string(meta.Get([]byte("feed_epoch"))), cursor: getU64(meta, "cursor"),
			caughtUp: getU64(meta, "caught_up"), resyncs: getU64(meta, "resyncs"),
		})
		v := newVenue()
		for _, load := range []func() (int, error){
			func() (int, error) {
				return each(l.cat, tx, bucketSession, func(s *session) { v.sessions[s.S.ID] = s })
			},
			func() (int, error) {
				return each(l.cat, tx, bucketGroup, func(g *ticket.GateGroup) { v.groups[g.ID] = g })
			},
			func() (int, error) {
				return each(l.cat, tx, bucketKey, func(k *ticket.SignKey) { v.keys[k.ID] = *k })
			},
			func() (int, error) { return each(l.cat, tx, bucketAside, func(e *wire.Entry) { v.keepAside(e) }) },
		} {
			n, err := load()
			if err != nil {
				return err
			}
			bad += n
		}
		l.venue.Store(v)
		return nil
	})
	if err == nil && bad > 0 {
		rep.Damage = append(rep.Damage, fmt.Sprintf("%d entries of sessions, gate groups or keys do not open: the feed is read again from 0", bad))
		err = l.Reread()
	}
	return covered, err
}

// load fills the index: from the snapshot, or from the catalogue. from is the first fact that it does
// not hold; finish lets the feed's newer tickets count and is called when the facts have been folded.
func (l *Ledger) load(rep *Report, covered, first uint64) (finish func() error, from uint64, err error) {
	head, x, err := readSnapshot(l.path(snapshotFile))
	if err == nil {
		var keys [][]byte
		if keys, err = l.since(&head); err == nil && head.Covered+1 < first {
			err = errors.New("older than the journal")
		}
		if err == nil {
			l.x, rep.Snapshot = x, true
			l.snap.covered.Store(head.Covered)
			l.snap.atMs.Store(head.TimeMs)
			return func() error { return l.loadFresh(rep, keys) }, head.Covered + 1, nil
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		rep.Damage = append(rep.Damage, fmt.Sprintf("the snapshot was not used (%v): the index is rebuilt from the catalogue", err))
	}
	if err := l.disown(); err != nil {
		return nil, 0, err
	}
	l.x = index.New()
	if err := l.cat.view(l.loadStates); err != nil {
		return nil, 0, err
	}
	return func() error { return l.loadTickets(rep) }, covered + 1, nil
}

// since lists the keys of the tickets that the feed has changed since a snapshot began. An error says
// why the snapshot cannot be used.
func (l *Ledger) since(head *snapshotHead) (keys [][]byte, err error) {
	if head.Epoch != l.journal.Durable().Epoch || head.Covered > l.journal.End() {
		return nil, errors.New("of another journal")
	}
	err = l.cat.view(func(tx *bbolt.Tx) error {
		found := false
		for _, n := range freshNumbers(tx) {
			l.snap.number = max(l.snap.number, n)
			if n < head.Number {
				continue
			}
			found = found || n == head.Number
			b := tx.Bucket(freshName(n))
			if b.Get(keyOverflow) != nil {
				return errors.New("too much has changed since")
			}
			if err := b.ForEach(func(k, _ []byte) error {
				keys = append(keys, append([]byte(nil), k...))
				return nil
			}); err != nil {
				return err
			}
		}
		if !found {
			return errors.New("of another catalogue")
		}
		return nil
	})
	l.snap.noted = len(keys)
	return keys, err
}

// loadFresh brings the tickets at keys into the index as the catalogue has them now.
func (l *Ledger) loadFresh(rep *Report, keys [][]byte) error {
	bad := 0
	err := l.cat.view(func(tx *bbolt.Tx) error {
		for _, key := range keys {
			t, found, err := l.cat.readTicket(tx, key)
			switch {
			case err != nil:
				bad++
			case found:
				l.putTicket(&t, nil)
			default:
				l.loadGone(key)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return l.mendTickets(rep, bad)
}

// loadGone takes the ticket of a key that the catalogue no longer has out of use, unless it stands
// under another session now.
func (l *Ledger) loadGone(key []byte) {
	s, id, err := splitKey(key)
	if err != nil {
		return
	}
	slot, r := l.lock(id)
	if r == nil {
		return
	}
	here := l.session(r) == s
	l.x.Unlock(slot)
	if here {
		l.forget(&wire.Entry{Kind: wire.KindTicket, Key: wire.Key(id)}, nil)
	}
}

// loadTickets brings every ticket of the catalogue into the index: one goroutine opens them while this
// one files them.
func (l *Ledger) loadTickets(rep *Report) error {
	const chunk = 1000
	chunks := make(chan []ticket.Ticket, 4)
	bad, done := 0, make(chan error, 1)
	go func() {
		defer close(chunks)
		next := make([]ticket.Ticket, 0, chunk)
		done <- l.cat.view(func(tx *bbolt.Tx) error {
			err := tx.Bucket(bucketTicket).ForEach(func(k, v []byte) error {
				t, err := l.cat.ticket(k, v, true)
				if err != nil {
					bad++
					return nil //nolint:nilerr // counted, said, and fetched again
				}
				if next = append(next, t); len(next) == chunk {
					chunks <- next
					next = make([]ticket.Ticket, 0, chunk)
				}
				return nil
			})
			chunks <- next
			return err
		})
	}()
	for c := range chunks {
		for i := range c {
			l.putTicket(&c[i], nil)
		}
	}
	if err := <-done; err != nil {
		return err
	}
	return l.mendTickets(rep, bad)
}

// mendTickets has the feed read again when tickets did not open. Until they come they are refused as
// not yet synced.
func (l *Ledger) mendTickets(rep *Report, bad int) error {
	if bad == 0 {
		return nil
	}
	rep.Damage = append(rep.Damage, fmt.Sprintf("%d tickets of the catalogue do not open: the feed is read again from 0", bad))
	return l.Reread()
}

// recount sets the sessions' figures from the rows, after a start.
func (l *Ledger) recount() {
	l.figures.by = nil
	for s := range l.x.All() {
		r := l.x.Row(s)
		c := l.figures.of(r.Session)
		c.tickets.Add(bit(r.Has(index.Known)))
		c.entered.Add(bit(r.Used > 0))
		c.inside.Add(bit(r.Has(index.Inside)))
	}
}

func (l *Ledger) loadStates(tx *bbolt.Tx) error {
	return tx.Bucket(bucketState).ForEach(func(k, v []byte) error {
		session, id, err := splitKey(k)
		if err != nil {
			return err
		}
		h, _, err := decodeState(k, v)
		if err != nil {
			return err
		}
		slot, r := l.obtain(id)
		defer l.x.Unlock(slot)
		r.Session = l.x.Sessions.Number(session)
		l.setHeld(r, h)
		return nil
	})
}

func splitKey(k []byte) (ticket.SessionID, ticket.TicketID, error) {
	if len(k) != 16 {
		return 0, 0, fmt.Errorf("%w: key of %d bytes, want 16", ErrDamaged, len(k))
	}
	return ticket.SessionID(binary.BigEndian.Uint64(k)), ticket.TicketID(binary.BigEndian.Uint64(k[8:])), nil
}

// each opens every value of a bucket and counts those that do not open.
func each[T any](c *catalogue, tx *bbolt.Tx, bucket []byte, use func(*T)) (bad int, err error) {
	err = tx.Bucket(bucket).ForEach(func(k, v []byte) error {
		out := new(T)
		if c.unseal(bucket, k, v, out) != nil {
			bad++
			return nil
		}
		use(out)
		return nil
	})
	return bad, err
}

// replay reads the kept facts from a sequence on, takes their nonces, and folds those from fold on.
func (l *Ledger) replay(from, fold uint64) (int, error) {
	folded := 0
	var reader ticket.FactReader
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
			if err := l.replayOne(&reader, e, e.Seq >= fold); err != nil {
				return folded, fmt.Errorf("replay fact %d: %w", e.Seq, err)
			}
			if e.Seq >= fold {
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

func (l *Ledger) replayOne(reader *ticket.FactReader, e *journal.Entry, fold bool) error {
	kind := ticket.FactKind(e.Kind)
	if !kind.OfTicket() {
		return nil
	}
	var f ticket.Fact
	if err := reader.Fact(e.Body, &f); err != nil {
		return err
	}
	if f.Nonce != nil && f.Request != nil && f.Verdict != nil {
		l.nonces.restore(f.Device, *f.Nonce, e.Seq)
	}
	if kind == ticket.FactEntryAnnulled {
		l.nonces.annul(f.Of)
	}
	if kind == ticket.FactRefused || e.Seq <= l.covered.Load() && !fold {
		return nil
	}
	slot, r := l.obtain(f.Ticket)
	l.dirty.moved(slot, e.Seq) // also of a fact that only the snapshot holds: the catalogue does not yet
	if !fold {
		l.x.Unlock(slot)
		return nil
	}
	l.fold(r, kind, &f, e.TimeMs)
	l.x.Unlock(slot)
	switch kind {
	case ticket.FactEntryGranted:
		if f.Gated {
			l.open.add(e.Seq, &f)
		}
	case ticket.FactEntryPassed, ticket.FactEntryLapsed, ticket.FactEntryUncertain:
		l.open.remove(f.Of)
	default:
	}
	return nil
}
