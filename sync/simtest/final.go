package simtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/ticket"
)

// settleDown waits until nothing is on its way any more, and compares everything with everything.
func (w *world) settleDown(ctx context.Context, main *actor) {
	deadline := time.Now().Add(calmWithin)
	for {
		w.until(main, 500*time.Millisecond)
		if w.failure() != nil {
			return
		}
		open := w.unrest(ctx)
		if open == nil {
			break
		}
		if time.Now().After(deadline) {
			w.fail("after %s without any fault: %w (I4, I5)", calmWithin, open)
			return
		}
	}
	main.say("all is quiet")
	for _, p := range w.places {
		if err := w.compare(p); err != nil {
			w.fail("at the end, station %d: %w", p.number, err)
		}
	}
	w.mu.Lock()
	w.tally.Events, w.tally.Stations = len(w.trace), len(w.places)
	w.mu.Unlock()
	w.lastGuests(ctx, main)
	if w.failure() == nil {
		w.oneWay(ctx, main, w.places[len(w.places)-1])
	}
}

// oneWay cuts first the upload and then the download of a station, with news at both ends: the other
// direction goes on (I6).
func (w *world) oneWay(ctx context.Context, a *actor, p *place) {
	l := p.now.Load()
	arrived := func() bool {
		_, cursor := l.Cursor()
		news, err := w.cloud.News(ctx)
		i := slices.IndexFunc(news, func(n hub.News) bool { return n.Feed == p.peer })
		return err == nil && !news[i].Pending && cursor == news[i].Pos
	}
	uploaded := func() bool { return l.Acked() == l.tape.End() }
	for _, feed := range []bool{true, false} {
		for _, u := range p.lines {
			u.set(feed, !feed)
		}
		a.settle()
		q := &replicamem.Request{Kind: ticket.RequestEntry, Payload: "nothing", Nonce: a.nonce(), Device: "main", Lane: p.lane()}
		if _, err := l.Do(ctx, q); err != nil {
			w.fail("station %d does not answer: %w", p.number, err)
		}
		a.settle()
		news := *w.model.sessions[0]
		news.Name += "，加场" // the same again is no news to a database
		w.cloud.PutSession(p.peer, news)
		w.model.sessions[0] = &news
		w.until(a, 40*time.Second)
		if arrived() != feed || uploaded() == feed {
			w.fail("station %d with feed %v, upload %v: news arrived %v, facts uploaded %v (I6)", p.number, feed, !feed, arrived(), uploaded())
		}
	}
	a.say("one direction goes on without the other")
}

// unrest says what is still on its way.
func (w *world) unrest(ctx context.Context) error {
	if n := w.strays.Load(); n > 0 {
		return fmt.Errorf("%d requests or pages are still on their way", n)
	}
	news, err := w.cloud.News(ctx)
	if err != nil {
		return err
	}
	for _, n := range news {
		p := w.places[n.Feed.Station-1]
		l := p.now.Load()
		if l == nil {
			return fmt.Errorf("station %d is off", p.number)
		}
		_, cursor := l.Cursor()
		end := l.tape.End()
		switch {
		case n.Pending, n.Unfolded, cursor != n.Pos:
			return fmt.Errorf("station %d: pending %v, unfolded %v, cursor %d of %d", p.number, n.Pending, n.Unfolded, cursor, n.Pos)
		case l.Durable().Seq != end, l.Acked() != end:
			return fmt.Errorf("station %d: %d facts, durable %d, acknowledged %d", p.number, end, l.Durable().Seq, l.Acked())
		case len(l.OpenPassages()) > 0:
			return fmt.Errorf("station %d: open passages %v", p.number, l.OpenPassages())
		}
	}
	w.model.mu.Lock()
	defer w.model.mu.Unlock()
	for _, tk := range w.model.tickets {
		row, err := w.cloud.Row(ctx, tenant, tk.id)
		if err != nil {
			return err
		}
		if row.Right.State == hub.Recalled || row.Right.Stranded {
			return fmt.Errorf("ticket %d is still recalled, or stranded: %+v", tk.id, row.Right)
		}
	}
	return nil
}

// compare compares both ends of one station, and each with the model.
func (w *world) compare(p *place) error {
	if err := w.facts(p); err != nil {
		return err
	}
	m, l := w.model, p.now.Load()
	m.mu.Lock()
	defer m.mu.Unlock()
	ours, theirs := make(map[ticket.SessionID]ticket.Digest), make(map[ticket.SessionID]ticket.Digest)
	for _, tk := range m.tickets {
		if tk.at != p {
			continue
		}
		m.look(tk, l)
		row, err := w.cloud.Row(context.Background(), tenant, tk.id)
		if err != nil {
			return err
		}
		st, known := l.Standing(tk.id)
		want := row.Standing()
		if !known || st != want {
			return fmt.Errorf("ticket %d: the station has %+v (known %v), the cloud %+v (I4)", tk.id, st, known, want)
		}
		if int(row.Right.Used) < tk.walked && !tk.loose {
			return fmt.Errorf("ticket %d: %d went in, the cloud counts %d (I3)", tk.id, tk.walked, row.Right.Used)
		}
		if refunded := row.Ticket.Status == ticket.StatusRefunded; refunded != tk.refunded {
			return fmt.Errorf("ticket %d: refunded %v, promised %v", tk.id, refunded, tk.refunded)
		}
		add(ours, tk.session.ID, st)
		add(theirs, tk.session.ID, want)
	}
	for id, d := range theirs {
		if said := w.cloud.Digest(p.peer, id); said != d || ours[id] != d {
			return fmt.Errorf("session %d: digest %s at the station, %s of the cloud's rows, %s of the cloud (I4)", id, ours[id], d, said)
		}
	}
	return nil
}

func add(to map[ticket.SessionID]ticket.Digest, id ticket.SessionID, s ticket.Standing) {
	d := to[id]
	d.Add(s)
	to[id] = d
}

// facts compares what the cloud has stored with what the station's journals hold, fact by fact (I3).
func (w *world) facts(p *place) error {
	if in := w.cloud.Incidents(p.peer); len(in) > 0 {
		return fmt.Errorf("incidents %v", in)
	}
	if dead := w.cloud.DeadLetters(p.peer); len(dead) > 0 {
		return fmt.Errorf("dead letters %v", dead)
	}
	m := w.model
	m.mu.Lock()
	defer m.mu.Unlock()
	lost := false
	for k, b := range m.books {
		lost = lost || k.station == p.peer.Station && b.lost
	}
	if c := w.cloud.Conflicts(p.peer); len(c) > 0 && !lost {
		return fmt.Errorf("conflicts %v", c)
	}
	stored := make(map[uint32][]journal.Entry)
	for _, e := range w.cloud.Facts(p.peer) {
		if n := uint64(len(stored[e.Epoch])) + 1; e.Seq != n {
			return fmt.Errorf("epoch %d: fact %d is stored where %d should be (I3)", e.Epoch, e.Seq, n)
		}
		stored[e.Epoch] = append(stored[e.Epoch], e)
	}
	for k, b := range m.books {
		if k.station != p.peer.Station {
			continue
		}
		have := stored[k.epoch]
		delete(stored, k.epoch)
		if len(have) != len(b.entries) && !b.lost {
			return fmt.Errorf("epoch %d: %d facts are stored of %d (I3)", k.epoch, len(have), len(b.entries))
		}
		for i := range have {
			if i >= len(b.entries) || !equal(&have[i].Record, &b.entries[i]) {
				return fmt.Errorf("epoch %d: fact %d is not what was written (I3)", k.epoch, i+1)
			}
		}
	}
	if len(stored) > 0 {
		return errors.New("facts of an epoch that nobody has written")
	}
	return nil
}

// lastGuests lets somebody come with every ticket that was never used: a right that is in nobody's hands
// would show here (L2).
func (w *world) lastGuests(ctx context.Context, a *actor) {
	for _, tk := range w.model.tickets {
		row, err := w.cloud.Row(ctx, tenant, tk.id)
		a.settle()
		if err != nil || row.Right.State != hub.Granted || row.Ticket.Status != ticket.StatusValid || row.Right.Used > 0 {
			continue
		}
		q := &replicamem.Request{Kind: ticket.RequestEntry, Payload: tk.payload, Nonce: a.nonce(), Device: "main", Lane: tk.at.lane()}
		ans, err := tk.at.now.Load().Do(ctx, q)
		a.settle()
		if err != nil || ans.Verdict.Outcome() != ticket.OutcomeAdmit {
			w.fail("ticket %d is valid, granted and unused, and is refused at the end: %s, %v", tk.id, ans.Verdict.Reason, err)
			return
		}
	}
}
