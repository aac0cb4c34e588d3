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

// stampChunk bounds a stamping transaction, so that others get their turn.
const stampChunk = 5000

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

// change applies one rule to one ticket, whose row is pending then: lock the feed's head, then the
// ticket (T3's order for all of them).
func (s *Store) change(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID, rule func(*hub.Row, head) error) error {
	var feed link.Peer
	err := s.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		feed = link.Peer{Tenant: tenant}
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
		h, err := readHead(ctx, tx, feed, tx.Dialect.Share)
		if err != nil {
			return err
		}
		row, found, err := readRow(ctx, tx, tenant, id, tx.Dialect.Update)
		if err != nil {
			return err
		}
		if !found || row.Feed != feed {
			return fmt.Errorf("ticket %d: %w", id, store.ErrConflict)
		}
		if err := rule(&row, h); err != nil {
			return err
		}
		return writeRow(ctx, tx, &row)
	})
	if err == nil {
		s.Ring(feed)
	}
	return err
}

// Grant implements hub.RightStore.
func (s *Store) Grant(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(ctx, tenant, id, func(r *hub.Row, _ head) (err error) {
		r.Right, err = hub.Grant(r.Right, r.Ticket.Status)
		return err
	})
}

// TakeBack implements hub.RightStore (T3).
func (s *Store) TakeBack(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(ctx, tenant, id, func(r *hub.Row, h head) (err error) {
		r.Right, err = hub.TakeBack(r.Right, h.Sent, h.signed[r.Ticket.Session])
		return err
	})
}

// Recall implements hub.RightStore.
func (s *Store) Recall(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(ctx, tenant, id, func(r *hub.Row, _ head) (err error) {
		r.Right, err = hub.Recall(r.Right)
		return err
	})
}

// Withdraw implements hub.RightStore.
func (s *Store) Withdraw(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error {
	return s.change(ctx, tenant, id, func(r *hub.Row, _ head) (err error) {
		r.Right, err = hub.Withdraw(r.Right)
		return err
	})
}
