package simtest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Errors of a database, before and after it has done what was asked.
var (
	errBusy = errors.New("simtest: the database is busy")
	errLost = errors.New("simtest: the connection to the database was lost after the commit")
)

// A node is one process of the cloud: a hub over the common database. It is a hub.Store itself, whose every
// transaction is an event of its own; it wakes only those who wait at this node.
type node struct {
	hub.Store
	w       *world
	number  int
	bell    hub.Bell
	running atomic.Pointer[process]
}

// A process is one life of a node.
type process struct {
	ctx  context.Context
	stop context.CancelFunc
	hub  *hub.Hub
}

var _ hub.Store = (*node)(nil)

func newNode(w *world, number int) *node { return &node{Store: w.cloud, w: w, number: number} }

// up starts the node if it is down.
func (n *node) up(ctx context.Context, by *actor) {
	if n.running.Load() != nil {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	p := &process{ctx: ctx, stop: stop, hub: hub.New(n, nil, time.Now, slog.New(slog.DiscardHandler))}
	n.running.Store(p)
	by.say("node %d starts", n.number)
	n.w.begin(ctx, func(ctx context.Context, _ *actor) { _ = p.hub.Run(ctx) }, "hub%d", n.number)
}

// down ends the node in the middle of whatever it does.
func (n *node) down(by *actor) {
	if p := n.running.Swap(nil); p != nil {
		by.say("node %d dies", n.number)
		p.stop()
	}
}

// fate restarts the node now and then.
func (n *node) fate(ctx, load context.Context, a *actor) {
	for a.rest(load, 4*time.Second, 40*time.Second) == nil {
		n.down(a)
		_ = a.rest(load, 10*time.Millisecond, 3*time.Second)
		n.up(ctx, a)
	}
}

// tx is one transaction: it takes time before and after, and may fail at either side.
func (n *node) tx(ctx context.Context, what string, op func() error) error {
	a := actorOf(ctx)
	if err := a.rest(ctx, 0, 2*time.Millisecond); err != nil {
		return err
	}
	if a.fault(300) {
		a.say("n%d %s: busy", n.number, what)
		return errBusy
	}
	err := op()
	a.settle() // what op has woken goes on meanwhile
	if a.oneIn(3) {
		if err := a.rest(ctx, 0, 4*time.Millisecond); err != nil {
			return err
		}
	}
	if a.fault(300) {
		a.say("n%d %s: reply lost", n.number, what)
		return errLost
	}
	return err
}

// changing is tx for what may ring a feed's bell: here it rings once, at an instant of the actor.
func (n *node) changing(ctx context.Context, f link.Peer, what string, op func() error) error {
	return n.tx(ctx, what, func() error {
		changed := n.Store.Changed(f)
		err := op()
		select {
		case <-changed:
			n.bell.Ring(f)
		default:
		}
		return err
	})
}

// Changed implements hub.FeedStore: other nodes' changes do not ring here.
func (n *node) Changed(f link.Peer) <-chan struct{} { return n.bell.Changed(f) }

func (n *node) Registered(ctx context.Context, f link.Peer) error {
	return n.tx(ctx, "registered", func() error { return n.Store.Registered(ctx, f) })
}

func (n *node) Seen(ctx context.Context, f link.Peer, nowMs int64) error {
	return n.tx(ctx, "seen", func() error { return n.Store.Seen(ctx, f, nowMs) })
}

func (n *node) News(ctx context.Context) (news []hub.News, err error) {
	err = n.tx(ctx, "news", func() error {
		news, err = n.Store.News(ctx)
		slices.SortFunc(news, func(a, b hub.News) int { return int(a.Feed.Station) - int(b.Feed.Station) })
		return err
	})
	return news, err
}

func (n *node) Machine(ctx context.Context, f link.Peer) (m hub.Machine, err error) {
	err = n.tx(ctx, "machine", func() error {
		m, err = n.Store.Machine(ctx, f)
		return err
	})
	return m, err
}

func (n *node) Stamp(ctx context.Context, f link.Peer) (head hub.Head, err error) {
	err = n.tx(ctx, "stamp", func() error {
		head, err = n.Store.Stamp(ctx, f)
		return err
	})
	return head, err
}

func (n *node) Reserve(ctx context.Context, f link.Peer) (head hub.Head, err error) {
	err = n.tx(ctx, "reserve", func() error {
		head, err = n.Store.Reserve(ctx, f)
		return err
	})
	return head, err
}

func (n *node) Page(ctx context.Context, f link.Peer, s hub.Span) (entries []wire.Entry, more bool, err error) {
	err = n.tx(ctx, "page", func() error {
		entries, more, err = n.Store.Page(ctx, f, s)
		actorOf(ctx).say("n%d page of %s (%d,%d]: %d rows", n.number, f.Station, s.After, s.UpTo, len(entries))
		return err
	})
	if err == nil {
		n.w.model.served(f, s, entries)
	}
	return entries, more, err
}

func (n *node) Receive(ctx context.Context, f link.Peer, b *wire.Batch, nowMs int64) (ack wire.Ack, err error) {
	err = n.tx(ctx, "receive", func() error {
		ack, err = n.Store.Receive(ctx, f, b, nowMs)
		actorOf(ctx).say("n%d receive of %s: %d facts of epoch %d: durable %d, %v", n.number, f.Station, len(b.Entries), b.Epoch, ack.Durable, err)
		n.w.model.received(f, b, ack, err)
		return err
	})
	return ack, err
}

func (n *node) Fold(ctx context.Context, f link.Peer, most int, nowMs int64) (folded uint64, more bool, err error) {
	err = n.changing(ctx, f, "fold", func() error {
		folded, more, err = n.Store.Fold(ctx, f, min(most, 1+actorOf(ctx).rand.IntN(20)), nowMs)
		n.w.model.folded(f)
		return err
	})
	return folded, more, err
}

// right is a change of one ticket's right.
func (n *node) right(ctx context.Context, what string, id ticket.TicketID, op func() error) error {
	return n.changing(ctx, n.w.model.home(id), what, func() error {
		err := op()
		actorOf(ctx).say("n%d %s %d: %v", n.number, what, id, err)
		n.w.model.changed(what, id, err)
		return err
	})
}

func (n *node) Grant(ctx context.Context, t ticket.TenantID, id ticket.TicketID) error {
	return n.right(ctx, "grant", id, func() error { return n.Store.Grant(ctx, t, id) })
}

func (n *node) TakeBack(ctx context.Context, t ticket.TenantID, id ticket.TicketID) error {
	return n.right(ctx, "take back", id, func() error { return n.Store.TakeBack(ctx, t, id) })
}

func (n *node) Recall(ctx context.Context, t ticket.TenantID, id ticket.TicketID) error {
	return n.right(ctx, "recall", id, func() error { return n.Store.Recall(ctx, t, id) })
}

func (n *node) Withdraw(ctx context.Context, t ticket.TenantID, id ticket.TicketID) error {
	return n.right(ctx, "withdraw", id, func() error { return n.Store.Withdraw(ctx, t, id) })
}

func (n *node) SetStatus(ctx context.Context, t ticket.TenantID, id ticket.TicketID, to ticket.Status, nowMs int64) error {
	return n.right(ctx, string(to), id, func() error { return n.Store.SetStatus(ctx, t, id, to, nowMs) })
}

func (n *node) Row(ctx context.Context, t ticket.TenantID, id ticket.TicketID) (row hub.Row, err error) {
	err = n.tx(ctx, "row", func() error {
		row, err = n.Store.Row(ctx, t, id)
		return err
	})
	return row, err
}

func (n *node) Regrant(ctx context.Context, f link.Peer, d hub.Decision, after ticket.TicketID, most int) (out hub.Regranted, err error) {
	err = n.changing(ctx, f, "regrant", func() error {
		out, err = n.Store.Regrant(ctx, f, d, after, most)
		actorOf(ctx).say("n%d regrant at %s (lost %v): %+v, %v", n.number, f.Station, d.Lost, out, err)
		return err
	})
	return out, err
}
