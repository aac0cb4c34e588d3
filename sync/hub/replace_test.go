package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/hub/hubmem"
	"yipiao/sync/journal"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A box is one machine under the station's number, as far as custody goes.
type box struct {
	epoch  uint32
	key    []byte
	held   map[ticket.TicketID]ticket.Held
	most   map[ticket.TicketID]uint16
	cursor uint64
	log    []journal.Entry
	sent   int // of log, at the cloud
}

// A saved box is what a backup keeps of it.
type saved struct {
	of   *box
	held map[ticket.TicketID]ticket.Held
	most map[ticket.TicketID]uint16
	from int // first fact of of.log that the cloud was not known to hold
	to   int
}

// A town is a cloud, the machines that have been its station, and what really happened at the door.
type town struct {
	t        *testing.T
	seed     uint64
	rand     *rand.Rand
	store    *hubmem.Store
	h        *hub.Hub
	now      *box
	old      []*box
	save     *saved
	sold     ticket.TicketID
	entered  map[ticket.TicketID]int
	reported map[ticket.TicketID]bool // an entry was at the cloud when it granted anew
	refunded map[ticket.TicketID]bool
	open     bool // a machine was replaced and nobody has decided
}

func newTown(t *testing.T, seed uint64) *town {
	store, h := newHub(t)
	c := &town{
		t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 8)), store: store, h: h, entered: map[ticket.TicketID]int{},
		reported: map[ticket.TicketID]bool{}, refunded: map[ticket.TicketID]bool{},
	}
	j := store.Journal(self)
	c.now = &box{epoch: j.Epoch, key: j.Key, held: map[ticket.TicketID]ticket.Held{}, most: map[ticket.TicketID]uint16{}}
	store.PutSession(self, ticket.Session{ID: 1, AdmitFromMs: 1, EndMs: 1 << 40})
	return c
}

func (c *town) fatalf(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf("seed %d: %s", c.seed, fmt.Sprintf(format, args...))
}

func (c *town) must(err error) {
	c.t.Helper()
	if err != nil {
		c.fatalf("%v", err)
	}
}

func (b *box) write(kind ticket.FactKind, f ticket.Fact) {
	e := journal.Entry{Epoch: b.epoch, Seq: uint64(len(b.log)) + 1, Record: journal.Record{Kind: journal.Kind(kind), TimeMs: 5, Body: f.Append(nil)}}
	var prev journal.Sum
	if n := len(b.log); n > 0 {
		prev = b.log[n-1].Sum
	}
	e.Sum = journal.Chain(b.key, prev, &e)
	b.log = append(b.log, e)
}

func (c *town) sell() {
	c.sold++
	c.must(c.store.PutTicket(self, ticket.Ticket{ID: c.sold, Session: 1, Status: ticket.StatusValid, Entry: ticket.Right{Max: 1}}))
}

// poll reads the feed to its head, answering recalls.
func (c *town) poll() {
	c.t.Helper()
	b := c.now
	for more := true; more; {
		_, err := c.store.Stamp(context.Background(), self)
		c.must(err)
		head, err := c.store.Reserve(context.Background(), self)
		c.must(err)
		var page []wire.Entry
		page, more, err = c.store.Page(context.Background(), self, hub.Span{After: b.cursor, UpTo: head.Sent, Rows: 7, Bytes: 1 << 20})
		c.must(err)
		for i := range page {
			b.cursor = page[i].Pos
			if page[i].Kind != wire.KindTicket {
				continue
			}
			var tk ticket.Ticket
			c.must(json.Unmarshal(page[i].Body, &tk))
			state, kind, answer, _ := b.held[tk.ID].Offer(tk.Entry)
			b.held[tk.ID], b.most[tk.ID] = state, tk.Entry.Max
			if kind != 0 {
				answer.Ticket = tk.ID
				b.write(kind, answer)
			}
		}
	}
}

// enter lets somebody in at the present machine, by its own data, and looks at what that means.
func (c *town) enter(id ticket.TicketID) {
	c.t.Helper()
	b := c.now
	h := b.held[id]
	if !h.Holds || h.Recalling || h.Used >= b.most[id] {
		return
	}
	f := ticket.Fact{Ticket: id, Session: 1, Gen: h.Gen, Used: h.Used + 1}
	b.held[id] = h.Fold(ticket.FactEntryGranted, &f, 5)
	b.write(ticket.FactEntryGranted, f)
	c.entered[id]++
	_, uncertain := c.store.Uncertain(self)[id]
	switch {
	case c.refunded[id] && !uncertain:
		c.fatalf("ticket %d entered after its refund", id)
	case c.entered[id] > 1 && c.reported[id]:
		c.fatalf("ticket %d entered again although its entry was reported", id)
	case c.entered[id] > 1 && !uncertain:
		c.fatalf("ticket %d entered twice and nobody was told that it might", id)
	}
}

// upload brings a machine's facts up to n of its log.
func (c *town) upload(b *box, from, n int) {
	c.t.Helper()
	if from >= n {
		return
	}
	_, err := c.h.Upload(context.Background(), self, &wire.Batch{Epoch: b.epoch, Entries: b.log[from:n]})
	c.must(err)
	b.sent = max(b.sent, n)
}

func (c *town) backup() {
	b := c.now
	c.save = &saved{of: b, held: maps.Clone(b.held), most: maps.Clone(b.most), from: b.sent, to: len(b.log)}
}

// replace loses the present machine; another one begins with the last backup, or with nothing.
func (c *town) replace() {
	key := fmt.Appendf(nil, "key of machine %d", len(c.old)+2)
	c.old = append(c.old, c.now)
	c.store.ReplaceMachine(self, key)
	c.now = &box{epoch: c.now.epoch + 1, key: key, held: map[ticket.TicketID]ticket.Held{}, most: map[ticket.TicketID]uint16{}}
	c.open = true
	s := c.save
	if s == nil || c.rand.IntN(3) == 0 {
		return
	}
	for id, h := range s.held { // as edge/internal/backup restores it
		h.Holds, h.Recalling, h.Passage = false, false, ticket.PassageNone
		c.now.held[id], c.now.most[id] = h, s.most[id]
	}
	if s.from <= s.of.sent {
		c.upload(s.of, s.from, s.to)
	}
}

// decide: complete when every old machine's journal is here, else lost.
func (c *town) decide() {
	c.t.Helper()
	d := hub.Decision{FromMs: 1, ToMs: 9}
	for _, b := range c.old {
		d.Lost = d.Lost || b.sent < len(b.log)
	}
	for id := ticket.TicketID(1); id <= c.sold; id++ {
		r, err := c.store.Row(context.Background(), self.Tenant, id)
		c.must(err)
		c.reported[id] = c.reported[id] || r.Right.Used > 0 // a late entry of an older generation is a conflict instead
	}
	for did := (hub.Regranted{More: true}); did.More; {
		var err error
		did, err = c.store.Regrant(context.Background(), self, d, did.Last, 1+c.rand.IntN(4))
		c.must(err)
	}
	c.open = false
}

// refund asks for the right back, or refunds what has come back unused.
func (c *town) refund(id ticket.TicketID) {
	ctx := context.Background()
	if c.store.Recall(ctx, self.Tenant, id) == nil {
		return
	}
	if c.store.SetStatus(ctx, self.Tenant, id, ticket.StatusRefunded, 1) == nil {
		c.refunded[id] = true
		if _, uncertain := c.store.Uncertain(self)[id]; c.entered[id] > 0 && !uncertain {
			c.fatalf("ticket %d was refunded as unused after an entry", id)
		}
	}
}

func (c *town) step() {
	c.t.Helper()
	id := ticket.TicketID(c.rand.IntN(int(c.sold)+1) + 1)
	switch n := c.rand.IntN(24); {
	case n < 2 && c.sold < 9:
		c.sell()
	case n < 7:
		c.poll()
	case n < 14:
		c.enter(id)
	case n < 17:
		c.upload(c.now, c.now.sent, c.now.sent+c.rand.IntN(len(c.now.log)-c.now.sent+1))
	case n < 19:
		c.refund(id)
	case n < 20:
		c.backup()
	case n < 21:
		c.replace()
	case n < 22 && len(c.old) > 0:
		b := c.old[c.rand.IntN(len(c.old))]
		c.upload(b, b.sent, len(b.log))
	case c.open:
		c.decide()
	}
}

// TestReplace_NoAdmissionIsLostOrDoubled runs random days in which machines are lost, restored from
// backups of any age and replaced, while people enter and ask for refunds. Whatever happens, an entry
// that was reported is never followed by another one, one that was not is only where the cloud has said
// so, and in the end the cloud holds every fact.
func TestReplace_NoAdmissionIsLostOrDoubled(t *testing.T) {
	doubled := 0
	for seed := range uint64(300) {
		c := newTown(t, seed)
		for range 150 {
			c.step()
		}
		total := 0
		for _, b := range append(slices.Clone(c.old), c.now) {
			c.upload(b, b.sent, len(b.log))
			total += len(b.log)
		}
		if got := len(c.store.Facts(self)); got != total {
			c.fatalf("the cloud holds %d facts of %d", got, total)
		}
		if c.open {
			c.decide()
		}
		for id := ticket.TicketID(1); id <= c.sold; id++ {
			r, err := c.store.Row(t.Context(), self.Tenant, id)
			c.must(err)
			if r.Right.Stranded {
				c.fatalf("ticket %d is with nobody after the decision", id)
			}
			if c.entered[id] > 1 {
				doubled++
			}
		}
	}
	if doubled == 0 {
		t.Fatal("no machine was ever lost with an entry on it: the days are too quiet")
	}
}
