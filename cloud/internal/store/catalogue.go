package store

import (
	"context"

	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// VenueID is a venue, unique in its tenant.
type VenueID uint64

// A Venue is a place with one or more halls.
type Venue struct {
	ID   VenueID
	Name string
}

// A Hall is a hall of a venue.
type Hall struct {
	ID    ticket.HallID
	Venue VenueID
	Code  ticket.HallCode
	Name  string
	Seats int
}

// Venues returns the venues of a tenant.
func (tx *Tx) Venues(ctx context.Context, tenant ticket.TenantID) ([]Venue, error) {
	return List(ctx, tx, `
		SELECT id, name
		FROM venue
		WHERE tenant = $1
		ORDER BY id`, []any{tenant}, func(row Scan, v *Venue) error { return row(&v.ID, &v.Name) })
}

// AddVenue inserts a venue and sets its id.
func (tx *Tx) AddVenue(ctx context.Context, tenant ticket.TenantID, v *Venue) error {
	if err := tx.next(ctx, "venue", tenant, &v.ID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO venue (tenant, id, name) VALUES ($1, $2, $3)`, tenant, v.ID, v.Name)
	return err
}

// numbering makes this transaction the only one that adds stations or what every station is told of, until
// it ends: numbers are the largest plus one, and whoever adds a station or a session sees all of the others.
func (tx *Tx) numbering(ctx context.Context, tenant ticket.TenantID) error {
	_, err := tx.Row(ctx, `SELECT 1 FROM tenant WHERE tenant = $1 `+tx.Dialect.Update, []any{tenant}, new(int))
	return err
}

// next reads the next small number of a table. The table's name is a constant of this package.
func (tx *Tx) next(ctx context.Context, table string, tenant ticket.TenantID, id any) error {
	if err := tx.numbering(ctx, tenant); err != nil {
		return err
	}
	_, err := tx.Row(ctx, `SELECT coalesce(max(id), 0) + 1 FROM `+table+` WHERE tenant = $1`, []any{tenant}, id)
	return err
}

// Halls returns the halls of a tenant.
func (tx *Tx) Halls(ctx context.Context, tenant ticket.TenantID) ([]Hall, error) {
	return List(ctx, tx, `
		SELECT id, venue, code, name, seats
		FROM hall
		WHERE tenant = $1
		ORDER BY id`, []any{tenant}, func(row Scan, h *Hall) error {
		return row(&h.ID, &h.Venue, &h.Code, &h.Name, &h.Seats)
	})
}

// AddHall inserts a hall and sets its id.
func (tx *Tx) AddHall(ctx context.Context, tenant ticket.TenantID, h *Hall) error {
	if err := tx.next(ctx, "hall", tenant, &h.ID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO hall (tenant, id, venue, code, name, seats)
		VALUES ($1, $2, $3, $4, $5, $6)`, tenant, h.ID, h.Venue, h.Code, h.Name, h.Seats)
	return err
}

// GateGroups returns the gate groups of a venue.
func (tx *Tx) GateGroups(ctx context.Context, tenant ticket.TenantID, venue VenueID) ([]ticket.GateGroup, error) {
	return List(ctx, tx, `
		SELECT g.id, g.hall, h.name, g.name, g.home_station
		FROM gate_group g
		JOIN hall h ON h.tenant = g.tenant AND h.id = g.hall
		WHERE g.tenant = $1 AND g.venue = $2
		ORDER BY g.id`, []any{tenant, venue}, func(row Scan, g *ticket.GateGroup) error {
		return row(&g.ID, &g.Hall, &g.HallName, &g.Name, &g.Home)
	})
}

// AddGateGroup inserts a gate group.
func (tx *Tx) AddGateGroup(ctx context.Context, tenant ticket.TenantID, venue VenueID, g *ticket.GateGroup) error {
	if err := tx.numbering(ctx, tenant); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO gate_group (tenant, venue, id, hall, name, home_station)
		VALUES ($1, $2, $3, $4, $5, $6)`, tenant, venue, g.ID, g.Hall, g.Name, g.Home)
	return err
}

// PutItem makes body the present state of something in a feed that is not a ticket. It is pending
// then, unless the feed says so already.
func (tx *Tx) PutItem(ctx context.Context, feed link.Peer, kind wire.EntryKind, key string, body []byte) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO feed_item (tenant, feed, kind, key, ver, gone, body)
		VALUES ($1, $2, $3, $4, 1, 0, $5)
		ON CONFLICT (tenant, feed, kind, key) DO UPDATE
		SET ver = feed_item.ver + 1, seq = NULL, gone = 0, body = excluded.body
		WHERE feed_item.gone <> 0 OR feed_item.body <> excluded.body`,
		feed.Tenant, feed.Station, kind, key, string(body))
	return err
}
