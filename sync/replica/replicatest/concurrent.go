package replicatest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"yipiao/sync/journal/memlog"
	"yipiao/sync/replica"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// crashAtEveryFact cuts the power with every number of facts durable. Afterwards what is held is what these
// facts say.
func crashAtEveryFact(d *desk) {
	for durable := uint64(0); ; durable++ {
		id := ticket.TicketID(10 + 2*durable)
		d.ok(d.apply(d.right(id, granted, 1, 0, 3), d.right(id+1, granted, 1, 0, 3)))
		from := d.log.End()
		d.log.Hold()
		for _, gated := range []bool{false, true} {
			_, _ = d.st.Do(cancelled(), request(id, 0, gated)) // appended, and not waited for
			for _, open := range d.st.OpenPassages() {
				_ = d.st.EndPassage(cancelled(), open, replicamem.Lapsed)
			}
		}
		_ = d.st.Apply(cancelled(), d.page(d.right(id+1, recalled, 1, 0, 3)))
		end := d.log.End()
		d.ok(d.log.FlushTo(min(from+durable, end)))
		d.crash()
		for _, open := range d.st.OpenPassages() {
			d.ok(d.st.EndPassage(context.Background(), open, replicamem.Lapsed))
		}
		d.wantFolded(id, ticket.Held{Gen: 1, Holds: true})
		d.wantFolded(id+1, ticket.Held{Gen: 1, Holds: true})
		if from+durable >= end {
			return
		}
	}
}

// wantFolded compares what is held of a ticket with the journal folded over what was granted.
func (d *desk) wantFolded(id ticket.TicketID, h ticket.Held) {
	d.t.Helper()
	entries, err := d.st.Journal(1, 10_000, 1<<22)
	d.ok(err)
	for i := range entries {
		var f ticket.Fact
		d.ok(f.Decode(entries[i].Body))
		if kind := ticket.FactKind(entries[i].Kind); f.Ticket == id && kind != ticket.FactRefused {
			h = h.Fold(kind, &f, entries[i].TimeMs)
		}
	}
	st, _ := d.st.Standing(id)
	if st.Gen != h.Gen || st.Used != h.Used || st.Inside != h.Inside || (st.Holder == Self) != h.Holds {
		d.t.Fatalf("ticket %d: the station has %+v, its journal says %+v", id, st, h)
	}
}

const (
	writerTickets = 6
	writerMax     = 3
	writers       = 4
	asksEach      = 60
	pagesInAll    = 80
)

// A race is many writers at one station.
type race struct {
	*desk
	mu       sync.Mutex // guards the fields below
	newest   map[ticket.TicketID]wire.Entry
	admitted map[uint64]bool // facts that somebody was told admit
	failed   error
}

// concurrentWriters lets devices, two uplinks, gates and checkpoints work at once. Afterwards every answer
// is one fact, the journal keeps the rules, and the model, given the same journal and the newest entries,
// holds the same; so does the station after a crash.
func concurrentWriters(d *desk) {
	r := &race{desk: d, newest: make(map[ticket.TicketID]wire.Entry), admitted: make(map[uint64]bool)}
	ctx, stop := context.WithCancel(context.Background())
	var all, keepers sync.WaitGroup
	for n := range writers {
		all.Go(func() { r.asks(n) })
	}
	all.Go(r.pages)
	keepers.Go(func() {
		for ctx.Err() == nil {
			r.note(d.st.Checkpoint(context.Background()))
		}
	})
	all.Wait()
	stop()
	keepers.Wait()
	d.ok(r.failed)
	r.settle()
	r.check()
	d.crash()
	r.check()
}

func (r *race) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = errors.Join(r.failed, err)
}

// asks is one device; what it opens it closes.
func (r *race) asks(n int) {
	rng := rand.New(rand.NewPCG(uint64(n), 5))
	for i := range asksEach {
		q := request(ticket.TicketID(1+rng.IntN(writerTickets)), 0, rng.IntN(3) == 0)
		if !q.Gated {
			q.Nonce = ticket.Nonce{byte(n + 1), byte(i + 1)}
		}
		a, err := r.st.Do(context.Background(), q)
		if err == nil && !q.Gated && a.Seq != 0 {
			var again replicamem.Answer
			if again, err = r.st.Do(context.Background(), q); again.Verdict != a.Verdict {
				err = errors.Join(err, errors.New("a repeated nonce was answered otherwise"))
			}
		}
		switch {
		case err != nil:
			r.note(err)
		case a.Verdict.Outcome() == ticket.OutcomeAdmit:
			r.mu.Lock()
			r.admitted[a.Seq] = true
			r.mu.Unlock()
			if q.Gated {
				r.note(r.st.EndPassage(context.Background(), a.Seq, replicamem.Passed))
			}
		}
	}
}

// pages is the cloud: it grants and recalls, and folds the answers before it grants anew.
func (r *race) pages() {
	rng := rand.New(rand.NewPCG(99, 5))
	rights := make(map[ticket.TicketID]*ticket.Right)
	for range pagesInAll {
		r.fold(rights)
		id := ticket.TicketID(1 + rng.IntN(writerTickets))
		t := rights[id]
		switch {
		case t == nil:
			t = &ticket.Right{Custody: granted, Gen: 1, Max: writerMax}
			rights[id] = t
		case t.Custody == granted:
			t.Custody = recalled
		case t.Custody == atCloud && t.Used < writerMax:
			t.Custody, t.Gen = granted, t.Gen+1
		}
		e := r.right(id, t.Custody, t.Gen, t.Used, writerMax)
		r.newest[id] = e
		p := r.page(e)
		var two sync.WaitGroup
		for range 2 {
			two.Go(func() { r.bring(p) })
		}
		two.Wait()
	}
}

// bring applies a page as a runner does: again while it has to wait.
func (r *race) bring(p *wire.Page) {
	for {
		err := r.st.Apply(context.Background(), p)
		if errors.Is(err, replica.ErrNotYet) {
			continue
		}
		r.note(err)
		return
	}
}

// fold takes rights back that the station has answered for.
func (r *race) fold(rights map[ticket.TicketID]*ticket.Right) {
	for _, kind := range []ticket.FactKind{ticket.FactCustodyReleased, ticket.FactCustodyUsed} {
		for _, f := range r.facts(kind) {
			if t := rights[f.Ticket]; t.Gen == f.Gen {
				t.Custody, t.Used, t.Inside = atCloud, f.Used, f.Inside
			}
		}
	}
}

// settle brings the newest entries once more.
func (r *race) settle() {
	for _, e := range r.newest {
		r.bring(r.page(e))
	}
}

func (r *race) check() {
	r.t.Helper()
	for _, f := range r.facts(ticket.FactEntryGranted) {
		if f.Used > writerMax {
			r.t.Fatalf("entry %+v", f)
		}
	}
	used := make(map[ticket.TicketID]uint16)
	answered := make(map[ticket.TicketID]uint32)
	entries, err := r.st.Journal(1, 100_000, 1<<24)
	r.ok(err)
	granted := 0
	for i := range entries {
		e := &entries[i]
		var f ticket.Fact
		r.ok(f.Decode(e.Body))
		switch ticket.FactKind(e.Kind) {
		case ticket.FactEntryGranted:
			if granted++; f.Gen <= answered[f.Ticket] || f.Used != used[f.Ticket]+1 {
				r.t.Fatalf("fact %d: entry %+v behind answer %d, %d used", e.Seq, f, answered[f.Ticket], used[f.Ticket])
			}
			if !r.admitted[e.Seq] {
				r.t.Fatalf("fact %d admits, and nobody was told", e.Seq)
			}
			used[f.Ticket] = f.Used
		case ticket.FactCustodyReleased, ticket.FactCustodyUsed:
			if f.Gen <= answered[f.Ticket] || f.Used != used[f.Ticket] {
				r.t.Fatalf("fact %d: answer %+v behind answer %d, %d used", e.Seq, f, answered[f.Ticket], used[f.Ticket])
			}
			answered[f.Ticket] = f.Gen
		default:
		}
	}
	if granted != len(r.admitted) {
		r.t.Fatalf("%d entries, %d admitted", granted, len(r.admitted))
	}
	r.againstTheModel()
}

// againstTheModel gives the model the same journal and the newest entries.
func (r *race) againstTheModel() {
	r.t.Helper()
	log := memlog.New(memlog.Options{Epoch: 1, Key: make([]byte, 32)})
	entries, err := r.st.Journal(1, 100_000, 1<<24)
	r.ok(err)
	for i := range entries {
		_, err := log.Append(entries[i].Record)
		r.ok(err)
	}
	m, err := replicamem.Open(replicamem.Config{Self: Self, Tenant: Tenant, Clock: r}, new(replicamem.Disk), log)
	r.ok(err)
	r.ok(m.Reset(context.Background(), epoch))
	for id, e := range r.newest {
		p := r.page(e)
		p.Next = 1 << 40
		r.ok(m.Apply(context.Background(), p))
		got, known := r.st.Standing(id)
		if want, _ := m.Standing(id); !known || got != want {
			r.t.Fatalf("ticket %d: the station has %+v, the model %+v", id, got, want)
		}
	}
}
