package hubtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

func stampsInOrderAndOnce(t *testing.T, w World) {
	setup(w, one)
	w.PutSession(one, aSession(9, false))
	w.AddTicket(one, aTicket(11, 9, 1))
	w.AddTicket(one, aTicket(5, 9, 1))
	w.AddTicket(one, aTicket(12, session, 1))
	first := stamp(t, w, one)
	if first.Pos != 5 || first.Epoch == "" {
		t.Fatalf("head %+v, want position 5", first)
	}
	if again := stamp(t, w, one); again != first {
		t.Fatalf("stamping nothing moved the head from %+v to %+v", first, again)
	}
	entries, more, _ := serve(t, w, one, 0, 100)
	var keys []string
	for i, e := range entries {
		if e.Pos != uint64(i+1) || e.Ver != 1 {
			t.Errorf("entry %d has position %d and version %d", i, e.Pos, e.Ver)
		}
		keys = append(keys, string(e.Kind)+e.Key)
	}
	wantKeys := []string{"session3", "session9", "ticket12", "ticket5", "ticket11"}
	if more || len(keys) != len(wantKeys) {
		t.Fatalf("entries %v", keys)
	}
	for i := range keys {
		if keys[i] != wantKeys[i] {
			t.Fatalf("stamped in order %v, want %v", keys, wantKeys)
		}
	}
}

func pagesAreRuns(t *testing.T, w World) {
	setup(w, one)
	sell(t, w, one, 1, 2, 3, 4, 5, 6)
	var got []uint64
	after, pages := uint64(0), 0
	for more := true; more; pages++ {
		var entries []wire.Entry
		entries, more, _ = serve(t, w, one, after, 3)
		if len(entries) == 0 || len(entries) > 3 {
			t.Fatalf("a page of %d rows", len(entries))
		}
		for _, e := range entries {
			got = append(got, e.Pos)
			after = e.Pos
		}
	}
	if len(got) != 7 || pages != 3 {
		t.Fatalf("positions %v in %d pages, want 7 in 3", got, pages)
	}
	for i, pos := range got {
		if pos != uint64(i+1) {
			t.Fatalf("positions %v", got)
		}
	}
	entries, more, err := w.Page(t.Context(), one, hub.Span{After: 2, UpTo: 4, Rows: 9, Bytes: 1 << 20})
	ok(t, err)
	if more || len(entries) != 2 || entries[1].Pos != 4 {
		t.Fatalf("span 2 to 4 gave %d rows, more %v", len(entries), more)
	}
}

func pagesAreBoundedByBytes(t *testing.T, w World) {
	setup(w, one)
	sell(t, w, one, 1, 2, 3)
	all, _, head := serve(t, w, one, 0, 100)
	for _, c := range []struct{ bytes, rows int }{{1, 1}, {len(all[0].Body) + len(all[1].Body), 2}, {1 << 20, 4}} {
		got, more, err := w.Page(t.Context(), one, hub.Span{UpTo: head.Sent, Rows: 100, Bytes: c.bytes})
		ok(t, err)
		if len(got) != c.rows || more != (c.rows < 4) {
			t.Errorf("%d bytes gave %d rows, more %v, want %d", c.bytes, len(got), more, c.rows)
		}
	}
}

func compactionKeepsTheNewest(t *testing.T, w World) {
	setup(w, one)
	sell(t, w, one, 1, 2)
	_, _, head := serve(t, w, one, 0, 100)
	ok(t, w.SetStatus(t.Context(), one.Tenant, 1, ticket.StatusBlocked, 77))
	pending, _, err := w.Page(t.Context(), one, hub.Span{UpTo: head.Sent, Rows: 100, Bytes: 1 << 20})
	ok(t, err)
	if len(pending) != 2 {
		t.Fatalf("%d rows while one is pending, want session and the other ticket", len(pending))
	}
	entries, _, now := serve(t, w, one, head.Pos, 100)
	if len(entries) != 1 || entries[0].Pos != head.Pos+1 || now.Pos != head.Pos+1 || entries[0].Ver != 3 {
		t.Fatalf("after a change: %+v, head %+v", entries, now)
	}
	var tk ticket.Ticket
	ok(t, entries[0].DecodeBody(&tk))
	if tk.Status != ticket.StatusBlocked || tk.StatusMs != 77 || tk.Entry.Custody != ticket.CustodyGranted || tk.Holder != "*三" {
		t.Fatalf("body %+v", tk)
	}
	renamed := aSession(session, false)
	renamed.Name = "样例话剧（加演）"
	w.PutSession(one, renamed)
	all, _, _ := serve(t, w, one, 0, 100)
	if len(all) != 3 || all[2].Kind != wire.KindSession || all[2].Ver != 2 {
		t.Fatalf("read from 0: %+v", all)
	}
}

func feedsAreSeparate(t *testing.T, w World) {
	setup(w, one, two, other)
	sell(t, w, one, 1)
	sell(t, w, two, 2)
	sell(t, w, other, 1)
	for _, f := range []link.Peer{one, two, other} {
		entries, _, head := serve(t, w, f, 0, 100)
		if len(entries) != 2 || head.Pos != 2 {
			t.Errorf("feed %+v has %d entries and head %d", f, len(entries), head.Pos)
		}
	}
	ok(t, w.Recall(t.Context(), other.Tenant, 1))
	if r := row(t, w, one.Tenant, 1); r.Right.State != hub.Granted || r.Feed != one {
		t.Errorf("the other tenant's recall reached %+v", r)
	}
	stranger := link.Peer{Tenant: 7, Station: 9}
	_, err := w.Stamp(t.Context(), stranger)
	want(t, err, hub.ErrUnknownStation)
	_, err = w.Reserve(t.Context(), stranger)
	want(t, err, hub.ErrUnknownStation)
	want(t, w.Registered(t.Context(), stranger), hub.ErrUnknownStation)
	want(t, w.Seen(t.Context(), stranger, 1), hub.ErrUnknownStation)
	_, err = w.Receive(t.Context(), stranger, &wire.Batch{Epoch: 1}, 1)
	want(t, err, hub.ErrUnknownStation)
	ok(t, w.Registered(t.Context(), two))
	ok(t, w.Seen(t.Context(), two, 1))
}

func newsAndBell(t *testing.T, w World) {
	setup(w, one, two)
	serve(t, w, one, 0, 9)
	serve(t, w, two, 0, 9)
	at := func(f link.Peer) hub.News {
		all, err := w.News(t.Context())
		ok(t, err)
		for _, n := range all {
			if n.Feed == f {
				return n
			}
		}
		t.Fatalf("no news of %+v in %+v", f, all)
		return hub.News{}
	}
	if n := at(one); n != (hub.News{Feed: one, Pos: 1}) {
		t.Fatalf("quiet feed: %+v", n)
	}
	w.AddTicket(one, aTicket(1, session, 1))
	rang, silent := w.Changed(one), w.Changed(two)
	ok(t, w.Grant(t.Context(), one.Tenant, 1))
	select {
	case <-rang:
	default:
		t.Fatal("a change rang no bell")
	}
	select {
	case <-silent:
		t.Fatal("a change rang another feed's bell")
	default:
	}
	if n := at(one); !n.Pending || n.Unfolded {
		t.Fatalf("after a sale: %+v", n)
	}
	l := new(logbook).write(t, fact{ticket.FactUplinkChanged, ticket.Note{Subject: "wan"}})
	_, err := w.Receive(t.Context(), two, l.from(1), 1)
	ok(t, err)
	if n := at(two); n.Pending || !n.Unfolded {
		t.Fatalf("after an upload: %+v", n)
	}
}

func hole1(t *testing.T, w World) {
	setup(w, one)
	sell(t, w, one, 1)
	_, _, head := serve(t, w, one, 0, 9)
	first := row(t, w, one.Tenant, 1).Right.GrantedSeq
	if first == 0 || first > head.Sent {
		t.Fatalf("granted_seq %d, head %+v", first, head)
	}
	// The row changes for another reason: pending first, then stamped above sent_pos.
	ok(t, w.SetStatus(t.Context(), one.Tenant, 1, ticket.StatusBlocked, 1))
	want(t, w.TakeBack(t.Context(), one.Tenant, 1), hub.ErrMaySent)
	stamp(t, w, one)
	want(t, w.TakeBack(t.Context(), one.Tenant, 1), hub.ErrMaySent)
	if r := row(t, w, one.Tenant, 1); r.Right.GrantedSeq != first || r.Seq <= head.Sent {
		t.Fatalf("row %+v, want granted_seq %d and a position above %d", r, first, head.Sent)
	}
}

// Nothing read may be beyond what was reserved first, and what was reserved is given away before it
// is read.
func hole2(t *testing.T, w World) {
	setup(w, one)
	sell(t, w, one, 1)
	stamp(t, w, one)
	reserved, err := w.Reserve(t.Context(), one)
	ok(t, err)
	want(t, w.TakeBack(t.Context(), one.Tenant, 1), hub.ErrMaySent)
	sell(t, w, one, 2)
	stamp(t, w, one)
	page, _, err := w.Page(t.Context(), one, hub.Span{UpTo: reserved.Sent, Rows: 9, Bytes: 1 << 20})
	ok(t, err)
	if len(page) != 2 {
		t.Fatalf("%d rows in the reserved span, want session and ticket 1", len(page))
	}
	ok(t, w.TakeBack(t.Context(), one.Tenant, 2)) // stamped, and certainly not sent
	if r := row(t, w, one.Tenant, 2); r.Right.State != hub.Cloud || r.Right.GrantedSeq != 0 || r.Seq != 0 {
		t.Fatalf("taken back: %+v", r)
	}
	entries, _, _ := serve(t, w, one, reserved.Sent, 9)
	if len(entries) != 1 || right(t, entries[0]).Custody != ticket.CustodyCloud {
		t.Fatalf("after taking back the feed says %+v", entries)
	}
}

// A take-back races with serving, over and over: never both.
func hole3(t *testing.T, w World) {
	setup(w, one)
	const rounds = 40
	after := uint64(0)
	for id := ticket.TicketID(1); id <= rounds; id++ {
		sell(t, w, one, id)
		var wg sync.WaitGroup
		var took error
		wg.Go(func() { took = w.TakeBack(context.Background(), one.Tenant, id) })
		stamp(t, w, one)
		head, err := w.Reserve(t.Context(), one)
		ok(t, err)
		page, _, err := w.Page(t.Context(), one, hub.Span{After: after, UpTo: head.Sent, Rows: 99, Bytes: 1 << 20})
		ok(t, err)
		wg.Wait()
		sent := false
		for _, e := range page {
			sent = sent || e.Key == wire.Key(id) && right(t, e).Custody == ticket.CustodyGranted
		}
		switch {
		case took == nil && sent:
			t.Fatalf("ticket %d was taken back and its grant was sent", id)
		case took != nil && !errors.Is(took, hub.ErrMaySent):
			t.Fatalf("take back: %v", took)
		}
		after = head.Sent
	}
}

func signedEntry(t *testing.T, w World) {
	setup(w, one)
	w.PutSession(one, aSession(9, true))
	w.AddTicket(one, aTicket(1, 9, 1))
	ok(t, w.Grant(t.Context(), one.Tenant, 1))
	want(t, w.TakeBack(t.Context(), one.Tenant, 1), hub.ErrMaySent)
}
