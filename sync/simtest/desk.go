package simtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yipiao/sync/hub"
	"yipiao/sync/ticket"
)

func (w *world) anyNode(a *actor) *node { return w.nodes[a.rand.IntN(len(w.nodes))] }

// desk sells, refunds, withdraws, blocks and shows: everything through the rules, each try at any node.
func (w *world) desk(ctx, load context.Context, a *actor) {
	if a.name == "desk0" {
		for _, p := range w.places {
			for range w.plan.tickets {
				w.sell(ctx, a, p)
			}
		}
	}
	for a.rest(load, 50*time.Millisecond, 1500*time.Millisecond) == nil {
		tk := w.model.pick(a, nil)
		switch n := a.rand.IntN(20); {
		case n < 5:
			w.sell(ctx, a, w.places[a.rand.IntN(len(w.places))])
		case tk == nil:
		case n < 10:
			w.refund(ctx, a, tk, 1+a.rand.IntN(40))
		case n < 13:
			w.giveUp(ctx, a, tk)
		case n < 15:
			_ = w.anyNode(a).Grant(ctx, tenant, tk.id)
		case n < 17:
			w.block(ctx, a, tk)
		default:
			s := w.model.sessions[a.rand.IntN(len(w.model.sessions))]
			a.say("session %d is told anew", s.ID)
			w.cloud.PutSession(w.places[a.rand.IntN(len(w.places))].peer, *s)
			a.settle()
		}
	}
}

// sell makes a ticket and gives its right to its station. Only then does its holder get the code.
func (w *world) sell(ctx context.Context, a *actor, p *place) {
	tk := w.model.issue(a, p)
	for {
		err := w.anyNode(a).Grant(ctx, tenant, tk.id)
		if err == nil || errors.Is(err, hub.ErrOutstanding) {
			break
		}
		if a.rest(ctx, time.Millisecond, 200*time.Millisecond) != nil {
			return
		}
	}
	w.model.sell(tk)
}

func (m *model) issue(a *actor, p *place) *promise {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sessions[a.rand.IntN(len(m.sessions))]
	tk := &promise{id: ticket.TicketID(len(m.tickets) + 1), at: p, session: s, max: uint16(1 + a.rand.IntN(3)), ver: 1}
	c := ticket.Credential{Key: 1, Tenant: tenant, Session: s.ID, Group: ticket.GateGroupID(p.number), Ticket: tk.id, Number: 1}
	c.Random[0] = byte(tk.id)
	c.Sign(m.key)
	tk.payload = c.Text()
	m.tickets = append(m.tickets, tk)
	m.w.cloud.AddTicket(p.peer, ticket.Ticket{
		ID: tk.id, Session: s.ID, Group: c.Group, Type: ticket.TypeNormal, Seat: fmt.Sprintf("1排%d座", tk.id), Order: "O1", Holder: "*三", Status: ticket.StatusValid,
		Code: ticket.TicketCode(fmt.Sprintf("%s%09d", s.Code, tk.id)), Cred: 1, CredHash: ticket.PayloadHash(tk.payload),
		Entry: ticket.Right{Max: tk.max},
	})
	a.say("ticket %d: session %d, station %d, %d entries", tk.id, s.ID, p.number, tk.max)
	return tk
}

func (m *model) sell(tk *promise) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tk.sold = true
}

// refund takes a ticket's right back by whatever means its state allows, and refunds it, unless patience
// ends first; then the recall is withdrawn.
func (w *world) refund(ctx context.Context, a *actor, tk *promise, patience int) {
	only := a.oneIn(4) // back to the cloud and out again, without a refund
	for range patience {
		if a.rest(ctx, 0, 300*time.Millisecond) != nil {
			return
		}
		n := w.anyNode(a)
		row, err := n.Row(ctx, tenant, tk.id)
		if err != nil {
			continue
		}
		switch row.Right.State {
		case hub.Cloud, hub.Released:
			if !only && row.Right.Used == 0 {
				err = n.SetStatus(ctx, tenant, tk.id, ticket.StatusRefunded, time.Now().UnixMilli())
			} else {
				err = n.Grant(ctx, tenant, tk.id)
			}
			if err == nil || errors.Is(err, hub.ErrInvalid) || errors.Is(err, hub.ErrUsedUp) {
				return
			}
		case hub.Granted:
			if err = n.TakeBack(ctx, tenant, tk.id); errors.Is(err, hub.ErrMaySent) {
				_ = n.Recall(ctx, tenant, tk.id)
			}
		case hub.Recalled:
			if a.rest(ctx, 50*time.Millisecond, time.Second) != nil {
				return
			}
		case hub.Used:
			return
		}
	}
	_ = w.anyNode(a).Withdraw(ctx, tenant, tk.id)
}

// block blocks a ticket for a while: a change of what is shown, not of custody.
func (w *world) block(ctx context.Context, a *actor, tk *promise) {
	if w.anyNode(a).SetStatus(ctx, tenant, tk.id, ticket.StatusBlocked, time.Now().UnixMilli()) != nil {
		return
	}
	for a.rest(ctx, 10*time.Millisecond, 2*time.Second) == nil {
		if err := w.anyNode(a).SetStatus(ctx, tenant, tk.id, ticket.StatusValid, time.Now().UnixMilli()); err == nil || errors.Is(err, hub.ErrInvalid) {
			return
		}
	}
}
