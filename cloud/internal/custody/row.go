package custody

import (
	"context"
	"fmt"
	"math"
	"slices"

	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// A desk is a ticket with what its rules look at besides.
type desk struct {
	hub.Row
	signedEntry bool // the policy of its session (R9)
}

const rowColumns = `
	t.feed, coalesce(t.seq, 0), t.id, t.session, t.gate_group, t.ver, t.code, t.type, t.seat, t.holder_mask, t.order_no,
	t.status, t.status_ms, t.cred, t.cred_hash,
	t.e_state, t.e_gen, t.e_hand, coalesce(t.e_granted_seq, 0), t.e_used, t.e_inside, t.e_max,
	(SELECT lost_pos FROM feed_head h WHERE h.tenant = t.tenant AND h.feed = t.feed)`

// statuses lists ticket statuses under the numbers by which they are stored.
func statuses() []ticket.Status {
	return []ticket.Status{ticket.StatusValid, ticket.StatusRefunded, ticket.StatusBlocked}
}

// scanRow reads rowColumns, and more columns where there are any.
func scanRow(scan store.Scan, tenant ticket.TenantID, r *hub.Row, more ...any) error {
	var status int
	var lost uint64
	var hash []byte
	t, e := &r.Ticket, &r.Right
	dest := []any{
		&r.Feed.Station, &r.Seq, &t.ID, &t.Session, &t.Group, &t.Ver, &t.Code, &t.Type, &t.Seat, &t.Holder, &t.Order,
		&status, &t.StatusMs, &t.Cred, &hash,
		&e.State, &e.Gen, &e.Hand, &e.GrantedSeq, &e.Used, &e.Inside, &e.Max, &lost,
	}
	if err := scan(append(dest, more...)...); err != nil {
		return err
	}
	if len(hash) != ticket.HashSize || status < 0 || status >= len(statuses()) {
		return fmt.Errorf("ticket %d: stored hash of %d bytes, status %d", t.ID, len(hash), status)
	}
	r.Feed.Tenant = tenant
	*e = hub.Strand(*e, lost)
	t.Status, t.CredHash = statuses()[status], ticket.Hash(hash)
	return nil
}

func readRow(ctx context.Context, tx *store.Tx, tenant ticket.TenantID, id ticket.TicketID, lock string) (r desk, found bool, err error) {
	if id > math.MaxInt64 { // no database has such a number; a fact may
		return r, false, nil
	}
	err = tx.Rows(ctx, `
		SELECT `+rowColumns+`, s.offline_signed_entry
		FROM ticket t
		JOIN session s ON s.tenant = t.tenant AND s.id = t.session
		WHERE t.tenant = $1 AND t.id = $2 `+lock, []any{tenant, id}, func(scan store.Scan) error {
		found = true
		return scanRow(scan, tenant, &r.Row, &r.signedEntry)
	})
	return r, found, err
}

// touch stores what may change of tickets, each as its next version, pending.
func touch(ctx context.Context, tx *store.Tx, rows ...*hub.Row) error {
	const i = store.Int
	return tx.ExecAllRows(ctx, `
		UPDATE ticket
		SET ver = ticket.ver + 1, seq = NULL, status = r.c4, status_ms = r.c5,
			e_state = r.c6, e_gen = r.c7, e_granted_seq = nullif(r.c8, 0)
		FROM {{rows}}
		WHERE ticket.tenant = r.c1 AND ticket.id = r.c2 AND ticket.ver = r.c3`,
		[]store.Kind{i, i, i, i, i, i, i, i}, len(rows), func(n int) []any {
			t, e := &rows[n].Ticket, &rows[n].Right
			return []any{
				rows[n].Feed.Tenant, t.ID, t.Ver, slices.Index(statuses(), t.Status), t.StatusMs, e.State, e.Gen, e.GrantedSeq,
			}
		})
}

// readHead returns the head of a feed; ErrUnknownStation when there is none.
func readHead(ctx context.Context, tx *store.Tx, feed link.Peer, lock string) (hub.Head, error) {
	var h hub.Head
	found, err := tx.Row(ctx, `
		SELECT epoch, head, sent_pos, lost_pos
		FROM feed_head
		WHERE tenant = $1 AND feed = $2 `+lock, []any{feed.Tenant, feed.Station}, &h.Epoch, &h.Pos, &h.Sent, &h.Lost)
	if err == nil && !found {
		err = unknownStation(feed)
	}
	return h, err
}

func unknownStation(feed link.Peer) error {
	return fmt.Errorf("%w: %s of tenant %d", hub.ErrUnknownStation, feed.Station, feed.Tenant)
}

// A Sale is a ticket that is sold and issued.
type Sale struct {
	Ticket ticket.Ticket    // Ver and Entry but its Max are not used
	Home   ticket.StationID // its feed
	Holder []byte           // full name, sealed; nil for none
	Price  ticket.Fen
}

// Issue sells tickets: their seats are taken, and their right of entry is granted to the home station
// at once. A seat that is not free is store.ErrConflict; then nothing may be committed.
func Issue(ctx context.Context, tx *store.Tx, tenant ticket.TenantID, sales []Sale, nowMs int64) error {
	granted := make([]hub.Right, len(sales))
	for i := range sales {
		var err error
		if granted[i], err = hub.Grant(hub.Right{Max: sales[i].Ticket.Entry.Max}, sales[i].Ticket.Status); err != nil {
			return err
		}
	}
	if err := insert(ctx, tx, tenant, sales, granted, nowMs); err != nil {
		return err
	}
	seats := make([]store.Taking, len(sales))
	for i := range sales {
		t := &sales[i].Ticket
		seats[i] = store.Taking{Session: t.Session, Seat: t.Seat, Ticket: t.ID}
	}
	return tx.TakeSeats(ctx, tenant, seats)
}

func insert(ctx context.Context, tx *store.Tx, tenant ticket.TenantID, sales []Sale, rights []hub.Right, nowMs int64) error {
	const i, t, b = store.Int, store.Text, store.Bytes
	return tx.ExecAllRows(ctx, `
		INSERT INTO ticket (tenant, id, session, gate_group, feed, ver, code, type, seat, order_no, holder, holder_mask,
			price_fen, sold_ms, status, status_ms, cred, cred_hash,
			e_state, e_gen, e_hand, e_used, e_inside, e_max)
		SELECT r.c1, r.c2, r.c3, r.c4, r.c5, 1, r.c6, r.c7, r.c8, r.c9, r.c10, r.c11,
			r.c12, r.c13, r.c14, r.c15, r.c16, r.c17,
			r.c18, r.c19, r.c20, 0, 0, r.c21
		FROM {{rows}}`,
		[]store.Kind{i, i, i, i, i, t, i, t, t, b, t, i, i, i, i, i, b, i, i, i, i}, len(sales), func(n int) []any {
			s, t, e := &sales[n], &sales[n].Ticket, &rights[n]
			return []any{
				tenant, t.ID, t.Session, t.Group, s.Home, t.Code, t.Type, t.Seat, t.Order, s.Holder, t.Holder,
				s.Price, nowMs, slices.Index(statuses(), t.Status), t.StatusMs, t.Cred, t.CredHash[:],
				e.State, e.Gen, e.Hand, e.Max,
			}
		})
}

// LastTicket is the largest ticket id of the tenant, 0 for none.
func LastTicket(ctx context.Context, tx *store.Tx, tenant ticket.TenantID) (ticket.TicketID, error) {
	var id ticket.TicketID
	_, err := tx.Row(ctx, `SELECT coalesce(max(id), 0) FROM ticket WHERE tenant = $1`, []any{tenant}, &id)
	return id, err
}

// CredHashes returns the hash of the valid credential of every ticket of the tenant.
func CredHashes(ctx context.Context, tx *store.Tx, tenant ticket.TenantID) (map[ticket.TicketID]ticket.Hash, error) {
	out := make(map[ticket.TicketID]ticket.Hash)
	err := tx.Rows(ctx, `
		SELECT id, cred_hash
		FROM ticket
		WHERE tenant = $1`, []any{tenant}, func(scan store.Scan) error {
		var id ticket.TicketID
		var hash []byte
		if err := scan(&id, &hash); err != nil {
			return err
		}
		if len(hash) != ticket.HashSize {
			return fmt.Errorf("ticket %d: stored hash of %d bytes", id, len(hash))
		}
		out[id] = ticket.Hash(hash)
		return nil
	})
	return out, err
}
