package simtest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/wire"
)

var errCut = errors.New("simtest: the line is cut")

// A wiring is the state of a line. It is replaced, never changed.
type wiring struct {
	feed, upload bool // whether it carries them
	ctx          context.Context
	cut          context.CancelFunc
}

// A line is one uplink of a station.
type line struct {
	at     *place
	number int
	state  atomic.Pointer[wiring]
}

var _ link.Cloud = (*line)(nil)

func newLine(at *place, number int) *line {
	u := &line{at: at, number: number}
	u.set(true, true)
	return u
}

// set changes what the line carries. Whatever is on its way is lost.
func (u *line) set(feed, upload bool) {
	ctx, cut := context.WithCancel(context.Background())
	if old := u.state.Swap(&wiring{feed, upload, ctx, cut}); old != nil {
		old.cut()
	}
}

func (u *line) restore(by *actor) {
	if s := u.state.Load(); !s.feed || !s.upload {
		by.say("line %d.%d is whole again", u.at.number, u.number)
		u.set(true, true)
	}
}

// weather cuts the line, or one direction of it.
func (u *line) weather(_, load context.Context, a *actor) {
	for a.rest(load, time.Second, 15*time.Second) == nil {
		feed, upload := a.oneIn(3), a.oneIn(3)
		if feed && upload {
			continue
		}
		a.say("line %d.%d: feed %v, upload %v", u.at.number, u.number, feed, upload)
		u.set(feed, upload)
		long := 4 * time.Second
		if a.oneIn(4) {
			long = 40 * time.Second
		}
		_ = a.rest(load, 10*time.Millisecond, long)
		u.restore(a)
	}
}

// both returns a context that ends with any of the given; ctx says who acts.
func both(ctx context.Context, others ...context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stops := make([]func() bool, 0, len(others))
	for _, o := range others {
		stops = append(stops, context.AfterFunc(o, cancel))
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// exchange carries one request to a node and its answer back, or loses either.
func (u *line) exchange(ctx context.Context, what string, carries func(*wiring) bool, ask func(context.Context, *hub.Hub) error) error {
	a, wire := actorOf(ctx), u.state.Load()
	if err := a.rest(ctx, 100*time.Microsecond, 30*time.Millisecond); err != nil {
		return err
	}
	n := u.at.w.nodes[a.rand.IntN(len(u.at.w.nodes))]
	p := n.running.Load()
	switch {
	case !carries(u.state.Load()) || wire.ctx.Err() != nil:
		return errCut
	case p == nil:
		return errCut
	case a.fault(40):
		a.say("%s: request lost", what)
		return errCut
	}
	if a.fault(20) { // the same request arrives once more, much later, perhaps at another node
		u.again(p, what, ask)
		a.settle()
	}
	cctx, end := both(ctx, p.ctx, wire.ctx)
	err := ask(cctx, p.hub)
	end()
	a.settle()
	if err == nil && a.fault(30) {
		a.say("%s: reply lost", what)
		return errCut
	}
	if e := a.rest(ctx, 100*time.Microsecond, 30*time.Millisecond); e != nil {
		return e
	}
	if wire.ctx.Err() != nil {
		return errCut
	}
	return err
}

// again sends a request a second time; nobody waits for its answer.
func (u *line) again(p *process, what string, ask func(context.Context, *hub.Hub) error) {
	u.at.w.stray(p.ctx, func(ctx context.Context, a *actor) {
		if a.rest(ctx, 0, 8*time.Second) == nil {
			a.say("%s arrives again", what)
			_ = ask(ctx, p.hub)
			a.settle()
		}
	}, "again%d", u.at.number)
}

// Feed implements link.Cloud.
func (u *line) Feed(ctx context.Context, req wire.FeedRequest) (wire.Page, error) {
	a, page := actorOf(ctx), wire.Page{}
	err := u.exchange(ctx, "poll", func(s *wiring) bool { return s.feed }, func(ctx context.Context, h *hub.Hub) error {
		p, err := h.Feed(ctx, u.at.peer, req)
		if actorOf(ctx) == a { // and not the one that came again
			page = p
		}
		return err
	})
	if len(page.Entries) > 0 && !page.Reset && (err != nil || a.fault(12)) { // the page is late, or comes over both uplinks
		u.at.late(a, page)
		a.settle()
	}
	if err != nil {
		return wire.Page{}, err
	}
	return page, nil
}

// Upload implements link.Cloud.
func (u *line) Upload(ctx context.Context, b *wire.Batch) (wire.Ack, error) {
	a, ack := actorOf(ctx), wire.Ack{}
	err := u.exchange(ctx, "upload", func(s *wiring) bool { return s.upload }, func(ctx context.Context, h *hub.Hub) error {
		k, err := h.Upload(ctx, u.at.peer, b)
		if actorOf(ctx) == a {
			ack = k
		}
		return err
	})
	if err != nil {
		return wire.Ack{}, err
	}
	a.w.model.acked(u.at, b.Epoch, ack)
	return ack, nil
}
