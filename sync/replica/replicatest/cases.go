package replicatest

import (
	"context"

	"yipiao/sync/replica/replicamem"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

const (
	granted  = ticket.CustodyGranted
	recalled = ticket.CustodyRecalled
	atCloud  = ticket.CustodyCloud
)

func cursorMoves(d *desk) {
	first := d.page(d.right(1, granted, 1, 0, 1))
	d.ok(d.st.Apply(context.Background(), first))
	d.wantCursor(first.Next)
	next := d.page(d.right(2, granted, 1, 0, 1))
	d.ok(d.st.Apply(context.Background(), next))
	d.ok(d.st.Apply(context.Background(), first)) // late, on another uplink
	d.wantCursor(next.Next)
	d.crash()
	d.wantCursor(next.Next)
	d.wantReason(d.ask(1, 1, false), ticket.Admitted)
	d.wantReason(d.ask(2, 2, false), ticket.Admitted)
}

func otherEpoch(d *desk) {
	p := d.page(d.right(1, granted, 1, 0, 1))
	p.Epoch = "another"
	if d.st.Apply(context.Background(), p) == nil {
		d.t.Fatal("a page of another epoch was applied")
	}
	d.ok(d.st.Reset(context.Background(), "another"))
	if e, c := d.st.Cursor(); e != "another" || c != 0 {
		d.t.Fatalf("cursor %s %d after a reset", e, c)
	}
	d.ok(d.st.Apply(context.Background(), p))
	d.wantReason(d.ask(1, 1, false), ticket.Admitted)
}

// withdrawn: the same generation is granted again; one that was answered is not held any more (R1).
func withdrawn(d *desk) {
	d.ok(d.apply(d.right(1, granted, 1, 0, 2)))
	d.ok(d.apply(d.right(1, recalled, 1, 0, 2)))
	d.ok(d.apply(d.right(1, granted, 1, 0, 2)))
	d.wantReason(d.ask(1, 1, false), ticket.CustodyElsewhere)
	open := d.openPassage(2)
	d.ok(isNotYet(d.apply(d.right(2, recalled, 1, 0, 2))))
	d.ok(d.apply(d.right(2, granted, 1, 0, 2)))
	d.ok(d.st.EndPassage(context.Background(), open, replicamem.Passed))
	d.wantReason(d.ask(2, 2, false), ticket.Readmitted)
}

// openPassage grants a ticket of two entries and lets somebody stand at the gate with it.
func (d *desk) openPassage(id ticket.TicketID) uint64 {
	d.t.Helper()
	d.ok(d.apply(d.right(id, granted, 1, 0, 2)))
	a := d.ask(id, 0, true)
	d.wantReason(a, ticket.Admitted)
	return a.Seq
}

func answerFirst(d *desk) {
	d.ok(d.apply(d.right(1, granted, 1, 0, 1)))
	_, before := d.st.Cursor()
	release := d.log.Hold()
	done := make(chan error, 1)
	recall := d.page(d.right(1, recalled, 1, 0, 1))
	st := d.st
	go func() { done <- st.Apply(context.Background(), recall) }()
	d.wantStuck(done, d.log.Durable().Seq+1)
	d.wantCursor(before)
	release()
	d.ok(<-done)
	d.wantCursor(recall.Next)
	f := d.facts(ticket.FactCustodyReleased)
	if len(f) != 1 || f[0].Gen != 1 || f[0].Used != 0 {
		d.t.Fatalf("released %+v", f)
	}
	d.wantReason(d.ask(1, 1, false), ticket.CustodyElsewhere)
}

// othersAnswer: the answer is in memory only, written for a page whose uplink has died; the same recall
// comes over the other one, which must wait for it too (hole 10).
func othersAnswer(d *desk) {
	d.ok(d.apply(d.right(1, granted, 1, 0, 1)))
	_, before := d.st.Cursor()
	d.log.Hold()
	recall := d.page(d.right(1, recalled, 1, 0, 1))
	for range 2 {
		ctx, leave := context.WithCancel(context.Background())
		done := make(chan error, 1)
		st := d.st
		go func() { done <- st.Apply(ctx, recall) }()
		d.wantStuck(done, d.log.Durable().Seq+1)
		leave()
		if <-done == nil {
			d.t.Fatal("the cursor has passed an answer that is in memory only")
		}
	}
	d.wantCursor(before)
	d.crash()
	d.wantCursor(before)
	d.ok(d.st.Apply(context.Background(), recall))
	if f := d.facts(ticket.FactCustodyReleased); len(f) != 1 {
		d.t.Fatalf("%d answers", len(f))
	}
}

func nothingEarly(d *desk) {
	d.ok(d.apply(d.right(1, granted, 1, 0, 1)))
	release := d.log.Hold()
	done := make(chan error, 1)
	st := d.st
	go func() {
		_, err := st.Do(context.Background(), request(1, 1, false))
		done <- err
	}()
	d.wantStuck(done, d.log.Durable().Seq+1)
	release()
	d.ok(<-done)
	d.wantReason(d.ask(1, 2, false), ticket.MaxEntries)
	d.crash()
	d.wantReason(d.ask(1, 3, false), ticket.MaxEntries)
}

func olderGeneration(d *desk) {
	old := d.page(d.right(1, granted, 1, 0, 1))
	d.ok(d.st.Apply(context.Background(), old))
	d.ok(d.apply(d.right(1, recalled, 1, 0, 1)))
	d.ok(d.apply(d.right(1, granted, 1, 0, 1))) // withdrawn, behind the answer
	d.wantReason(d.ask(1, 1, false), ticket.CustodyElsewhere)
	d.crash()
	d.wantReason(d.ask(1, 2, false), ticket.CustodyElsewhere)
	d.ok(d.apply(d.right(1, granted, 2, 0, 1)))
	d.wantReason(d.ask(1, 3, false), ticket.Admitted)
}

func meetsPassage(d *desk) {
	for id, how := range map[ticket.TicketID]replicamem.End{1: replicamem.Passed, 2: replicamem.Lapsed} {
		open := d.openPassage(id)
		_, before := d.st.Cursor()
		recall := d.page(d.right(id, recalled, 1, 0, 2))
		d.ok(isNotYet(d.st.Apply(context.Background(), recall)))
		d.wantCursor(before)
		d.wantReason(d.ask(id, 10+byte(id), false), ticket.CustodyMoving)
		d.crash()
		if got := d.st.OpenPassages(); len(got) != 1 || got[0] != open {
			d.t.Fatalf("open passages %v after a crash, want %d", got, open)
		}
		d.ok(isNotYet(d.st.Apply(context.Background(), recall)))
		d.ok(d.st.EndPassage(context.Background(), open, how))
		d.ok(d.st.EndPassage(context.Background(), open, how)) // told twice
		d.ok(d.st.Apply(context.Background(), recall))
	}
	used := map[ticket.TicketID]uint16{}
	for _, f := range d.facts(ticket.FactCustodyReleased) {
		used[f.Ticket] = f.Used
	}
	if len(used) != 2 || used[1] != 1 || used[2] != 0 {
		d.t.Fatalf("released with %v", used)
	}
}

func uncertain(d *desk) {
	open := d.openPassage(1)
	d.ok(d.st.EndPassage(context.Background(), open, replicamem.Uncertain))
	d.ok(d.apply(d.right(1, recalled, 1, 0, 2)))
	if f := d.facts(ticket.FactCustodyUsed); len(f) != 1 || f[0].Used != 1 {
		d.t.Fatalf("answered %+v", f)
	}
}

func usesGoAlong(d *desk) {
	d.ok(d.apply(d.right(1, granted, 1, 0, 3)))
	d.wantReason(d.ask(1, 1, false), ticket.Admitted)
	d.ok(d.apply(d.right(1, recalled, 1, 0, 3)))
	if f := d.facts(ticket.FactCustodyReleased); len(f) != 1 || f[0].Used != 1 || !f[0].Inside {
		d.t.Fatalf("released %+v", f)
	}
	d.ok(d.apply(d.right(1, granted, 2, 2, 3))) // one was used elsewhere
	d.wantReason(d.ask(1, 2, false), ticket.Readmitted)
	d.wantReason(d.ask(1, 3, false), ticket.MaxEntries)
}

// signature: a ticket never seen is admitted once on its signature, and its grant finds that so.
func signature(d *desk) {
	d.wantReason(d.ask(signedFrom, 1, false), ticket.AdmittedSignature)
	d.wantReason(d.ask(signedFrom, 2, false), ticket.MaxEntries)
	d.crash()
	d.ok(d.apply(d.right(signedFrom, granted, 1, 0, 1)))
	d.wantReason(d.ask(signedFrom, 3, false), ticket.MaxEntries)
	d.ok(d.apply(d.right(signedFrom+1, recalled, 1, 0, 1))) // recalled before it was seen
	d.wantReason(d.ask(signedFrom+1, 4, false), ticket.CustodyElsewhere)
	d.wantReason(d.ask(5, 5, false), ticket.NotYetSynced) // another session
}

func nonceOverCrash(d *desk) {
	d.ok(d.apply(d.right(1, granted, 1, 0, 1), d.right(2, granted, 1, 0, 1)))
	first := d.ask(1, 7, false)
	for range 2 {
		a := d.ask(1, 7, false)
		if a.Verdict != first.Verdict || a.Seq != first.Seq || !a.Repeated {
			d.t.Fatalf("repeated: %+v, first %+v", a, first)
		}
		d.wantReason(d.ask(2, 7, false), ticket.NonceConflict)
		d.crash()
	}
	if f := d.facts(ticket.FactEntryGranted); len(f) != 1 {
		d.t.Fatalf("%d entries", len(f))
	}
}

func neverSeen(d *desk) {
	d.ok(d.apply(d.right(1, recalled, 3, 0, 1)))
	if f := d.facts(ticket.FactCustodyReleased); len(f) != 1 || f[0].Gen != 3 {
		d.t.Fatalf("answered %+v", f)
	}
	d.crash()
	d.ok(d.apply(d.right(1, granted, 3, 0, 1)))
	d.wantReason(d.ask(1, 1, false), ticket.CustodyElsewhere)
	d.ok(d.apply(d.right(1, atCloud, 3, 0, 1)))
	d.ok(d.apply(d.right(1, granted, 4, 0, 1)))
	d.wantReason(d.ask(1, 2, false), ticket.Admitted)
}

func uploadReads(d *desk) {
	d.ok(d.apply(d.right(1, granted, 1, 0, 1)))
	d.ask(1, 1, false)
	d.ask(1, 2, false)
	d.log.Hold()
	_, err := d.st.Do(cancelled(), request(1, 3, false))
	if err == nil {
		d.t.Fatal("answered before it was durable")
	}
	entries, err := d.st.Journal(1, 100, 1<<20)
	d.ok(err)
	if pos := d.st.Durable(); len(entries) != 2 || pos.Seq != 2 || pos.Sum != entries[1].Sum {
		d.t.Fatalf("%d entries, durable %+v", len(entries), pos)
	}
	d.st.SetAcked(wire.Ack{Epoch: 1, Durable: 2})
	if d.st.Acked() != 2 {
		d.t.Fatalf("acked %d", d.st.Acked())
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
