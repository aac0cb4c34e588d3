package hubtest

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/hub/hubmem"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// modelSteps is how many random steps are compared, modelTickets over how many tickets.
const (
	modelSteps   = 200
	modelTickets = 12
)

// againstTheModel takes the same seeded steps in the store and in hubmem; every answer, row, page and
// digest must be equal. A failure names the seed and the step.
func againstTheModel(t *testing.T, w World) {
	c := &comparison{
		t: t, stores: [2]World{w, hubmem.New()}, rand: rand.New(rand.NewPCG(20261125, 7)),
		logs: map[link.Peer]*logbook{one: {}, two: {}}, cursor: map[link.Peer]uint64{},
	}
	for _, s := range c.stores {
		setup(s, one, two)
		for id := ticket.TicketID(1); id <= modelTickets; id++ {
			s.AddTicket(c.home(id), aTicket(id, session, uint16(id%3)+1))
		}
	}
	for i := range modelSteps {
		c.at = i
		c.step()
	}
	for _, f := range []link.Peer{one, two} {
		c.cursor[f] = 0
		c.pages(f)
		a, b := c.stores[0], c.stores[1]
		if a.Digest(f, session) != b.Digest(f, session) {
			t.Errorf("digests of %+v differ", f)
		}
		if !maps.Equal(a.DeadLetters(f), b.DeadLetters(f)) || !maps.Equal(a.Conflicts(f), b.Conflicts(f)) {
			t.Errorf("dead letters %v, want %v; conflicts %v, want %v",
				a.DeadLetters(f), b.DeadLetters(f), a.Conflicts(f), b.Conflicts(f))
		}
	}
}

type comparison struct {
	t      *testing.T
	stores [2]World // under test, model
	rand   *rand.Rand
	at     int
	logs   map[link.Peer]*logbook
	cursor map[link.Peer]uint64
}

func (c *comparison) home(id ticket.TicketID) link.Peer {
	if id%4 == 0 {
		return two
	}
	return one
}

func (c *comparison) step() {
	id := ticket.TicketID(c.rand.IntN(modelTickets+1) + 1) // one of them does not exist
	status := []ticket.Status{ticket.StatusValid, ticket.StatusBlocked, ticket.StatusRefunded}[c.rand.IntN(3)]
	switch n := c.rand.IntN(12); n {
	case 0, 1, 2:
		c.both("grant", id, func(s World) error { return s.Grant(context.Background(), one.Tenant, id) })
	case 3:
		c.both("take back", id, func(s World) error { return s.TakeBack(context.Background(), one.Tenant, id) })
	case 4, 5:
		c.both("recall", id, func(s World) error { return s.Recall(context.Background(), one.Tenant, id) })
	case 6:
		c.both("withdraw", id, func(s World) error { return s.Withdraw(context.Background(), one.Tenant, id) })
	case 7:
		if status == ticket.StatusRefunded && c.rand.IntN(4) > 0 {
			return // refunds are final: keep most tickets alive
		}
		c.both("status", id, func(s World) error {
			return s.SetStatus(context.Background(), one.Tenant, id, status, int64(c.at))
		})
	case 8, 9:
		c.report(id)
	default:
		c.pages([]link.Peer{one, two}[n%2])
	}
}

// refusal returns the rule's error that err is, or nil.
func refusal(err error) error {
	for _, s := range []error{
		hub.ErrOutstanding, hub.ErrUsedUp, hub.ErrInvalid, hub.ErrMaySent, hub.ErrNotGranted, hub.ErrNotRecalled,
		hub.ErrCustody, hub.ErrUnknownTicket,
	} {
		if errors.Is(err, s) {
			return s
		}
	}
	return nil
}

func (c *comparison) both(name string, id ticket.TicketID, do func(World) error) {
	c.t.Helper()
	got, wanted := do(c.stores[0]), do(c.stores[1])
	if (got == nil) != (wanted == nil) || !errors.Is(refusal(got), refusal(wanted)) {
		c.t.Fatalf("step %d: %s of ticket %d: %v, want %v", c.at, name, id, got, wanted)
	}
	c.row(id)
}

func (c *comparison) row(id ticket.TicketID) {
	c.t.Helper()
	if id > modelTickets {
		return
	}
	if got, wanted := row(c.t, c.stores[0], one.Tenant, id), row(c.t, c.stores[1], one.Tenant, id); got != wanted {
		c.t.Fatalf("step %d: ticket %d is %+v, want %+v", c.at, id, got, wanted)
	}
}

// report uploads a fact that may or may not make sense.
func (c *comparison) report(id ticket.TicketID) {
	c.t.Helper()
	f := c.home(id)
	if c.rand.IntN(10) == 0 {
		f = two
	}
	var gen uint32
	if id <= modelTickets {
		gen = row(c.t, c.stores[1], one.Tenant, id).Right.Gen
	}
	switch c.rand.IntN(8) {
	case 0:
		gen++
	case 1:
		gen -= min(gen, 1)
	}
	kind := ticket.FactKind(c.rand.IntN(10) + 1) // one of them is unknown
	body := ticket.Fact{Ticket: id, Gen: gen, Used: uint16(c.rand.IntN(4)), Inside: c.rand.IntN(2) == 0}
	l := c.logs[f].write(c.t, fact{kind, body})
	for _, s := range c.stores {
		l.reported = len(l.entries) - 1
		report(c.t, s, f, l)
	}
	c.row(id)
}

// pages reads one page of both feeds from where the reader is.
func (c *comparison) pages(f link.Peer) {
	c.t.Helper()
	rows := c.rand.IntN(20) + 1
	got, more, head := serve(c.t, c.stores[0], f, c.cursor[f], rows)
	wanted, moreWanted, headWanted := serve(c.t, c.stores[1], f, c.cursor[f], rows)
	if len(got) != len(wanted) || more != moreWanted || head.Pos != headWanted.Pos || head.Sent != headWanted.Sent {
		c.t.Fatalf("step %d: page of %d rows, head %+v, want %d, %+v", c.at, len(got), head, len(wanted), headWanted)
	}
	for i := range got {
		a, b := got[i], wanted[i]
		if a.Pos != b.Pos || a.Kind != b.Kind || a.Key != b.Key || a.Ver != b.Ver || a.Gone != b.Gone || string(a.Body) != string(b.Body) {
			c.t.Fatalf("step %d: entry %+v %s, want %+v %s", c.at, a, a.Body, b, b.Body)
		}
		c.cursor[f] = a.Pos
	}
	if !more {
		c.cursor[f] = head.Sent
	}
}
