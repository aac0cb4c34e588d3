package simtest

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"yipiao/sync/replica/replicamem"
	"yipiao/sync/ticket"
)

// scan is a device at a station: people come with tickets of it, mostly the same few.
func (p *place) scan(ctx, load context.Context, a *actor) {
	for a.rest(load, 50*time.Millisecond, 2500*time.Millisecond) == nil {
		tk := p.w.model.pick(a, p)
		if tk == nil {
			continue
		}
		q := &replicamem.Request{Kind: ticket.RequestEntry, Payload: tk.payload, Device: a.name, Lane: p.lane(), Gated: a.oneIn(3)}
		if a.oneIn(5) {
			q.Kind, q.Gated = ticket.RequestExit, false
		}
		if !q.Gated {
			q.Nonce = a.nonce()
		}
		p.attempt(ctx, a, tk, q)
	}
}

func (p *place) lane() ticket.Lane {
	return ticket.Lane{Name: "1", Open: true, Entry: true, Exit: true, Hall: 1, Groups: []ticket.GateGroupID{ticket.GateGroupID(p.number)}}
}

func (a *actor) nonce() (n ticket.Nonce) {
	binary.BigEndian.PutUint64(n[:], a.rand.Uint64())
	binary.BigEndian.PutUint64(n[8:], uint64(a.slot)+1)
	return n
}

// pick chooses a ticket that was sold, the first ones more often; nil for none.
func (m *model) pick(a *actor, p *place) *promise {
	m.mu.Lock()
	defer m.mu.Unlock()
	var of []*promise
	for _, tk := range m.tickets {
		if tk.sold && (!tk.refunded || a.oneIn(8)) && (p == nil || tk.at == p) {
			of = append(of, tk)
		}
	}
	if len(of) == 0 {
		return nil
	}
	n := a.rand.IntN(len(of))
	if a.oneIn(2) {
		n = len(of) - 1 - a.rand.IntN(min(3, len(of))) // the newest are hot: their grants are on their way
	}
	return of[n]
}

// attempt asks until there is an answer, and does what it says. A request without a nonce is asked once: a
// person whose scan was lost scans anew.
func (p *place) attempt(ctx context.Context, a *actor, tk *promise, q *replicamem.Request) {
	for try := 0; ; try++ {
		if try > 0 && a.rest(ctx, 20*time.Millisecond, 2*time.Second) != nil {
			return
		}
		l := p.now.Load()
		if l == nil {
			if q.Nonce.IsZero() || try > 20 {
				return
			}
			continue
		}
		ans, err := l.Do(ctx, q)
		a.settle()
		if err != nil {
			a.say("%s of ticket %d: %v", q.Kind, tk.id, err)
			if q.Nonce.IsZero() || try > 20 {
				return
			}
			continue
		}
		a.say("%s of ticket %d, gated %v: %s %d, fact %d, again %v", q.Kind, tk.id, q.Gated, ans.Verdict.Reason, ans.Verdict.N, ans.Seq, ans.Repeated)
		p.w.model.answered(l, tk, q, &ans)
		if !q.Nonce.IsZero() && a.fault(12) {
			a.say("the answer is lost on its way to the device")
			continue
		}
		switch {
		case q.Kind == ticket.RequestExit, ans.Verdict.Outcome() != ticket.OutcomeAdmit:
		case q.Gated:
			l.passage(ctx, a, tk, &ans)
		default:
			p.w.model.walks(l, tk, &ans, false, true)
			if !unlapsing(ans.Verdict.Reason) {
				p.perhapsNot(ctx, a, tk, q)
			}
		}
		return
	}
}

// unlapsing says for which entries the load leaves out that they are given back: those by signature. A page with
// the grant, read when the cloud had folded the entry and applied when it has been given back, makes the station
// count it after all; the cloud does not (docs/TESTING.md, "What the simulation leaves out").
func unlapsing(r ticket.Reason) bool { return r == ticket.AdmittedSignature }

// passage is what happens at a gate that has opened.
func (l *life) passage(ctx context.Context, a *actor, tk *promise, ans *replicamem.Answer) {
	_ = a.rest(ctx, 100*time.Millisecond, 4*time.Second)
	how := replicamem.Passed
	if a.oneIn(4) && !unlapsing(ans.Verdict.Reason) {
		how = replicamem.Lapsed
	}
	l.at.w.model.walks(l, tk, ans, true, how == replicamem.Passed)
	a.say("gate of fact %d: end %d", ans.Seq, how)
	for {
		now := l.at.now.Load()
		if now != nil && now.epoch != l.epoch {
			return // another machine stands there, and knows nothing of it
		}
		if now != nil {
			err := now.EndPassage(ctx, ans.Seq, how)
			a.settle()
			if err == nil {
				return
			}
		}
		if a.rest(ctx, 50*time.Millisecond, time.Second) != nil {
			return
		}
	}
}

// perhapsNot takes an entry back that a handheld has just made, now and then: nobody has gone in.
func (p *place) perhapsNot(ctx context.Context, a *actor, tk *promise, q *replicamem.Request) {
	if !a.oneIn(5) {
		return
	}
	epoch, nonce := p.box.Load().epoch, a.nonce()
	p.w.model.stays(tk, -1)
	for a.rest(ctx, 100*time.Millisecond, 3*time.Second) == nil {
		l := p.now.Load()
		if p.box.Load().epoch != epoch {
			p.w.model.unclear(tk)
			return
		}
		if l == nil {
			continue
		}
		ans, err := l.Annul(ctx, q.Device, nonce, q.Nonce)
		a.settle()
		if err != nil || a.fault(10) {
			continue
		}
		a.say("annulment at ticket %d: %s, fact %d", tk.id, ans.Verdict.Reason, ans.Seq)
		if ans.Verdict.Reason != ticket.Annulled {
			p.w.model.stays(tk, 1) // then in, after all
		}
		return
	}
}

// race lets everything happen to one ticket at once: two recalls, a scan, and a withdrawal.
func (w *world) race(ctx, load context.Context, a *actor) {
	for a.rest(load, 500*time.Millisecond, 6*time.Second) == nil {
		tk := w.model.pick(a, nil)
		if tk == nil {
			continue
		}
		a.say("everybody at ticket %d", tk.id)
		done := make(chan struct{}, 3)
		run := func(do func(ctx context.Context, a *actor)) {
			w.begin(ctx, func(ctx context.Context, a *actor) {
				defer func() { done <- struct{}{} }()
				if a.rest(ctx, 0, 60*time.Millisecond) == nil {
					do(ctx, a)
				}
			}, "race")
			a.settle()
		}
		run(func(ctx context.Context, a *actor) { _ = w.anyNode(a).Recall(ctx, tenant, tk.id) })
		run(func(ctx context.Context, a *actor) { w.giveUp(ctx, a, tk) })
		run(func(ctx context.Context, a *actor) {
			q := &replicamem.Request{Kind: ticket.RequestEntry, Payload: tk.payload, Device: "race", Lane: tk.at.lane(), Gated: a.oneIn(3)}
			if !q.Gated {
				q.Nonce = a.nonce()
			}
			tk.at.attempt(ctx, a, tk, q)
		})
		for range 3 {
			<-done
		}
		a.settle()
	}
}

// giveUp recalls a ticket and withdraws the recall soon after.
func (w *world) giveUp(ctx context.Context, a *actor, tk *promise) {
	n := w.anyNode(a)
	if err := n.Recall(ctx, tenant, tk.id); err != nil && !errors.Is(err, errLost) {
		return
	}
	if a.rest(ctx, 0, 200*time.Millisecond) == nil {
		_ = n.Withdraw(ctx, tenant, tk.id)
	}
}
