package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"yipiao/sync/ticket"
)

// exportRows bounds a read transaction: a long one would keep bbolt from reusing pages.
const exportRows = 1000

// FeedPlace is the feed epoch and the cursor.
func (l *Ledger) FeedPlace() (epoch string, cursor uint64) { return l.Cursor() }

// EachSession calls use with every session of the venue and stops at its first error.
func (l *Ledger) EachSession(use func(*ticket.Session) error) error {
	for _, s := range l.venue.Load().sessions {
		if err := use(&s.S); err != nil {
			return err
		}
	}
	return nil
}

// EachGroup calls use with every gate group and stops at its first error.
func (l *Ledger) EachGroup(use func(*ticket.GateGroup) error) error {
	for _, g := range l.venue.Load().groups {
		if err := use(g); err != nil {
			return err
		}
	}
	return nil
}

// EachKey calls use with every signing key and stops at its first error.
func (l *Ledger) EachKey(use func(*ticket.SignKey) error) error {
	for _, k := range l.venue.Load().keys {
		if err := use(&k); err != nil {
			return err
		}
	}
	return nil
}

// EachTicket calls use with every ticket of the catalogue, in order of (session, id), and with what the
// station holds of its right now. It stops at the first error. Lanes go on meanwhile: rows may be of
// different moments. use must not keep its argument.
func (l *Ledger) EachTicket(use func(*ticket.Ticket, ticket.Held) error) error {
	var after []byte
	for {
		tickets, last, err := l.someTickets(after)
		if err != nil {
			return err
		}
		for i := range tickets {
			t := &tickets[i]
			var h ticket.Held
			if slot, r := l.lock(t.ID); r != nil {
				h = l.held(r)
				l.x.Unlock(slot)
			}
			if err := use(t, h); err != nil {
				return err
			}
		}
		if len(tickets) < exportRows {
			return nil
		}
		after = last
	}
}

func (l *Ledger) someTickets(after []byte) (out []ticket.Ticket, last []byte, err error) {
	err = l.cat.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketTicket).Cursor()
		k, v := c.Seek(after)
		if after != nil && bytes.Equal(k, after) {
			k, v = c.Next()
		}
		for ; k != nil && len(out) < exportRows; k, v = c.Next() {
			t, err := l.cat.ticket(k, v, false)
			if err != nil {
				return err
			}
			out, last = append(out, t), bytes.Clone(k)
		}
		return nil
	})
	return out, last, err
}

// An Import fills the catalogue of a machine that has never run. It is not safe for concurrent use.
type Import struct {
	cat     *catalogue
	tx      *bbolt.Tx
	puts    int
	scratch []byte
}

// Refill makes Dir/catalogue.db of the rows that fill puts, and returns when they are durable. An
// existing catalogue is replaced; Dir must not be in use. If fill fails, nothing is left.
func Refill(cfg Config, fill func(*Import) error) (err error) {
	path := filepath.Join(cfg.Dir, catalogueFile)
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("refill: %w", err)
	}
	cat, err := openCatalogue(tmp, cfg.DataKey)
	if err != nil {
		return err
	}
	m := &Import{cat: cat}
	if m.tx, err = cat.db.Begin(true); err == nil {
		if err = fill(m); err == nil {
			err = m.tx.Commit()
		} else {
			err = errors.Join(err, m.tx.Rollback())
		}
	}
	if err = errors.Join(err, cat.close()); err == nil {
		err = moveInto(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return fmt.Errorf("refill: %w", err)
	}
	return nil
}

// next bounds the transaction.
func (m *Import) next() (err error) {
	if m.puts++; m.puts%5000 != 0 {
		return nil
	}
	if err = m.tx.Commit(); err == nil {
		m.tx, err = m.cat.db.Begin(true)
	}
	return err
}

// PutSession stores a session.
func (m *Import) PutSession(s *ticket.Session) error {
	return errors.Join(m.cat.put(m.tx, bucketSession, u64(uint64(s.ID)), &session{S: *s}), m.next())
}

// PutGroup stores a gate group.
func (m *Import) PutGroup(g *ticket.GateGroup) error {
	return errors.Join(m.cat.put(m.tx, bucketGroup, u64(uint64(g.ID)), g), m.next())
}

// PutKey stores a signing key.
func (m *Import) PutKey(k *ticket.SignKey) error {
	return errors.Join(m.cat.put(m.tx, bucketKey, u64(uint64(k.ID)), k), m.next())
}

// PutLocal stores a row of the station's own registry.
func (m *Import) PutLocal(key string, v any) error {
	return errors.Join(m.cat.put(m.tx, bucketLocal, []byte(key), v), m.next())
}

// PutTicket stores a ticket that this machine has no custody of, and what is remembered of its use:
// h.Gen becomes the newest generation seen, which can therefore never be exercised here.
func (m *Import) PutTicket(t *ticket.Ticket, h ticket.Held) error {
	mine := *t
	mine.Entry.Custody = ticket.CustodyCloud
	h.Holds, h.Recalling, h.Passage = false, false, ticket.PassageNone
	h.Gen = max(h.Gen, t.Entry.Gen)
	mine.Entry.Gen = h.Gen
	key := ticketKey(t.Session, t.ID)
	return errors.Join(
		m.cat.putTicket(m.tx.Bucket(bucketTicket), &mine, &m.scratch),
		m.tx.Bucket(bucketState).Put(key, encodeState(key, h, 0)), m.next())
}
