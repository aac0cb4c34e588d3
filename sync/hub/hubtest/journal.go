package hubtest

import (
	"errors"
	"math"
	"slices"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/hub/hubmem"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

func notes(t *testing.T, n int) *logbook {
	t.Helper()
	l := new(logbook)
	for range n {
		l.write(t, fact{ticket.FactDeviceStatus, ticket.Note{Subject: "gate"}})
	}
	return l
}

func receiveIsIdempotent(t *testing.T, w World) {
	setup(w, one)
	l := notes(t, 10)
	ack, err := w.Receive(t.Context(), one, &wire.Batch{Epoch: 1}, 1)
	ok(t, err)
	if ack.Durable != 0 || ack.Folded != 0 || ack.Epoch != 1 {
		t.Fatalf("empty journal: %+v", ack)
	}
	for _, b := range []*wire.Batch{l.from(1), l.from(1), l.from(4), {Epoch: 1, Entries: l.entries[2:5]}, {Epoch: 1}} {
		ack, err = w.Receive(t.Context(), one, b, 1)
		ok(t, err)
		if ack.Durable != 10 {
			t.Fatalf("ack %+v, want 10", ack)
		}
	}
	l.write(t, fact{ticket.FactDeviceStatus, ticket.Note{Subject: "gate"}})
	ack, err = w.Receive(t.Context(), one, l.from(9), 1) // half known, half new
	ok(t, err)
	if ack.Durable != 11 {
		t.Fatalf("ack %+v, want 11", ack)
	}
	folded, more, err := w.Fold(t.Context(), one, 100, 1)
	ok(t, err)
	if folded != 11 || more {
		t.Fatalf("folded %d, more %v", folded, more)
	}
}

func receiveRefusals(t *testing.T, w World) {
	setup(w, one)
	l := notes(t, 10)
	_, err := w.Receive(t.Context(), one, &wire.Batch{Epoch: 1, Entries: l.entries[:5]}, 1)
	ok(t, err)
	fork, chain := slices.Clone(l.entries[:5]), slices.Clone(l.entries[5:])
	fork[4].Sum[0]++
	chain[2].Body = []byte("edited")
	for range 2 { // an incident is recorded once
		for _, c := range []struct {
			batch wire.Batch
			code  wire.Code
		}{
			{wire.Batch{Epoch: 1, Entries: l.entries[6:]}, wire.CodeGap},
			{wire.Batch{Epoch: 2, Entries: nil}, wire.CodeEpoch},
			{wire.Batch{Epoch: 1, Entries: fork}, wire.CodeFork},
			{wire.Batch{Epoch: 1, Entries: chain}, wire.CodeChain},
		} {
			ack, err := w.Receive(t.Context(), one, &c.batch, 1)
			var answer *wire.Error
			if !errors.As(err, &answer) || answer.Code != c.code || answer.Ack == nil || answer.Ack.Durable != 5 || ack != (wire.Ack{}) {
				t.Fatalf("%s: %+v, %v", c.code, ack, err)
			}
		}
	}
	in := w.Incidents(one)
	slices.SortFunc(in, func(a, b hubmem.Incident) int { return int(a.Seq) - int(b.Seq) })
	if !slices.Equal(in, []hubmem.Incident{{Code: wire.CodeFork, Seq: 1}, {Code: wire.CodeChain, Seq: 6}}) {
		t.Fatalf("incidents %+v", in)
	}
	ack, err := w.Receive(t.Context(), one, l.from(6), 1) // the true journal goes on
	ok(t, err)
	if ack.Durable != 10 {
		t.Fatalf("ack %+v", ack)
	}
}

func foldMakesNoEcho(t *testing.T, w World) {
	setup(w, one)
	sell(t, w, one, 1, 2)
	_, _, head := serve(t, w, one, 0, 9)
	before := row(t, w, one.Tenant, 1)
	report(t, w, one, new(logbook).write(t,
		fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 1, Session: session, Gen: 1, Used: 1, Inside: true}},
		fact{ticket.FactRefused, ticket.Fact{Ticket: 1}},
		fact{ticket.FactRefused, ticket.Fact{}}))
	after := row(t, w, one.Tenant, 1)
	wanted := before
	wanted.Right.Used, wanted.Right.Inside = 1, true
	if after != wanted {
		t.Fatalf("folded to %+v, want %+v", after, wanted)
	}
	entries, _, now := serve(t, w, one, head.Pos, 9)
	if len(entries) != 0 || now.Pos != head.Pos {
		t.Fatalf("the station's own fact came back: %+v", entries)
	}
	var want ticket.Digest
	for id := ticket.TicketID(1); id <= 2; id++ {
		r := row(t, w, one.Tenant, id)
		want.Add(r.Standing())
	}
	if got := w.Digest(one, session); got != want {
		t.Fatalf("digest %s, want %s", got, want)
	}
}

// What a lapse or an annulment gives back is there for the next entry.
func foldGivesBack(t *testing.T, w World) {
	setup(w, one)
	sell(t, w, one, 1)
	l := new(logbook)
	for _, kind := range []ticket.FactKind{ticket.FactEntryLapsed, ticket.FactEntryAnnulled} {
		report(t, w, one, l.write(t,
			fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 1, Session: session, Gen: 1, Used: 1, Inside: true}},
			fact{kind, ticket.Fact{Ticket: 1, Session: session, Gen: 1, Of: uint64(len(l.entries)) + 1}}))
		if r := row(t, w, one.Tenant, 1).Right; r.Used != 0 || r.Inside || r.State != hub.Granted {
			t.Errorf("after %s: %+v", kind, r)
		}
	}
	if dead, conflicts := w.DeadLetters(one), w.Conflicts(one); len(dead)+len(conflicts) != 0 {
		t.Errorf("dead letters %v, conflicts %v", dead, conflicts)
	}
}

func foldNeverBlocks(t *testing.T, w World) {
	setup(w, one, two)
	sell(t, w, one, 1)
	sell(t, w, two, 2)
	report(t, w, one, new(logbook).write(t,
		fact{99, []byte("anything")},
		fact{ticket.FactEntryGranted, []byte{0x08}},            // a ticket without its number
		fact{ticket.FactDeviceStatus, []byte{0x0a, 0x05, 'g'}}, // a subject that is cut off
		fact{ticket.FactEntryGranted, ticket.Fact{Ticket: math.MaxUint64, Gen: 1, Used: 1}},
		fact{ticket.FactEntryGranted, ticket.Fact{Gen: 1, Used: 1}},
		fact{ticket.FactCustodyReleased, ticket.Fact{Ticket: 1, Gen: 5}},
		fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 2, Gen: 1, Used: 1}}, // another station's
		fact{ticket.FactExit, ticket.Fact{Ticket: 2, Gen: 1}},
		fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 1, Gen: 1, Used: 1}}))
	dead := w.DeadLetters(one)
	for seq, reason := range map[uint64]hub.DeadReason{
		1: hub.DeadKind, 2: hub.DeadBody, 3: hub.DeadBody, 4: hub.DeadTicket, 5: hub.DeadBody, 6: hub.DeadGeneration,
	} {
		if dead[seq] != reason {
			t.Errorf("fact %d: dead letter %q, want %q", seq, dead[seq], reason)
		}
	}
	conflicts := w.Conflicts(one)
	if len(dead) != 6 || len(conflicts) != 1 || conflicts[7] != (hubmem.Conflict{Ticket: 2, Reason: hub.ConflictNotHome}) {
		t.Errorf("dead letters %v, conflicts %v", dead, conflicts)
	}
	if r := row(t, w, one.Tenant, 1).Right; r.Used != 1 || r.State != hub.Granted {
		t.Errorf("the fact behind them was not folded: %+v", r)
	}
	if r := row(t, w, two.Tenant, 2).Right; r.Used != 0 {
		t.Errorf("another station's fact changed %+v", r)
	}
}

func foldInChunks(t *testing.T, w World) {
	setup(w, one)
	l := notes(t, 25)
	_, err := w.Receive(t.Context(), one, l.from(1), 1)
	ok(t, err)
	for _, c := range []struct {
		folded uint64
		more   bool
	}{{10, true}, {20, true}, {25, false}, {25, false}} {
		folded, more, err := w.Fold(t.Context(), one, 10, 1)
		ok(t, err)
		if folded != c.folded || more != c.more {
			t.Fatalf("folded %d, more %v, want %d, %v", folded, more, c.folded, c.more)
		}
	}
}
