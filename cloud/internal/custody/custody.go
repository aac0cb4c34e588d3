// Package custody is the ticket desk and the cloud's end of the sync engine over the database: it
// issues tickets, and implements hub.Store with the transactions T1 to T4 (storage-and-scale.md part
// 4). The rules are hub's; this package knows their rows and statements, and must not know HTTP,
// certificates or pages.
package custody

import (
	"context"
	"fmt"

	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// Unseal opens a value that is sealed under the tenant's field key for one place.
type Unseal func(tenant ticket.TenantID, sealed []byte, place string) ([]byte, error)

// Store is a hub.Store over the database. It is safe for concurrent use.
type Store struct {
	hub.Bell
	db     *store.DB
	unseal Unseal
}

var _ hub.Store = (*Store)(nil)

// New returns a Store. unseal opens chain keys (ChainKeyPlace).
func New(db *store.DB, unseal Unseal) *Store { return &Store{db: db, unseal: unseal} }

// ChainKeyPlace is the place for which the chain key of a station's journal epoch is sealed.
func ChainKeyPlace(station link.Peer, epoch uint32) string {
	return fmt.Sprintf("station.chain_key/%d/%d/%d", station.Tenant, station.Station, epoch)
}

// A rule changes a ticket, or refuses to.
type rule func(r *desk, head hub.Head) error

// change applies one rule to one ticket, whose row is pending then. It locks the feed's head, then
// the ticket (T3's order for all of them).
func (s *Store) change(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID, apply rule) error {
	feed := link.Peer{Tenant: tenant}
	err := s.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		found, err := tx.Row(ctx, `
			SELECT feed
			FROM ticket
			WHERE tenant = $1 AND id = $2`, []any{tenant, id}, &feed.Station)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%w: %d", hub.ErrUnknownTicket, id)
		}
		head, err := readHead(ctx, tx, feed, tx.Dialect.Share)
		if err != nil {
			return err
		}
		row, found, err := readRow(ctx, tx, tenant, id, tx.Dialect.UpdateOf("t"))
		if err != nil {
			return err
		}
		if !found || row.Feed != feed {
			return fmt.Errorf("ticket %d: %w", id, store.ErrConflict)
		}
		if err := apply(&row, head); err != nil {
			return err
		}
		return touch(ctx, tx, &row.Row)
	})
	if err == nil {
		s.Ring(feed)
	}
	return err
}

// Grant implements hub.RightStore.
func (s *Store) Grant(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(ctx, tenant, id, func(r *desk, _ hub.Head) (err error) {
		r.Right, err = hub.Grant(r.Right, r.Ticket.Status)
		return err
	})
}

// TakeBack implements hub.RightStore (T3).
func (s *Store) TakeBack(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(ctx, tenant, id, func(r *desk, head hub.Head) (err error) {
		r.Right, err = hub.TakeBack(r.Right, head.Sent, r.signedEntry)
		return err
	})
}

// Recall implements hub.RightStore.
func (s *Store) Recall(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(ctx, tenant, id, func(r *desk, _ hub.Head) (err error) {
		r.Right, err = hub.Recall(r.Right)
		return err
	})
}

// Withdraw implements hub.RightStore.
func (s *Store) Withdraw(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(ctx, tenant, id, func(r *desk, _ hub.Head) (err error) {
		r.Right, err = hub.Withdraw(r.Right)
		return err
	})
}

// SetStatus implements hub.RightStore.
func (s *Store) SetStatus(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID, to ticket.Status, nowMs int64) error {
	return s.change(ctx, tenant, id, func(r *desk, _ hub.Head) error {
		if err := hub.ChangeStatus(r.Right, r.Ticket.Status, to); err != nil {
			return err
		}
		r.Ticket.Status, r.Ticket.StatusMs = to, nowMs
		return nil
	})
}

// Row implements hub.RightStore.
func (s *Store) Row(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) (hub.Row, error) {
	var row desk
	err := s.db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		var found bool
		var err error
		if row, found, err = readRow(ctx, tx, tenant, id, ""); err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%w: %d", hub.ErrUnknownTicket, id)
		}
		return nil
	})
	return row.Row, err
}

// A SessionDigest is the digest of a session's tickets in one feed, and their number.
type SessionDigest struct {
	Session ticket.SessionID
	Tickets int
	Used    int // uses of all rights together
	Digest  ticket.Digest
}

// Digests returns the digest of every session with tickets in the feed, by session (sync.md section
// 5), as of the transaction's snapshot.
func Digests(ctx context.Context, tx *store.Tx, feed link.Peer) ([]SessionDigest, error) {
	var out []SessionDigest
	err := tx.Rows(ctx, `
		SELECT t.session, t.id, t.ver, t.e_state, t.e_gen, t.e_hand, coalesce(t.e_granted_seq, 0), t.e_used, t.e_inside, h.lost_pos
		FROM ticket t
		JOIN feed_head h ON h.tenant = t.tenant AND h.feed = t.feed
		WHERE t.tenant = $1 AND t.feed = $2
		ORDER BY t.session`,
		[]any{feed.Tenant, feed.Station}, func(scan store.Scan) error {
			r := hub.Row{Feed: feed}
			t, e := &r.Ticket, &r.Right
			var lost uint64
			if err := scan(&t.Session, &t.ID, &t.Ver, &e.State, &e.Gen, &e.Hand, &e.GrantedSeq, &e.Used, &e.Inside, &lost); err != nil {
				return err
			}
			*e = hub.Strand(*e, lost)
			if n := len(out); n == 0 || out[n-1].Session != t.Session {
				out = append(out, SessionDigest{Session: t.Session})
			}
			last := &out[len(out)-1]
			last.Tickets++
			last.Used += int(e.Used)
			last.Digest.Add(r.Standing())
			return nil
		})
	return out, err
}
