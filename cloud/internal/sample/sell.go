package sample

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/people"
	"yipiao/cloud/internal/store"
	"yipiao/sync/ticket"
)

// fill sells tickets of a session until want are sold, and returns how many are.
func (m *Maker) fill(ctx context.Context, s *store.Session, out *Result, want int, purse *wallet, now time.Time) (int, error) {
	if want > out.Seats {
		return 0, fmt.Errorf("sample: %d tickets do not fit into %d seats", want, out.Seats)
	}
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
	open := make(map[string]bool, len(free))
	for _, seat := range free {
		open[seat] = true
	}
	for sold < want {
		b := batch{
			maker: m, session: s, home: out.Station, sold: sold, next: store.NextID(last, now.UnixMilli()),
			rand: mrand.New(mrand.NewPCG(uint64(s.ID), uint64(sold))),
		}
		if err := b.prepare(open, out.Seats, min(want-sold, sellAtOnce)); err != nil {
			return sold, err
		}
		if err := b.commit(ctx, purse, now); err != nil {
			return sold, err
		}
		sold, last = sold+len(b.sales), b.next-1
		out.New += len(b.sales)
	}
	return sold, nil
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

// prepare makes n tickets for open seats, which are so no longer: orders of one to four neighbours,
// here and there.
func (b *batch) prepare(open map[string]bool, seats, n int) error {
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
				if party == 0 || len(b.sales) == n || !open[p.label] {
					continue
				}
				open[p.label] = false
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
