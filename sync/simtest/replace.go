package simtest

import (
	"context"
	"time"

	"yipiao/sync/hub"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// replace puts another machine in the place of the present one: its disk is lost, or its journal is brought
// to the cloud afterwards. Then an operator decides (sync.md section 8).
func (p *place) replace(ctx, load context.Context, a *actor) {
	if a.rest(load, 5*time.Second, 25*time.Second) != nil {
		return
	}
	for p.dark.Swap(true) {
		if a.rest(ctx, 10*time.Millisecond, 500*time.Millisecond) != nil {
			return
		}
	}
	lost := a.oneIn(2)
	p.cut(a)
	old := p.box.Load()
	p.w.cloud.ReplaceMachine(p.peer, chainKey(p.number, old.epoch+1))
	a.settle()
	m, err := p.w.cloud.Machine(ctx, p.peer)
	if err != nil {
		p.w.fail("machine of station %d: %w", p.number, err)
		return
	}
	a.say("station %d: another machine, epoch %d; the old disk is lost: %v", p.number, m.Epoch, lost)
	p.box.Store(p.newBox(m.Epoch))
	p.w.model.open(p)
	_ = a.rest(load, 10*time.Millisecond, 3*time.Second)
	p.on(ctx, a)
	p.dark.Store(false)
	_ = a.rest(load, 10*time.Millisecond, 20*time.Second)
	d := hub.Decision{Lost: lost, FromMs: 1, ToMs: time.Now().UnixMilli()}
	if !lost {
		p.bring(ctx, a, old)
	}
	p.decide(ctx, a, d, old.epoch)
	if lost && a.oneIn(2) && a.rest(ctx, time.Second, 10*time.Second) == nil {
		a.say("the lost disk of station %d turns up", p.number)
		p.bring(ctx, a, old)
	}
}

// bring uploads the journal of a machine that is no longer the station, as a person with its disk does.
func (p *place) bring(ctx context.Context, a *actor, old *box) {
	log := old.log
	for from := uint64(1); from <= log.End(); {
		if a.rest(ctx, time.Millisecond, 300*time.Millisecond) != nil {
			return
		}
		entries, err := log.Read(from, 1+a.rand.IntN(30), 1<<20)
		if err != nil {
			p.w.fail("read the old journal of station %d: %w", p.number, err)
			return
		}
		run := p.w.anyNode(a).running.Load()
		if run == nil {
			continue
		}
		cctx, end := both(ctx, run.ctx)
		ack, err := run.hub.Upload(cctx, p.peer, &wire.Batch{Epoch: old.epoch, Entries: entries})
		end()
		a.settle()
		if err == nil {
			p.w.model.acked(p, old.epoch, ack)
			from = ack.Durable + 1
		}
	}
	a.say("the old journal of station %d is at the cloud", p.number)
	for {
		news, err := p.w.anyNode(a).News(ctx)
		if err == nil && !news[p.number-1].Unfolded {
			return
		}
		if a.rest(ctx, 50*time.Millisecond, 500*time.Millisecond) != nil {
			return
		}
	}
}

// decide grants anew what the old machine held.
func (p *place) decide(ctx context.Context, a *actor, d hub.Decision, epoch uint32) {
	if d.Lost {
		p.w.model.lose(p, epoch)
	}
	for after := ticket.TicketID(0); ; {
		out, err := p.w.anyNode(a).Regrant(ctx, p.peer, d, after, 1+a.rand.IntN(5))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			_ = a.rest(ctx, 10*time.Millisecond, 100*time.Millisecond)
			continue
		case !out.More:
			a.say("station %d: all is decided", p.number)
			p.w.model.flagged(p)
			return
		}
		after = out.Last
	}
}

// lose takes the tickets out of the promise of which the machine that is lost knew more than the cloud.
func (m *model) lose(p *place, epoch uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.book(p.peer.Station, epoch).lost = true
	for _, tk := range m.tickets {
		if tk.at != p {
			continue
		}
		row, err := m.w.cloud.Row(context.Background(), tenant, tk.id)
		if err != nil {
			m.w.fail("row of ticket %d: %w", tk.id, err)
			return
		}
		if tk.walked+tk.opening > int(row.Right.Used) {
			tk.loose = true
			tk.unflagged = row.Right.Stranded && row.Right.Used < row.Right.Max
		}
	}
}

// flagged: each of those is on the operator's list (I1).
func (m *model) flagged(p *place) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.w.cloud.Uncertain(p.peer)
	for _, tk := range m.tickets {
		if _, ok := list[tk.id]; tk.unflagged && !ok {
			m.w.fail("ticket %d may have been used at the machine that is lost, and nobody is told (I1)", tk.id)
		}
		tk.unflagged = false
	}
}
