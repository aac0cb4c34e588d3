package hubtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

const (
	writers         = 4
	writesEach      = 40
	stampers        = 2
	concurrentStock = 40
)

// A grantKey is one generation of one ticket.
type grantKey struct {
	id  ticket.TicketID
	gen uint32
}

// A cloudSide is what the concurrent writers of the cloud have done.
type cloudSide struct {
	mu sync.Mutex
	// mu guards the fields below.
	tookBack []ticket.TicketID
	refunded map[ticket.TicketID]bool
	failed   error
}

// concurrentWriters lets several writers and stampers of the cloud change tickets while one station
// reads its feed, admits people and answers recalls by the shared rules. Afterwards nothing was
// skipped, nothing is stale, and no right was exercised by two.
func concurrentWriters(t *testing.T, w World) {
	setup(w, one)
	for id := ticket.TicketID(1); id <= concurrentStock; id++ {
		sell(t, w, one, id)
	}
	side := &cloudSide{refunded: make(map[ticket.TicketID]bool)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stamping, writing sync.WaitGroup
	for range stampers {
		stamping.Go(func() {
			for ctx.Err() == nil {
				changed := w.Changed(one)
				if _, err := w.Stamp(context.Background(), one); err != nil {
					side.fail(err)
					return
				}
				select {
				case <-changed:
				case <-ctx.Done():
				}
			}
		})
	}
	for n := range writers {
		writing.Go(func() { side.write(w, rand.New(rand.NewPCG(uint64(n), 42))) })
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	st := newStation()
	for open := true; open; {
		select {
		case <-done:
			open = false
		default:
		}
		st.turn(t, w)
	}
	stop()
	stamping.Wait()
	for range 3 { // what is still on its way: changes, recalls, answers
		st.turn(t, w)
	}
	ok(t, side.failed)
	side.check(t, w, st)
}

func (c *cloudSide) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = errors.Join(c.failed, err)
}

func (c *cloudSide) write(w World, r *rand.Rand) {
	ctx := context.Background()
	for range writesEach {
		id := ticket.TicketID(r.IntN(concurrentStock) + 1)
		var err error
		switch r.IntN(8) {
		case 0, 1:
			err = w.Grant(ctx, one.Tenant, id)
		case 2:
			if err = w.TakeBack(ctx, one.Tenant, id); err == nil {
				c.mu.Lock()
				c.tookBack = append(c.tookBack, id)
				c.mu.Unlock()
			}
		case 3, 4:
			err = w.Recall(ctx, one.Tenant, id)
		case 5:
			err = w.Withdraw(ctx, one.Tenant, id)
		case 6:
			err = w.SetStatus(ctx, one.Tenant, id, ticket.StatusBlocked, 1)
			if err == nil {
				err = w.SetStatus(ctx, one.Tenant, id, ticket.StatusValid, 2)
			}
		case 7:
			if err = w.SetStatus(ctx, one.Tenant, id, ticket.StatusRefunded, 3); err == nil {
				c.mu.Lock()
				c.refunded[id] = true
				c.mu.Unlock()
			}
		}
		if err != nil && refusal(err) == nil {
			c.fail(err)
		}
	}
}

func (c *cloudSide) check(t *testing.T, w World, st *station) {
	t.Helper()
	var theirs ticket.Digest
	for id := ticket.TicketID(1); id <= concurrentStock; id++ {
		r := row(t, w, one.Tenant, id)
		if have := st.tickets[id]; have.Ver != r.Ticket.Ver || have.Entry.Gen != r.Right.Gen || have.Status != r.Ticket.Status {
			t.Errorf("ticket %d: the station has %+v, the store %+v", id, have, r)
		}
		if c.refunded[id] && st.admitted[id] > 0 {
			t.Errorf("ticket %d was refunded and admitted", id)
		}
		if st.admitted[id] > 1 {
			t.Errorf("ticket %d was admitted %d times", id, st.admitted[id])
		}
		h := st.held[id]
		s := ticket.Standing{Ticket: id, Ver: st.tickets[id].Ver, Gen: h.Gen, Used: h.Used, Inside: h.Inside}
		if h.Holds {
			s.Holder = one.Station
		}
		theirs.Add(s)
	}
	if got := w.Digest(one, session); got != theirs {
		t.Errorf("digest of the store %s, of the station %s", got, theirs)
	}
	if dead, conflicts := w.DeadLetters(one), w.Conflicts(one); len(dead)+len(conflicts) > 0 {
		t.Errorf("dead letters %v, conflicts %v", dead, conflicts)
	}
	if len(c.tookBack) == 0 && len(c.refunded) == 0 {
		t.Log("no take-back and no refund happened in this run")
	}
}

// A station reads a feed and answers it by the rules of sync/ticket.
type station struct {
	cursor   uint64
	tickets  map[ticket.TicketID]ticket.Ticket
	held     map[ticket.TicketID]ticket.Held
	granted  map[grantKey]bool
	admitted map[ticket.TicketID]int
	log      *logbook
	turns    int
}

func newStation() *station {
	return &station{
		tickets: make(map[ticket.TicketID]ticket.Ticket), held: make(map[ticket.TicketID]ticket.Held),
		granted: make(map[grantKey]bool), admitted: make(map[ticket.TicketID]int), log: new(logbook),
	}
}

// turn reads one page, admits a few people, and uploads. The feed is a run of rising positions; a
// grant that was read is never taken back for another generation without this station's answer.
func (s *station) turn(t *testing.T, w World) {
	t.Helper()
	entries, more, head := serve(t, w, one, s.cursor, 1000)
	if more {
		t.Fatal("a page of 1,000 rows was not enough")
	}
	for _, e := range entries {
		if e.Pos <= s.cursor || e.Pos > head.Sent {
			t.Fatalf("position %d behind %d, reserved %d", e.Pos, s.cursor, head.Sent)
		}
		s.cursor = e.Pos
		if e.Kind == wire.KindTicket {
			s.apply(t, e)
		}
	}
	s.cursor = head.Sent
	s.turns++
	for id := ticket.TicketID(s.turns%7 + 1); id <= concurrentStock; id += 7 {
		if h := s.held[id]; h.Holds && h.Used == 0 && s.tickets[id].Status == ticket.StatusValid {
			f := ticket.Fact{Ticket: id, Session: session, Gen: h.Gen, Used: 1, Inside: true}
			s.held[id] = h.Fold(ticket.FactEntryGranted, &f, 1)
			s.log.write(t, fact{ticket.FactEntryGranted, f})
			s.admitted[id]++
			break
		}
	}
	report(t, w, one, s.log)
}

func (s *station) apply(t *testing.T, e wire.Entry) {
	t.Helper()
	var tk ticket.Ticket
	ok(t, e.DecodeBody(&tk))
	if had := s.tickets[tk.ID]; tk.Ver <= had.Ver {
		t.Fatalf("ticket %d: version %d after %d", tk.ID, tk.Ver, had.Ver)
	}
	h, kind, answer, wait := s.held[tk.ID].Offer(tk.Entry)
	if wait {
		t.Fatalf("ticket %d waits for a passage that is not there", tk.ID)
	}
	if tk.Entry.Custody == ticket.CustodyCloud && s.granted[grantKey{tk.ID, tk.Entry.Gen}] && s.held[tk.ID].Holds {
		t.Fatalf("ticket %d: generation %d was granted and is taken back unasked", tk.ID, tk.Entry.Gen)
	}
	if tk.Entry.Custody == ticket.CustodyGranted {
		s.granted[grantKey{tk.ID, tk.Entry.Gen}] = true
	}
	s.tickets[tk.ID], s.held[tk.ID] = tk, h
	if kind != 0 {
		answer.Ticket, answer.Session = tk.ID, tk.Session
		s.log.write(t, fact{kind, answer})
	}
}

// concurrentUploads sends the same journal over several uplinks at once, in pieces that overlap.
func concurrentUploads(t *testing.T, w World) {
	setup(w, one)
	sell(t, w, one, 1)
	l := notes(t, 200)
	l.write(t, fact{99, []byte("anything")}, fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 1, Gen: 1, Used: 1, Inside: true}})
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for n := range 4 {
		wg.Go(func() { errs <- upload(w, l, n*3+5) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		ok(t, err)
	}
	report(t, w, one, l)
	r := row(t, w, one.Tenant, 1)
	if dead := w.DeadLetters(one); len(dead) != 1 || dead[201] != hub.DeadKind || r.Right.Used != 1 || !r.Right.Inside {
		t.Fatalf("dead letters %v, right %+v", dead, r.Right)
	}
	if c := w.Conflicts(one); len(c) != 0 {
		t.Fatalf("conflicts %v", c)
	}
}

// upload sends the journal in batches of size, going on from what is acknowledged.
func upload(w World, l *logbook, size int) error {
	ctx := context.Background()
	for at := 0; at < len(l.entries); {
		b := wire.Batch{Epoch: 1, Entries: l.entries[at:min(at+size, len(l.entries))]}
		ack, err := w.Receive(ctx, one, &b, 1)
		if err != nil {
			return err
		}
		if _, _, err := w.Fold(ctx, one, 7, 1); err != nil {
			return err
		}
		at = int(ack.Durable)
	}
	return nil
}
