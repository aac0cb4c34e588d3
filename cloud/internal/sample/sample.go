package sample

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"yipiao/cloud/internal/catalogue"
	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/people"
	"yipiao/cloud/internal/seal"
	"yipiao/cloud/internal/store"
	"yipiao/sync/ticket"
)

const (
	defaultSeats   = 1200
	defaultTickets = 500
	sellAtOnce     = 2000 // tickets in one transaction
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
	purse, removed, missing, err := openWallet(o.Wallet, known)
	if err != nil {
		return nil, err
	}
	out.Removed, out.Missing = removed, missing
	var sessions []store.Session
	err = m.DB.Write(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
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

// fill sells tickets of a session until want are sold, and returns how many are.
func (m *Maker) fill(ctx context.Context, s *store.Session, out *Result, want int, purse *wallet, now time.Time) (int, error) {
	if want > out.Seats {
		return 0, fmt.Errorf("sample: %d tickets do not fit into %d seats", want, out.Seats)
	}
	for {
		var free []string
		var last ticket.TicketID
		err := m.DB.Read(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
			if free, err = tx.FreeSeats(ctx, m.Tenant, s.ID); err != nil {
				return err
			}
			last, err = custody.LastTicket(ctx, tx, m.Tenant)
			return err
		})
		if err != nil {
			return 0, err
		}
		sold := out.Seats - len(free)
		if sold >= want {
			return sold, nil
		}
		b := batch{maker: m, session: s, home: out.Station, sold: sold, next: store.NextID(last, now.UnixMilli())}
		b.rand = mrand.New(mrand.NewPCG(uint64(s.ID), uint64(sold)))
		if err := b.prepare(free, out.Seats, min(want-sold, sellAtOnce)); err != nil {
			return 0, err
		}
		if err := b.commit(ctx, purse, now); err != nil {
			return 0, err
		}
		out.New += len(b.sales)
	}
}

// A batch is some tickets on their way from free seats to wallets.
type batch struct {
	maker   *Maker
	session *store.Session
	home    ticket.StationID
	sold    int // tickets of the session before this batch
	next    ticket.TicketID
	rand    *mrand.Rand
	sales   []custody.Sale
	cards   []Card
}

// prepare makes n tickets for free seats: orders of one to four neighbours, here and there.
func (b *batch) prepare(free []string, seats, n int) error {
	isFree := make(map[string]bool, len(free))
	for _, seat := range free {
		isFree[seat] = true
	}
	all := places(seats)
	blocks := b.rand.Perm((len(all) + 3) / 4)
	for pass := 0; len(b.sales) < n; pass++ {
		if pass > 1 {
			return fmt.Errorf("sample: no free seat for ticket %d of session %s", b.sold+len(b.sales)+1, b.session.Code)
		}
		for _, at := range blocks {
			party := 4
			if pass == 0 {
				party = 1 + b.rand.IntN(4)
			}
			order := b.order()
			for _, p := range all[at*4 : min(at*4+4, len(all))] {
				if party == 0 || len(b.sales) == n || !isFree[p.label] {
					continue
				}
				isFree[p.label] = false
				party--
				if err := b.ticket(p, order); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *batch) serial() int { return b.sold + len(b.sales) + 1 }

func (b *batch) order() string { return fmt.Sprintf("YP%s%06d", b.session.Code[11:], b.serial()) }

// ticket makes one ticket, signs its credential and seals its holder's name.
func (b *batch) ticket(p place, order string) error {
	holder := name(b.rand)
	if b.serial() == 1 {
		holder = fourByte
	}
	t := ticket.Ticket{
		ID: b.next, Session: b.session.ID, Group: p.gate, Type: ticket.TypeNormal, Seat: p.label, Order: order,
		Code: ticket.TicketCode(fmt.Sprintf("%s%06d", b.session.Code, b.serial())), Holder: people.Mask(holder),
		Status: ticket.StatusValid, Cred: 1, Entry: ticket.Right{Max: b.session.MaxEntries},
	}
	cost := price(p.row)
	switch b.rand.IntN(50) {
	case 0:
		t.Type, cost = ticket.TypeWork, 0
	case 1:
		t.Type, cost = ticket.TypeComplimentary, 0
	}
	c := ticket.Credential{
		Key: b.maker.SignKey, Tenant: b.maker.Tenant, Session: t.Session, Group: t.Group, Ticket: t.ID, Number: t.Cred,
	}
	if _, err := rand.Read(c.Random[:]); err != nil {
		return fmt.Errorf("make credential: %w", err)
	}
	c.Sign(b.maker.Sign)
	t.CredHash = ticket.PayloadHash(c.Text())
	check := t
	check.Entry.Custody = ticket.CustodyGranted
	if err := check.Validate(); err != nil {
		return err
	}
	sealed, err := b.maker.Key.Seal([]byte(holder), HolderPlace(b.maker.Tenant, t.ID))
	if err != nil {
		return err
	}
	b.sales = append(b.sales, custody.Sale{Ticket: t, Home: b.home, Holder: sealed, Price: cost})
	b.cards = append(b.cards, Card{Ticket: t.ID, Session: t.Session, Seat: t.Seat, Code: c.Text()})
	b.next++
	return nil
}

// commit puts the cards into the wallet, then sells the tickets; without the sale the cards go.
func (b *batch) commit(ctx context.Context, purse *wallet, now time.Time) error {
	drop, err := purse.add(b.cards)
	if err != nil {
		return err
	}
	err = b.maker.DB.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		return custody.Issue(ctx, tx, b.maker.Tenant, b.sales, now.UnixMilli())
	})
	if err != nil {
		return errors.Join(err, drop())
	}
	return nil
}
