package hubtest

import (
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/ticket"
)

func rightsFollowTheRules(t *testing.T, w World) {
	setup(w, one)
	ctx, id := t.Context(), ticket.TicketID(1)
	w.AddTicket(one, aTicket(id, session, 2))
	ver := uint64(1)
	step := func(name string, err error, state hub.State, gen uint32) hub.Row {
		t.Helper()
		ok(t, err)
		ver++
		r := row(t, w, one.Tenant, id)
		if r.Right.State != state || r.Right.Gen != gen || r.Seq != 0 || r.Ticket.Ver != ver {
			t.Fatalf("%s: %+v, want state %d, generation %d, version %d, pending", name, r, state, gen, ver)
		}
		return r
	}
	step("grant", w.Grant(ctx, one.Tenant, id), hub.Granted, 1)
	step("take back", w.TakeBack(ctx, one.Tenant, id), hub.Cloud, 1)
	step("grant again", w.Grant(ctx, one.Tenant, id), hub.Granted, 2)
	stamp(t, w, one)
	first := row(t, w, one.Tenant, id).Right.GrantedSeq
	if r := step("recall", w.Recall(ctx, one.Tenant, id), hub.Recalled, 2); r.Right.GrantedSeq != first {
		t.Fatalf("the recall moved granted_seq from %d to %d", first, r.Right.GrantedSeq)
	}
	stamp(t, w, one)
	if r := step("withdraw", w.Withdraw(ctx, one.Tenant, id), hub.Granted, 2); r.Right.GrantedSeq != first || first == 0 {
		t.Fatalf("withdrawing moved granted_seq from %d to %d", first, r.Right.GrantedSeq)
	}
	step("block", w.SetStatus(ctx, one.Tenant, id, ticket.StatusBlocked, 9), hub.Granted, 2)
	step("unblock", w.SetStatus(ctx, one.Tenant, id, ticket.StatusValid, 9), hub.Granted, 2)
	step("recall again", w.Recall(ctx, one.Tenant, id), hub.Recalled, 2)
	report(t, w, one, new(logbook).write(t,
		fact{ticket.FactEntryGranted, ticket.Fact{Ticket: id, Gen: 2, Used: 1, Inside: true}},
		fact{ticket.FactCustodyReleased, ticket.Fact{Ticket: id, Gen: 2, Used: 1, Inside: true}}))
	r := step("grant what is left (R6)", w.Grant(ctx, one.Tenant, id), hub.Granted, 3)
	if r.Right.Used != 1 || !r.Right.Inside || r.Right.GrantedSeq != 0 {
		t.Fatalf("third generation: %+v", r.Right)
	}
	entries, _, _ := serve(t, w, one, 0, 9)
	got := right(t, entries[len(entries)-1])
	if got != (ticket.Right{Custody: ticket.CustodyGranted, Gen: 3, Used: 1, Inside: true, Max: 2}) {
		t.Fatalf("the feed says %+v", got)
	}
}

func refusalsChangeNothing(t *testing.T, w World) {
	setup(w, one)
	ctx, id := t.Context(), ticket.TicketID(1)
	sell(t, w, one, id)
	_, _, _ = serve(t, w, one, 0, 9)
	before := row(t, w, one.Tenant, id)
	refused := func(err, target error) {
		t.Helper()
		want(t, err, target)
		if after := row(t, w, one.Tenant, id); after != before {
			t.Fatalf("a refusal changed %+v to %+v", before, after)
		}
	}
	refused(w.Grant(ctx, one.Tenant, id), hub.ErrOutstanding)
	refused(w.Withdraw(ctx, one.Tenant, id), hub.ErrNotRecalled)
	refused(w.TakeBack(ctx, one.Tenant, id), hub.ErrMaySent)
	refused(w.SetStatus(ctx, one.Tenant, id, ticket.StatusRefunded, 1), hub.ErrCustody)
	for _, err := range []error{
		w.Grant(ctx, one.Tenant, 99), w.TakeBack(ctx, one.Tenant, 99), w.Recall(ctx, one.Tenant, 99),
		w.Withdraw(ctx, one.Tenant, 99), w.SetStatus(ctx, one.Tenant, 99, ticket.StatusBlocked, 1), w.Recall(ctx, 99, id),
	} {
		refused(err, hub.ErrUnknownTicket)
	}
	if head := stamp(t, w, one); head.Pos != before.Seq {
		t.Fatalf("a refusal left something pending: head %+v", head)
	}
	// A refund goes through the station: only what came back unused is refunded (I2).
	ok(t, w.Recall(ctx, one.Tenant, id))
	want(t, w.SetStatus(ctx, one.Tenant, id, ticket.StatusRefunded, 1), hub.ErrCustody)
	report(t, w, one, new(logbook).write(t, fact{ticket.FactCustodyReleased, ticket.Fact{Ticket: id, Gen: 1}}))
	ok(t, w.SetStatus(ctx, one.Tenant, id, ticket.StatusRefunded, 8))
	want(t, w.Grant(ctx, one.Tenant, id), hub.ErrInvalid)
	want(t, w.SetStatus(ctx, one.Tenant, id, ticket.StatusValid, 9), hub.ErrInvalid)
}

func hole6(t *testing.T, w World) {
	setup(w, one)
	ctx, id := t.Context(), ticket.TicketID(1)
	sell(t, w, one, id)
	stamp(t, w, one)
	ok(t, w.Recall(ctx, one.Tenant, id))
	release := fact{ticket.FactCustodyReleased, ticket.Fact{Ticket: id, Gen: 1}}
	l := new(logbook).write(t, release)
	report(t, w, one, l)
	ok(t, w.Grant(ctx, one.Tenant, id))
	report(t, w, one, l)                   // the same fact again
	report(t, w, one, l.write(t, release)) // and the same answer as a new fact
	if r := row(t, w, one.Tenant, id); r.Right.State != hub.Granted || r.Right.Gen != 2 {
		t.Fatalf("the second release counted for the second grant: %+v", r.Right)
	}
	report(t, w, one, l.write(t, fact{ticket.FactEntryGranted, ticket.Fact{Ticket: id, Gen: 1, Used: 1}}))
	if c := w.Conflicts(one); len(c) != 1 || c[3].Ticket != id || c[3].Reason != hub.ConflictOldGeneration {
		t.Fatalf("conflicts %+v, want one at 3", c)
	}
}
