package edge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"yipiao/sync/ticket"
)

// crashLedger is what the cloud has been told, folded here once more and without its code.
type crashLedger struct {
	mu       sync.Mutex
	facts    []crashFact                // by sequence - 1
	used     map[ticket.TicketID]int    // guarded by mu
	refunded map[ticket.TicketID]uint64 // guarded by mu; the last fact before the refund that is certain
	granted  map[ticket.Nonce]uint64    // sequence of the admission under a nonce
	lanes    map[string]*gateCount
}

type crashFact struct {
	kind  ticket.FactKind
	id    ticket.TicketID
	nonce ticket.Nonce
}

// gateCount is what has happened at a lane with a gate. turned is by how much its counter was turned by
// hand, rather than by people.
type gateCount struct{ passed, lapsed, uncertain, turned uint32 }

func (l *crashLedger) init() {
	l.used, l.refunded = make(map[ticket.TicketID]int), make(map[ticket.TicketID]uint64)
	l.granted, l.lanes = make(map[ticket.Nonce]uint64), make(map[string]*gateCount)
}

func (l *crashLedger) refund(id ticket.TicketID, after uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refunded[id] = after
}

func (l *crashLedger) wasRefunded(id ticket.TicketID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.refunded[id]
	return ok
}

// readFacts folds what the cloud has received since the last time: who was admitted too often, under
// one nonce twice, or after a refund, is counted as doubled.
func (v *crashVenue) readFacts() {
	l := &v.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	all := v.cloud.store.Facts(self)
	for i := range all[len(l.facts):] {
		e := &all[len(l.facts)]
		f := ticket.Fact{}
		kind := ticket.FactKind(e.Kind)
		if e.Seq != uint64(len(l.facts))+1 {
			v.find("the cloud has fact %d in place %d (index %d)", e.Seq, len(l.facts)+1, i)
			return
		}
		if kind.OfTicket() {
			if err := f.Decode(e.Body); err != nil {
				v.find("fact %d does not decode: %v", e.Seq, err)
			}
		}
		own := crashFact{kind: kind, id: f.Ticket}
		if f.Nonce != nil {
			own.nonce = *f.Nonce
		}
		l.facts = append(l.facts, own)
		v.foldFact(e.Seq, kind, &f)
	}
}

func (v *crashVenue) foldFact(seq uint64, kind ticket.FactKind, f *ticket.Fact) {
	l := &v.ledger
	gate := l.lane(f.Lane)
	switch kind {
	case ticket.FactEntryGranted:
		l.used[f.Ticket]++
		v.mu.Lock()
		most := int(v.passes[f.Ticket].Entry.Max)
		v.mu.Unlock()
		_, twice := l.granted[nonceOf(f)]
		at, refunded := l.refunded[f.Ticket]
		refunded = refunded && seq > at
		if l.used[f.Ticket] > most || f.Nonce != nil && twice || refunded {
			v.tally.doubled++
			v.find("fact %d admits ticket %d for the %d. time of %d (same nonce %v, refunded %v)", seq, f.Ticket, l.used[f.Ticket], most, twice, refunded)
		}
		if f.Nonce != nil {
			l.granted[*f.Nonce] = seq
		}
	case ticket.FactEntryAnnulled:
		l.used[f.Ticket]--
	case ticket.FactEntryLapsed:
		l.used[f.Ticket]--
		gate.lapsed++
	case ticket.FactEntryPassed:
		gate.passed++
	case ticket.FactEntryUncertain:
		gate.uncertain++
	default:
		return
	}
	if int(f.Used) != l.used[f.Ticket] {
		v.find("fact %d (%s) says that ticket %d is used %d times, by the facts it is %d", seq, kind, f.Ticket, f.Used, l.used[f.Ticket])
	}
}

func nonceOf(f *ticket.Fact) ticket.Nonce {
	if f.Nonce == nil {
		return ticket.Nonce{}
	}
	return *f.Nonce
}

// judge compares the clients' record with the running station and with the cloud, when it has caught up.
func (v *crashVenue) judge(rnd *rand.Rand, limit time.Duration) {
	ctx, cancel := context.WithTimeout(v.t.Context(), crashPatience)
	defer cancel()
	v.askAgain(ctx, rnd)
	d, ok := v.quiet(ctx, limit)
	v.readFacts()
	if ok {
		v.compareDigests(&d)
	}
	v.compareRecord()
	v.compareStates(ctx, rnd)
	v.compareGates()
	for _, in := range v.cloud.store.Incidents(self) {
		v.find("the cloud refused fact %d: %s", in.Seq, in.Code)
	}
	for seq, why := range v.cloud.store.DeadLetters(self) {
		v.find("the cloud could not fold fact %d: %s", seq, why)
	}
	for seq, c := range v.cloud.store.Conflicts(self) {
		v.find("fact %d about ticket %d is a conflict: %s", seq, c.Ticket, c.Reason)
	}
	v.closeRound()
}

// askAgain repeats every attempt of the round with its nonce, and some earlier ones: an answer that
// was received must come again, one that was not may come now.
func (v *crashVenue) askAgain(ctx context.Context, rnd *rand.Rand) {
	again := append([]*crashTry(nil), v.record.open...)
	if n := len(v.record.closed); n > 0 {
		from := rnd.IntN(n)
		again = append(again, v.record.closed[from:min(from+50, n)]...)
	}
	work := make(chan *crashTry)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range v.doors {
		all.Go(func() {
			for a := range work {
				v.askOne(ctx, a, &mu)
			}
		})
	}
	for _, a := range again {
		work <- a
	}
	close(work)
	all.Wait()
}

// askOne repeats one attempt. mu guards what is counted.
func (v *crashVenue) askOne(ctx context.Context, a *crashTry, mu *sync.Mutex) {
	was := *a
	got, err := v.insist(ctx, a)
	mu.Lock()
	defer mu.Unlock()
	switch {
	case err != nil:
		v.find("ticket %d asked again at D%d: %v", a.pass.ID, a.door+1, err)
	case was.told && (got.Verdict.Reason != was.reason || got.Seq != was.seq || !got.Repeated && was.seq != 0):
		v.find("ticket %d was answered %s (#%d) and is now answered %s (#%d, repeated %v) to the same request",
			a.pass.ID, was.reason, was.seq, got.Verdict.Reason, got.Seq, got.Repeated)
		*a = was
		v.lose(a)
	}
}

// lose counts an answer that is lost, once.
func (v *crashVenue) lose(a *crashTry) {
	if !a.lost {
		a.lost = true
		v.tally.lost++
	}
}

// quiet waits until the station is at rest and the cloud holds and has folded all of it.
func (v *crashVenue) quiet(ctx context.Context, limit time.Duration) (d Digests, ok bool) {
	why := ""
	for end := time.Now().Add(limit); time.Now().Before(end); {
		var st Status
		if err := v.get(ctx, "/api/v1/status", &st); err != nil {
			v.find("status: %v", err)
			return d, false
		}
		j, head := v.cloud.store.Journal(self), v.head(ctx)
		why = fmt.Sprintf("passages %d, feed %d of %d (%v), fact %d, %d at the cloud, %d folded",
			st.Journal.Passages, st.Feed.Cursor, head, st.Feed.CaughtUp, st.Journal.End, j.Durable, j.Folded)
		if st.Journal.Passages == 0 && st.Feed.CaughtUp && st.Feed.Cursor == head && j.Folded == st.Journal.End {
			if err := v.get(ctx, "/api/v1/digests", &d); err != nil {
				v.find("digests: %v", err)
				return d, false
			}
			if d.Quiet && d.End == v.cloud.store.Journal(self).Folded && d.Feed.Cursor == v.head(ctx) {
				return d, true
			}
		}
		<-time.After(5 * time.Millisecond)
	}
	v.find("station and cloud do not come to rest: %s", why)
	return d, false
}

func (v *crashVenue) head(ctx context.Context) uint64 {
	head, err := v.cloud.store.Stamp(ctx, self)
	v.cloud.must(err)
	return head.Pos
}

func (v *crashVenue) compareDigests(d *Digests) {
	for _, s := range d.Sessions {
		if want := v.cloud.store.Digest(self, s.ID); want != s.Digest {
			v.find("session %d: the station's digest is %s, the cloud's %s", s.ID, s.Digest, want)
		}
	}
}

// compareRecord looks up every answer of the round among the facts: one that is not there is lost.
func (v *crashVenue) compareRecord() {
	for _, a := range v.record.open {
		if !a.told || a.seq == 0 {
			continue
		}
		if a.seq > uint64(len(v.ledger.facts)) || v.ledger.facts[a.seq-1].nonce != a.nonce {
			v.lose(a)
			v.find("ticket %d was answered %s as fact %d, which the cloud does not have", a.pass.ID, a.reason, a.seq)
			continue
		}
		kind := v.ledger.facts[a.seq-1].kind
		if a.admitted() != (kind == ticket.FactEntryGranted) {
			v.find("ticket %d was answered %s as fact %d, which is %s", a.pass.ID, a.reason, a.seq, kind)
		}
	}
}

// compareStates asks the station how often some tickets are used.
func (v *crashVenue) compareStates(ctx context.Context, rnd *rand.Rand) {
	for range min(20, len(v.record.open)) {
		a := v.record.open[rnd.IntN(len(v.record.open))]
		var st TicketState
		if err := v.get(ctx, fmt.Sprintf("/api/v1/tickets/%d", a.pass.ID), &st); err != nil {
			continue // sold a moment before the crash: not there yet
		}
		if int(st.Used) != v.ledger.used[a.pass.ID] {
			v.find("ticket %d is used %d times at the station, by the facts %d", a.pass.ID, st.Used, v.ledger.used[a.pass.ID])
		}
	}
}

func (l *crashLedger) lane(name string) *gateCount {
	if l.lanes[name] == nil {
		l.lanes[name] = new(gateCount)
	}
	return l.lanes[name]
}

// compareGates: who the facts say has passed a gate, the gate has counted; it cannot be told only of the
// passage that was open when somebody turned the counter.
func (v *crashVenue) compareGates() {
	for i := range v.gates {
		gate, err := v.sims.Turnstile(fmt.Sprintf("gate-%d", i+1))
		v.cloud.must(err)
		by := v.ledger.lane(fmt.Sprintf("G%d", i+1))
		n := gate.State().EntryCount - by.turned
		if n < by.passed || n > by.passed+by.uncertain || by.uncertain > by.turned/crashTurn {
			v.find("gate-%d has counted %d people, by the facts %d have passed, %d perhaps", i+1, n, by.passed, by.uncertain)
		}
	}
}

// closeRound keeps what was told for later rounds and forgets the rest.
func (v *crashVenue) closeRound() {
	for _, a := range v.record.open {
		if !a.told {
			continue
		}
		v.tally.acked++
		if a.admitted() {
			v.tally.admitted++
		}
		if a.reason == ticket.Annulled {
			v.tally.annulled++
		}
		v.record.closed = append(v.record.closed, a)
	}
	v.record.open = nil
}
