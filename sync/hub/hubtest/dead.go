package hubtest

import (
	"bytes"
	"encoding/json"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// all is the beginning of everything of the tenant.
var all = hub.Place{Station: link.Peer{Tenant: 7}}

// listDead reads the tenant's dead letters in pages of two.
func listDead(t *testing.T, w World, after hub.Place, only bool) (out []hub.DeadLetter) {
	t.Helper()
	for {
		page, err := w.ListDead(t.Context(), after, only, 2)
		ok(t, err)
		out = append(out, page...)
		if len(page) < 2 {
			return out
		}
		after = page[1].Place()
	}
}

// Dead letters are listed in order, with all there is to know of them, and exported the same.
func deadLetters(t *testing.T, w World) {
	setup(w, one, two, other)
	sell(t, w, one, 1)
	l := new(logbook).write(t,
		fact{99, []byte("anything")},
		fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 1, Session: session, Gen: 1, Used: 1}},
		fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 44, Gen: 1, Used: 1}},
		fact{ticket.FactCustodyReleased, ticket.Fact{Ticket: 1, Gen: 9}})
	report(t, w, one, l)
	report(t, w, two, new(logbook).write(t, fact{98, []byte{}}))
	report(t, w, other, new(logbook).write(t, fact{97, []byte{}}))
	got := listDead(t, w, all, false)
	want := []hub.DeadLetter{
		{Station: one, Reason: hub.DeadKind}, {Station: one, Reason: hub.DeadTicket}, {Station: one, Reason: hub.DeadGeneration},
		{Station: two, Reason: hub.DeadKind},
	}
	if len(got) != len(want) {
		t.Fatalf("%d dead letters, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i].Station != want[i].Station || got[i].Reason != want[i].Reason || got[i].AtMs != 5000 {
			t.Errorf("dead letter %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	first, e := got[0].Entry, l.entries[0]
	if first.Seq != 1 || first.Epoch != 1 || string(first.Body) != "anything" || first.Kind != 99 || first.Sum != e.Sum ||
		first.TimeMs != e.TimeMs || first.OffsetMs != e.OffsetMs {
		t.Errorf("entry %+v, want %+v", first, e)
	}
	if only := listDead(t, w, hub.Place{Station: one, Epoch: 1, Seq: 1}, true); len(only) != 2 || only[1].Entry.Seq != 4 {
		t.Errorf("of one station behind the first: %+v", only)
	}
	var text bytes.Buffer
	n, err := hub.ExportDead(t.Context(), w, all, false, &text)
	ok(t, err)
	lines := bytes.Split(bytes.TrimSpace(text.Bytes()), []byte("\n"))
	var line struct {
		Station, Reason string
		Seq             uint64
		Kind            uint8
		Body            []byte
	}
	ok(t, json.Unmarshal(lines[0], &line))
	if n != 4 || len(lines) != 4 || line.Station != "S-0001" || line.Seq != 1 || line.Kind != 99 || string(line.Body) != "anything" ||
		line.Reason != "unknown_kind" {
		t.Errorf("%d exported, the first as %s", n, lines[0])
	}
}

// A dead letter that can be folded by now is settled once and counts; one that cannot stays.
func deadLettersRetried(t *testing.T, w World) {
	setup(w, one, two)
	retry := func(seq uint64) (hub.DeadReason, error) {
		t.Helper()
		return w.RetryDead(t.Context(), hub.Place{Station: one, Epoch: 1, Seq: seq}, "op", 6000)
	}
	report(t, w, one, new(logbook).write(t,
		fact{99, []byte("anything")},
		fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 1, Session: session, Gen: 1, Used: 1, Inside: true}}))
	if why, err := retry(2); err != nil || why != hub.DeadTicket {
		t.Fatalf("while the ticket is not here: %q, %v", why, err)
	}
	sell(t, w, one, 1) // restored, say
	before := row(t, w, one.Tenant, 1)
	if why, err := retry(2); err != nil || why != "" {
		t.Fatalf("%q, %v", why, err)
	}
	if r := row(t, w, one.Tenant, 1); r.Right.Used != 1 || !r.Right.Inside || r.Ticket.Ver != before.Ticket.Ver {
		t.Fatalf("%+v became %+v", before, r)
	}
	for _, seq := range []uint64{2, 3} {
		_, err := retry(seq)
		want(t, err, hub.ErrNoDeadLetter)
	}
	_, err := w.RetryDead(t.Context(), hub.Place{Station: two, Epoch: 1, Seq: 1}, "op", 6000)
	want(t, err, hub.ErrNoDeadLetter)
	if why, err := retry(1); err != nil || why != hub.DeadKind {
		t.Fatalf("a kind that nobody knows: %q, %v", why, err)
	}
	if got := listDead(t, w, all, false); len(got) != 1 || got[0].Entry.Seq != 1 || got[0].AtMs != 6000 {
		t.Fatalf("left %+v", got)
	}
	if dead, c := w.DeadLetters(one), w.Conflicts(one); len(dead) != 1 || len(c) != 0 {
		t.Fatalf("dead letters %v, conflicts %v", dead, c)
	}
}

// What later facts have said of the ticket stays; what needs a person is recorded all the same.
func deadLettersRetriedLate(t *testing.T, w World) {
	setup(w, one)
	w.AddTicket(one, aTicket(1, session, 3))
	for range 2 {
		ok(t, w.Grant(t.Context(), one.Tenant, 1))
		ok(t, w.TakeBack(t.Context(), one.Tenant, 1))
	}
	entry := func(gen uint32, used uint16) fact {
		return fact{ticket.FactEntryGranted, ticket.Fact{Ticket: 1, Session: session, Gen: gen, Used: used, Inside: true}}
	}
	l := new(logbook).write(t, entry(4, 1), entry(3, 1), fact{ticket.FactRefused, ticket.Fact{Ticket: 1}}, entry(4, 3))
	report(t, w, one, l) // none was granted yet: all but the refusal are dead
	ok(t, w.Grant(t.Context(), one.Tenant, 1))
	retry := func(seq uint64, wanted hub.DeadReason) hub.Right {
		t.Helper()
		why, err := w.RetryDead(t.Context(), hub.Place{Station: one, Epoch: 1, Seq: seq}, "op", 6000)
		ok(t, err)
		if why != wanted {
			t.Fatalf("fact %d: %q, want %q", seq, why, wanted)
		}
		return row(t, w, one.Tenant, 1).Right
	}
	if r := retry(2, ""); r.Gen != 3 || r.Used != 1 {
		t.Fatalf("generation 3: %+v", r)
	}
	retry(1, hub.DeadGeneration)
	ok(t, w.TakeBack(t.Context(), one.Tenant, 1))
	ok(t, w.Grant(t.Context(), one.Tenant, 1))
	if r := retry(4, ""); r.Gen != 4 || r.Used != 3 {
		t.Fatalf("the last: %+v", r)
	}
	if r := retry(1, ""); r.Used != 3 { // the last one has counted it
		t.Fatalf("the first, after the last: %+v", r)
	}
	if left := listDead(t, w, all, false); len(left) != 0 {
		t.Fatalf("left %+v", left)
	}
}
