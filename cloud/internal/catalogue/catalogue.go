// Package catalogue plans what is shown where: venues, halls, gate groups and sessions, and tells
// every station that has to know. It must not know tickets, SQL or pages.
//
// One station serves one venue; its feed carries all sessions and gate groups of that venue and all
// signing keys of the tenant (sync.md section 1).
package catalogue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"yipiao/cloud/internal/store"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A checked thing can say whether it is complete.
type checked interface{ Validate() error }

func put(ctx context.Context, tx *store.Tx, feed link.Peer, kind wire.EntryKind, key string, v checked) error {
	if err := v.Validate(); err != nil {
		return fmt.Errorf("%s %s: %w", kind, key, err)
	}
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, key, err)
	}
	return tx.PutItem(ctx, feed, kind, key, body)
}

// feeds are the feeds of a venue's stations.
func feeds(ctx context.Context, tx *store.Tx, tenant ticket.TenantID, venue store.VenueID) ([]link.Peer, error) {
	all, err := tx.Stations(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var out []link.Peer
	for _, s := range all {
		if s.Venue == venue {
			out = append(out, link.Peer{Tenant: tenant, Station: s.ID})
		}
	}
	return out, nil
}

// Venue returns the venue of that name, which it makes where there is none.
func Venue(ctx context.Context, tx *store.Tx, tenant ticket.TenantID, name string) (store.Venue, error) {
	all, err := tx.Venues(ctx, tenant)
	if err != nil {
		return store.Venue{}, err
	}
	for _, v := range all {
		if v.Name == name {
			return v, nil
		}
	}
	v := store.Venue{Name: name}
	return v, tx.AddVenue(ctx, tenant, &v)
}

// AddStation registers a station of a venue. Its feed begins with everything that it must know.
func AddStation(ctx context.Context, tx *store.Tx, tenant ticket.TenantID, venue store.VenueID, name string, nowMs int64) (store.Station, error) {
	s := store.Station{Venue: venue, Name: name}
	epoch := make([]byte, 8)
	if _, err := rand.Read(epoch); err != nil {
		return s, fmt.Errorf("make feed epoch: %w", err)
	}
	if err := tx.AddStation(ctx, tenant, &s, hex.EncodeToString(epoch), nowMs); err != nil {
		return s, err
	}
	feed := link.Peer{Tenant: tenant, Station: s.ID}
	groups, err := tx.GateGroups(ctx, tenant, venue)
	if err != nil {
		return s, err
	}
	for i := range groups {
		if err := put(ctx, tx, feed, wire.KindGateGroup, wire.Key(groups[i].ID), &groups[i]); err != nil {
			return s, err
		}
	}
	sessions, err := tx.SessionsOf(ctx, tenant, venue)
	if err != nil {
		return s, err
	}
	for i := range sessions {
		if err := put(ctx, tx, feed, wire.KindSession, wire.Key(sessions[i].ID), &sessions[i].Session); err != nil {
			return s, err
		}
	}
	keys, err := tx.SignKeys(ctx, tenant)
	if err != nil {
		return s, err
	}
	for i := range keys {
		if err := put(ctx, tx, feed, wire.KindSignKey, wire.Key(keys[i].ID), &keys[i].SignKey); err != nil {
			return s, err
		}
	}
	return s, nil
}

// AddGateGroup adds a gate group to a hall of the venue.
func AddGateGroup(ctx context.Context, tx *store.Tx, tenant ticket.TenantID, venue store.VenueID, g ticket.GateGroup) error {
	if err := tx.AddGateGroup(ctx, tenant, venue, &g); err != nil {
		return err
	}
	to, err := feeds(ctx, tx, tenant, venue)
	if err != nil {
		return err
	}
	for _, feed := range to {
		if err := put(ctx, tx, feed, wire.KindGateGroup, wire.Key(g.ID), &g); err != nil {
			return err
		}
	}
	return nil
}

// AddSession plans a session, sets its id, and opens its seats for sale.
func AddSession(ctx context.Context, tx *store.Tx, tenant ticket.TenantID, hall *store.Hall, s *store.Session, seats []string, nowMs int64) error {
	s.Hall, s.HallName = hall.ID, hall.Name
	if err := tx.AddSession(ctx, tenant, s, nowMs); err != nil {
		return err
	}
	if err := tx.AddSeats(ctx, tenant, s.ID, seats); err != nil {
		return err
	}
	to, err := feeds(ctx, tx, tenant, hall.Venue)
	if err != nil {
		return err
	}
	for _, feed := range to {
		if err := put(ctx, tx, feed, wire.KindSession, wire.Key(s.ID), &s.Session); err != nil {
			return err
		}
	}
	return nil
}
