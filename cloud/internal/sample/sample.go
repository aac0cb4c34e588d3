package sample

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"yipiao/cloud/internal/catalogue"
	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/seal"
	"yipiao/cloud/internal/store"
	"yipiao/sync/ticket"
)

const (
	defaultSeats   = 1200
	defaultTickets = 500
	sellAtOnce     = 5000 // tickets in one transaction
)

// A Maker makes the sample of one tenant.
type Maker struct {
	DB      *store.DB
	Tenant  ticket.TenantID
	Key     *seal.Key          // field key of the tenant
	SignKey ticket.KeyID       // signs the credentials
	Sign    ed25519.PrivateKey // of SignKey
}

// Options say how large the sample is.
type Options struct {
	Seats   int    // of the hall; 0: as it is, 1,200 at first
	Tickets int    // sold in all over today's two sessions; 0: 500
	Wallet  string // file of the buyers' tickets
}

// A Session is a session of the sample.
type Session struct {
	ID        ticket.SessionID   `json:"id"`
	Code      ticket.SessionCode `json:"code"`
	Name      string             `json:"name"`
	StartMs   int64              `json:"start_ms"`
	Admitting bool               `json:"admitting"`
	Sold      int                `json:"sold"`
}

// A Result says what there is now.
type Result struct {
	Venue    string           `json:"venue"`
	Hall     ticket.HallCode  `json:"hall"`
	Seats    int              `json:"seats"`
	Station  ticket.StationID `json:"station"` // home of both gate groups
	Sessions []Session        `json:"sessions"`
	New      int              `json:"new_tickets"`
	Removed  int              `json:"removed_cards"` // wallet lines of tickets that are not this cloud's
	Missing  int              `json:"missing_cards"` // tickets sold earlier whose wallet line is gone
}

// HolderPlace is the place for which a ticket holder's name is sealed.
func HolderPlace(tenant ticket.TenantID, id ticket.TicketID) string {
	return fmt.Sprintf("ticket.holder/%d/%d", tenant, id)
}

// Make brings the sample up to date at now. What exists stays, so it may be run again.
func (m *Maker) Make(ctx context.Context, o Options, now time.Time) (*Result, error) {
	if o.Wallet == "" || o.Seats < 0 || o.Tickets < 0 {
		return nil, errors.New("sample: a wallet file is needed, and numbers from 0")
	}
	if o.Tickets == 0 {
		o.Tickets = defaultTickets
	}
	var known map[ticket.TicketID]ticket.Hash
	err := m.DB.Read(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		known, err = custody.CredHashes(ctx, tx, m.Tenant)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := new(Result)
	purse, st, err := openWallet(o.Wallet, known)
	if err != nil {
		return nil, err
	}
	out.Removed, out.Missing = st.removed, st.missing
	var sessions []store.Session
	err = m.DB.Write(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		out.Station = 0 // the transaction may be run again
		sessions, err = m.plan(ctx, tx, o, now, out)
		return err
	})
	if err != nil {
		return nil, err
	}
	left := o.Tickets
	for i := range sessions {
		want := left
		if i == 0 && len(sessions) > 1 {
			want = o.Tickets - o.Tickets*2/5
		}
		left -= want
		sold, err := m.fill(ctx, &sessions[i], out, want, purse, now)
		if err != nil {
			return nil, err
		}
		s := &sessions[i]
		out.Sessions = append(out.Sessions, Session{
			ID: s.ID, Code: s.Code, Name: s.Name, StartMs: s.StartMs, Admitting: admits(s, now), Sold: sold,
		})
	}
	return out, nil
}

// plan makes sure of theatre, station and today's sessions: first the one that admits.
func (m *Maker) plan(ctx context.Context, tx *store.Tx, o Options, now time.Time, out *Result) ([]store.Session, error) {
	hall, err := m.theatre(ctx, tx, o, now, out)
	if err != nil {
		return nil, err
	}
	from, to := today(now)
	all, err := tx.SessionsBetween(ctx, m.Tenant, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, err
	}
	add := func(start time.Time, open bool) (store.Session, error) {
		s, err := newSession(start, all, open)
		if err != nil {
			return s, err
		}
		labels := make([]string, hall.Seats)
		for i, p := range places(hall.Seats) {
			labels[i] = p.label
		}
		err = catalogue.AddSession(ctx, tx, m.Tenant, hall, &s, labels, now.UnixMilli())
		all = append(all, s)
		return s, err
	}
	open, ok := pick(all, hall, func(s *store.Session) bool { return admits(s, now) })
	if !ok {
		if open, err = add(startOpen(now), true); err != nil {
			return nil, err
		}
	}
	sessions := []store.Session{open}
	closed, ok := pick(all, hall, func(s *store.Session) bool { return rests(s, now) })
	if !ok {
		start, room := startClosed(now, ticket.Time(open.StartMs))
		if !room {
			return sessions, nil
		}
		if closed, err = add(start, false); err != nil {
			return nil, err
		}
	}
	return append(sessions, closed), nil
}

func pick(all []store.Session, hall *store.Hall, fits func(*store.Session) bool) (store.Session, bool) {
	for i := range all {
		if all[i].Hall == hall.ID && fits(&all[i]) {
			return all[i], true
		}
	}
	return store.Session{}, false
}

// theatre makes sure of venue, station, hall and gate groups.
func (m *Maker) theatre(ctx context.Context, tx *store.Tx, o Options, now time.Time, out *Result) (*store.Hall, error) {
	venue, err := catalogue.Venue(ctx, tx, m.Tenant, VenueName)
	if err != nil {
		return nil, err
	}
	stations, err := tx.Stations(ctx, m.Tenant)
	if err != nil {
		return nil, err
	}
	for _, s := range stations {
		if s.Venue == venue.ID && out.Station == 0 {
			out.Station = s.ID
		}
	}
	if out.Station == 0 {
		s, err := catalogue.AddStation(ctx, tx, m.Tenant, venue.ID, stationName, now.UnixMilli())
		if err != nil {
			return nil, err
		}
		out.Station = s.ID
	}
	hall, err := m.hall(ctx, tx, venue.ID, o.Seats)
	if err != nil {
		return nil, err
	}
	out.Venue, out.Hall, out.Seats = venue.Name, hall.Code, hall.Seats
	groups, err := tx.GateGroups(ctx, m.Tenant, venue.ID)
	if err != nil || len(groups) > 0 {
		return hall, err
	}
	for id := ticket.GateGroupID(1); id <= 2; id++ {
		g := ticket.GateGroup{ID: id, Hall: hall.ID, HallName: hall.Name, Name: fmt.Sprintf("%d号门", id), Home: out.Station}
		if err := catalogue.AddGateGroup(ctx, tx, m.Tenant, venue.ID, g); err != nil {
			return nil, err
		}
	}
	return hall, nil
}

func (m *Maker) hall(ctx context.Context, tx *store.Tx, venue store.VenueID, seats int) (*store.Hall, error) {
	halls, err := tx.Halls(ctx, m.Tenant)
	if err != nil {
		return nil, err
	}
	for _, h := range halls {
		if h.Code != hallCode {
			continue
		}
		if seats != 0 && seats != h.Seats {
			return nil, fmt.Errorf("sample: the hall has %d seats already, not %d", h.Seats, seats)
		}
		return &h, nil
	}
	if seats == 0 {
		seats = defaultSeats
	}
	h := store.Hall{Venue: venue, Code: hallCode, Name: hallName, Seats: seats}
	return &h, tx.AddHall(ctx, m.Tenant, &h)
}
