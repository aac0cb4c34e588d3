package ledger

import (
	"bytes"
	"context"
	"fmt"
	"sort"
	"sync"

	"go.etcd.io/bbolt"

	"yipiao/sync/ticket"
)

// dirtySet are the rows that changed since the last checkpoint.
type dirtySet struct {
	mu   sync.Mutex
	rows map[ticket.TicketID]*row
}

func (d *dirtySet) init() { d.rows = make(map[ticket.TicketID]*row) }

func (d *dirtySet) add(id ticket.TicketID, r *row) {
	d.mu.Lock()
	d.rows[id] = r
	d.mu.Unlock()
}

func (d *dirtySet) take() map[ticket.TicketID]*row {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows := d.rows
	d.rows = make(map[ticket.TicketID]*row)
	return rows
}

// putBack returns rows whose checkpoint failed.
func (d *dirtySet) putBack(rows map[ticket.TicketID]*row) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, r := range rows {
		d.rows[id] = r
	}
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
	covered := l.journal.End()
	if oldest := l.open.oldest(covered + 1); oldest <= covered {
		covered = oldest - 1 // an open passage is rebuilt from its grant
	}
	rows := l.dirty.take()
	if len(rows) == 0 && covered <= l.covered.Load() {
		return nil
	}
	pairs := encodeRows(rows)
	err := l.durable(context.Background(), l.journal.End())
	if err == nil {
		err = l.cat.db.Update(func(tx *bbolt.Tx) error { return l.writeStates(tx, pairs, covered) })
	}
	if err != nil {
		l.dirty.putBack(rows)
		return fmt.Errorf("checkpoint: %w", err)
	}
	l.covered.Store(covered)
	ms, _, _ := l.cfg.Clock.Now()
	l.nonces.forget(ms)
	return nil
}

type statePair struct{ key, value []byte }

func encodeRows(rows map[ticket.TicketID]*row) []statePair {
	pairs := make([]statePair, 0, len(rows))
	for id, r := range rows {
		r.mu.Lock()
		pairs = append(pairs, statePair{u64(uint64(id)), encodeState(r.held, r.last)})
		r.mu.Unlock()
	}
	sort.Slice(pairs, func(i, j int) bool { return bytes.Compare(pairs[i].key, pairs[j].key) < 0 })
	return pairs
}

func (l *Ledger) writeStates(tx *bbolt.Tx, pairs []statePair, covered uint64) error {
	b := tx.Bucket(bucketState)
	for _, p := range pairs {
		if err := b.Put(p.key, p.value); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	if err := meta.Put([]byte("acked"), u64(l.acked.Load())); err != nil {
		return err
	}
	return meta.Put([]byte("covered"), u64(covered))
}
