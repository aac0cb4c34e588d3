package hubtest

import (
	"errors"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

var newKey = []byte("another machine's key 89abcdef01")

// regrant carries a decision out and returns what it did in all.
func regrant(t *testing.T, w World, f link.Peer, d hub.Decision, most int) (all hub.Regranted) {
	t.Helper()
	for all.More = true; all.More; {
		got, err := w.Regrant(t.Context(), f, d, all.Last, most)
		ok(t, err)
		if got.Rights > most {
			t.Fatalf("%d rights in one transaction, at most %d", got.Rights, most)
		}
		all = hub.Regranted{Rights: all.Rights + got.Rights, Uncertain: all.Uncertain + got.Uncertain, Last: got.Last, More: got.More}
	}
	return all
}

// shown reads the feed from 0 and returns what a new machine is told of each ticket.
func shown(t *testing.T, w World, f link.Peer) map[ticket.TicketID]ticket.Right {
	t.Helper()
	entries, more, _ := serve(t, w, f, 0, 1000)
	if more {
		t.Fatal("more than a page")
	}
	out := make(map[ticket.TicketID]ticket.Right)
	for _, e := range entries {
		if e.Kind == wire.KindTicket {
			var tk ticket.Ticket
			ok(t, e.DecodeBody(&tk))
			out[tk.ID] = tk.Entry
		}
	}
	return out
}

// replaced is a station with six tickets whose machine was replaced: 1 granted and sent, 2 admitted and
// reported, 3 recalled, 4 granted and never sent, 5 with the cloud, 6 sold since.
func replaced(t *testing.T, w World) *logbook {
	t.Helper()
	setup(w, one, two)
	sell(t, w, one, 1, 2, 3)
	sell(t, w, two, 11)
	serve(t, w, one, 0, 99)
	serve(t, w, two, 0, 99)
	ok(t, w.Recall(t.Context(), one.Tenant, 3))
	old := new(logbook).write(t, fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 2, Session: session, Gen: 1, Used: 1, Inside: true}})
	report(t, w, one, old)
	sell(t, w, one, 4)
	w.AddTicket(one, aTicket(5, session, 1))
	before := stamp(t, w, one)
	w.ReplaceMachine(one, newKey)
	after := stamp(t, w, one)
	if after.Epoch == before.Epoch || after.Lost != before.Pos || after.Pos != before.Pos {
		t.Fatalf("head %+v became %+v", before, after)
	}
	sell(t, w, one, 6)
	return old
}

func replacedMachine(t *testing.T, w World) {
	old := replaced(t, w)
	ctx := t.Context()
	// The new machine is shown nothing that the old one may hold, and nothing to answer for.
	for id, r := range shown(t, w, one) {
		if granted := r.Custody == ticket.CustodyGranted; granted != (id == 6) || r.Custody == ticket.CustodyRecalled {
			t.Errorf("ticket %d is shown as %+v", id, r)
		}
	}
	for id := ticket.TicketID(1); id <= 4; id++ {
		r := row(t, w, one.Tenant, id)
		if !r.Right.Stranded || r.Right.Gen != 1 || r.Right.Holder(one.Station) != 0 {
			t.Errorf("ticket %d: %+v", id, r.Right)
		}
		want(t, w.Grant(ctx, one.Tenant, id), hub.ErrOutstanding)
		want(t, w.SetStatus(ctx, one.Tenant, id, ticket.StatusRefunded, 1), hub.ErrCustody)
	}
	if r := row(t, w, two.Tenant, 11); r.Right.Stranded || r.Right.Holder(two.Station) != two.Station {
		t.Errorf("another station's ticket: %+v", r.Right)
	}
	// The old machine's journal goes on, and is news to the new one; the present one is another.
	old.write(t, fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 1, Session: session, Gen: 1, Used: 1, Inside: true}})
	ack, err := w.Receive(ctx, one, old.from(1), 5)
	ok(t, err)
	if ack.Epoch != 1 || ack.Durable != 2 {
		t.Fatalf("ack %+v", ack)
	}
	fresh := &logbook{epoch: 2}
	fresh.write(t, fact{ticket.FactStationStarted, ticket.Note{Subject: "S-0001"}})
	_, err = w.Receive(ctx, one, fresh.from(1), 5)
	var answer *wire.Error
	if !errors.As(err, &answer) || answer.Code != wire.CodeChain {
		t.Fatalf("the new epoch with the old key: %v", err)
	}
	_, err = w.Receive(ctx, one, &wire.Batch{Epoch: 3}, 5)
	if !errors.As(err, &answer) || answer.Code != wire.CodeEpoch || answer.Ack.Epoch != 2 {
		t.Fatalf("an epoch of nobody: %v", err)
	}
	report(t, w, one, old)
	if r := row(t, w, one.Tenant, 1); r.Right.Used != 1 || !r.Right.Stranded {
		t.Fatalf("the late fact: %+v", r.Right)
	}
	if r := shown(t, w, one)[1]; r.Used != 1 || r.Custody != ticket.CustodyCloud {
		t.Fatalf("the new machine is told %+v", r)
	}
	if m, err := w.Machine(ctx, one); err != nil || m.Epoch != 2 {
		t.Fatalf("machine %+v, %v", m, err)
	}
	if _, err := w.Machine(ctx, link.Peer{Tenant: 7, Station: 99}); !errors.Is(err, hub.ErrUnknownStation) {
		t.Fatal(err)
	}
}

func replacedMachineComplete(t *testing.T, w World) {
	old := replaced(t, w)
	did := regrant(t, w, one, hub.Decision{FromMs: 1, ToMs: 9000}, 100)
	if did.Rights != 4 || did.Uncertain != 0 || len(w.Uncertain(one)) != 0 {
		t.Fatalf("%+v, uncertain %v", did, w.Uncertain(one))
	}
	told := shown(t, w, one)
	for id, want := range map[ticket.TicketID]ticket.Right{
		1: {Custody: ticket.CustodyGranted, Gen: 2, Max: 1},
		2: {Custody: ticket.CustodyGranted, Gen: 2, Max: 1, Used: 1, Inside: true}, // so that the gate can say so
		3: {Custody: ticket.CustodyCloud, Gen: 1, Max: 1},
		4: {Custody: ticket.CustodyGranted, Gen: 2, Max: 1},
		6: {Custody: ticket.CustodyGranted, Gen: 1, Max: 1},
	} {
		if told[id] != want {
			t.Errorf("ticket %d is shown as %+v, want %+v", id, told[id], want)
		}
	}
	if r := row(t, w, one.Tenant, 3); r.Right.State != hub.Released {
		t.Errorf("what was recalled is %+v", r.Right)
	}
	ok(t, w.SetStatus(t.Context(), one.Tenant, 3, ticket.StatusRefunded, 1))
	if again := regrant(t, w, one, hub.Decision{}, 100); again.Rights != 0 {
		t.Fatalf("a second time: %+v", again)
	}
	// The old machine turns up after all: recorded, changes nothing, and an entry needs a person.
	before := row(t, w, one.Tenant, 1)
	old.write(t,
		fact{ticket.FactCustodyReleased, ticket.Fact{Ticket: 4, Session: session, Gen: 1}},
		fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 1, Session: session, Gen: 1, Used: 1}})
	report(t, w, one, old)
	if after := row(t, w, one.Tenant, 1); after != before {
		t.Fatalf("the late entry changed %+v to %+v", before, after)
	}
	if r := row(t, w, one.Tenant, 4); r.Right.State != hub.Granted || r.Right.Gen != 2 {
		t.Fatalf("the late release: %+v", r.Right)
	}
	if c := w.Conflicts(one); len(c) != 1 || c[3].Ticket != 1 || c[3].Reason != hub.ConflictOldGeneration {
		t.Fatalf("conflicts %+v", c)
	}
}

func replacedMachineLost(t *testing.T, w World) {
	replaced(t, w)
	// The session admits from 1000 and ends at 4000. Nobody knows of 1500 to 2000.
	did := regrant(t, w, one, hub.Decision{Lost: true, FromMs: 1500, ToMs: 2000}, 100)
	got := w.Uncertain(one)
	if did.Rights != 4 || did.Uncertain != 3 || len(got) != 3 || got[1] != 2 || got[3] != 1 || got[4] != 2 {
		t.Fatalf("%+v, uncertain %v", did, got)
	}
	// And again, with a third machine and another window, in which nobody could enter.
	w.ReplaceMachine(one, chainKey)
	did = regrant(t, w, one, hub.Decision{Lost: true, FromMs: 5000, ToMs: 6000}, 100)
	if did.Rights != 4 || did.Uncertain != 0 {
		t.Fatalf("the third machine: %+v", did)
	}
	if r := row(t, w, one.Tenant, 6); r.Right.Gen != 2 || r.Right.Stranded {
		t.Fatalf("%+v", r.Right)
	}
}

func replacedMachineInChunks(t *testing.T, w World) {
	setup(w, one)
	var ids []ticket.TicketID
	for id := ticket.TicketID(1); id <= 25; id++ {
		ids = append(ids, id)
	}
	sell(t, w, one, ids...)
	serve(t, w, one, 0, 99)
	w.ReplaceMachine(one, newKey)
	if did := regrant(t, w, one, hub.Decision{}, 4); did.Rights != 25 {
		t.Fatalf("%+v", did)
	}
	for _, id := range ids {
		if r := row(t, w, one.Tenant, id); r.Right.Gen != 2 || r.Right.State != hub.Granted || r.Right.Stranded {
			t.Fatalf("ticket %d: %+v", id, r.Right)
		}
	}
}
