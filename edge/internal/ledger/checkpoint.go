package ledger

import (
	"bytes"
	"context"
	"fmt"
	"sort"
	"sync"

	"go.etcd.io/bbolt"

	"yipiao/edge/internal/ledger/index"
	"yipiao/sync/ticket"
)

// dirtySet are the rows that changed since the last checkpoint, each with the sequence of its newest
// fact: 0 while that is being appended.
type dirtySet struct {
	mu    sync.Mutex
	rows  map[index.Slot]uint64
	taken map[index.Slot]uint64 // those of a checkpoint that is being written
	spare map[index.Slot]uint64 // an empty map for the next one
}

// keepSpare is the largest map kept for the next checkpoint: a burst should not stay in memory.
const keepSpare = 1 << 14

func (d *dirtySet) init() { d.rows = make(map[index.Slot]uint64) }

func (d *dirtySet) mark(s index.Slot) {
	d.mu.Lock()
	if _, ok := d.rows[s]; !ok {
		d.rows[s] = 0
	}
	d.mu.Unlock()
}

func (d *dirtySet) moved(s index.Slot, seq uint64) {
	d.mu.Lock()
	d.rows[s] = seq
	d.mu.Unlock()
}

// last is the newest fact of a row that may not be durable yet; 0 for none.
func (d *dirtySet) last(s index.Slot) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(d.rows[s], d.taken[s])
}

func (d *dirtySet) has(s index.Slot) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, a := d.rows[s]
	_, b := d.taken[s]
	return a || b
}

// take begins a checkpoint, done ends it; one that failed leaves its rows dirty.
func (d *dirtySet) take() map[index.Slot]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken, d.rows = d.rows, d.spare
	if d.rows == nil {
		d.rows = make(map[index.Slot]uint64)
	}
	d.spare = nil
	return d.taken
}

func (d *dirtySet) done(failed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if failed {
		for s, seq := range d.taken {
			d.rows[s] = max(d.rows[s], seq)
		}
	}
	if len(d.taken) <= keepSpare {
		clear(d.taken)
		d.spare = d.taken
	}
	d.taken = nil
}

// Checkpoint writes the state of every row that changed into the catalogue, sorted by key, together
// with the journal sequence it covers. A crash before it costs replay time only; one during it costs
// nothing. It may run beside everything else.
//
// Why it is right: a row joins the dirty set before its fact is appended, and stays locked until the
// fact is folded. So for every fact up to covered, read first, the row is in the set and its copy
// includes the fact. Copies may include later facts too: they are waited for, and replaying them over
// the copy changes nothing, because facts carry whole state.
func (l *Ledger) Checkpoint() error {
	l.checkMu.Lock()
	defer l.checkMu.Unlock()
	if err := l.mend(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	covered := l.coverable()
	rows := l.dirty.take()
	ms, _, _ := l.cfg.Clock.Now()
	age := l.nonces.age(ms, l.journal.End())
	if len(rows) == 0 && covered <= l.covered.Load() {
		l.dirty.done(false)
		return l.forgetRows()
	}
	pairs := l.encodeRows(rows)
	err := l.durable(context.Background(), l.journal.End())
	if err == nil {
		err = l.cat.update(func(tx *bbolt.Tx) error { return l.writeStates(tx, pairs, covered, age) })
	}
	l.dirty.done(err != nil)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	l.covered.Store(covered)
	return l.forgetRows()
}

// coverable is the last sequence whose facts are all in the rows, or 0. An open passage is rebuilt
// from its grant, so nothing from the oldest grant on is covered.
func (l *Ledger) coverable() uint64 {
	covered := l.journal.End()
	if oldest := l.open.oldest(covered + 1); oldest <= covered {
		covered = oldest - 1
	}
	return covered
}

type statePair struct{ key, value []byte }

func (l *Ledger) encodeRows(rows map[index.Slot]uint64) []statePair {
	pairs := make([]statePair, 0, len(rows))
	for s, last := range rows {
		l.x.Lock(s)
		r := l.x.Row(s)
		key := ticketKey(l.session(r), r.ID)
		pairs = append(pairs, statePair{key, encodeState(key, l.held(r), last)})
		l.x.Unlock(s)
	}
	sort.Slice(pairs, func(i, j int) bool { return bytes.Compare(pairs[i].key, pairs[j].key) < 0 })
	return pairs
}

func (l *Ledger) writeStates(tx *bbolt.Tx, pairs []statePair, covered uint64, age nonceAge) error {
	b := tx.Bucket(bucketState)
	for _, p := range pairs {
		if err := b.Put(p.key, p.value); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	for _, m := range []struct {
		key   string
		value uint64
	}{
		{"acked", l.acked.Load()}, {"covered", covered},
		{"nonce_from", age.from}, {"nonce_next", age.next}, {"nonce_since", uint64(age.sinceMs)},
	} {
		if err := meta.Put([]byte(m.key), u64(m.value)); err != nil {
			return err
		}
	}
	return nil
}

// forgetRows drops rows that nothing can be asked of any more: their ticket and session have left the
// feed, and the cloud holds every fact about them. It runs after a checkpoint that has covered them.
func (l *Ledger) forgetRows() error {
	if !l.purge.Load() || l.acked.Load() < l.journal.End() {
		return nil
	}
	l.purge.Store(false)
	v := l.venue.Load()
	type gone struct {
		slot index.Slot
		key  []byte
	}
	var out []gone
	for s := range l.x.All() {
		l.x.Lock(s)
		r := l.x.Row(s)
		id := l.session(r)
		if forgettable(r) && v.sessions[id] == nil && !l.dirty.has(s) {
			out = append(out, gone{s, ticketKey(id, r.ID)})
		}
		l.x.Unlock(s)
	}
	err := l.cat.update(func(tx *bbolt.Tx) error {
		for _, g := range out {
			if err := tx.Bucket(bucketState).Delete(g.key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget rows: %w", err)
	}
	for _, g := range out {
		l.dropRow(g.slot)
	}
	return nil
}

// forgettable reports whether nothing is going on with a row: neither a passage nor a page that has met it.
func forgettable(r *index.Row) bool {
	return r.ID != 0 && !r.Has(index.Known) && !r.Has(index.Recalling) && r.Passage == 0
}

// dropRow removes a row unless it has come back to life meanwhile.
func (l *Ledger) dropRow(s index.Slot) {
	l.x.Lock(s)
	defer l.x.Unlock(s)
	if r := l.x.Row(s); forgettable(r) && !l.dirty.has(s) {
		l.figures.moved(r.Session, l.held(r), ticket.Held{})
		l.x.Remove(s)
	}
}
