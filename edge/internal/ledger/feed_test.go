package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"testing"

	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

// next is the position behind the cursor.
func (s *station) next() uint64 {
	_, at := s.Cursor()
	return at + 1
}

// entryOf is a feed entry with the whole state of a ticket.
func entryOf(t testing.TB, pos uint64, tk ticket.Ticket) wire.Entry {
	t.Helper()
	body, err := json.Marshal(tk)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Entry{Pos: pos, Kind: wire.KindTicket, Key: wire.Key(tk.ID), Ver: tk.Ver, Body: body}
}

func (s *station) wantAside(n int) {
	s.t.Helper()
	if got := s.Stats().Aside; got != n {
		s.t.Fatalf("%d entries kept aside, want %d", got, n)
	}
}

func (s *station) wantReason(req func() ticket.Reason, want ticket.Reason) {
	s.t.Helper()
	if got := req(); got != want {
		s.t.Fatalf("got %s, want %s", got, want)
	}
}

// asker asks about the world's ticket with a new nonce each time.
func (s *station) asker(w *decisions.World) func() ticket.Reason {
	nonce := byte(0)
	return func() ticket.Reason {
		nonce++
		return s.do(request(w, nonce, "door")).Verdict.Reason
	}
}

// TestFeed_UnknownKindIsKeptAside: counted, survives a restart, goes when its tombstone comes, and
// meanwhile the ticket that it names is refused needs_update. Keys of unknown kinds are opaque.
func TestFeed_UnknownKindIsKeptAside(t *testing.T) {
	for _, key := range []string{"4001", "of/no number", ""} {
		s := newStation(t)
		w := s.world()
		ask := s.asker(w)
		strange := wire.Entry{
			Kind: "ticket_extension", Key: key, Ver: 1, Body: []byte(`{"of":"a later version"}`), Tickets: []ticket.TicketID{decisions.TheID},
		}
		for range 2 { // a newer state of the same key is not a second entry
			strange.Pos = s.next()
			s.apply([]wire.Entry{strange}, true)
			s.wantAside(1)
		}
		s.wantReason(ask, ticket.NeedsUpdate)
		s.restart()
		if s.report.Aside != 1 {
			t.Fatalf("report says %d kept aside", s.report.Aside)
		}
		s.wantAside(1)
		s.wantReason(ask, ticket.NeedsUpdate)
		strange.Pos, strange.Gone, strange.Body = s.next(), true, nil
		s.apply([]wire.Entry{strange}, true)
		s.wantAside(0)
		s.restart()
		s.wantAside(0)
		s.wantReason(ask, ticket.Admitted)
	}
}

// TestFeed_UnreadableBodyIsReplacedByAReadableOne, for a ticket and for a key.
func TestFeed_UnreadableBodyIsReplacedByAReadableOne(t *testing.T) {
	for _, gone := range []bool{false, true} {
		s := newStation(t)
		w := s.world()
		good := entryOf(t, 0, w.Ticket)
		bad := good
		bad.Pos, bad.Ver, bad.Body = s.next(), 2, []byte(`{"id":4001,"of":"a later version"}`)
		s.apply([]wire.Entry{bad}, true)
		s.wantAside(1)
		ask := s.asker(w)
		s.wantReason(ask, ticket.NeedsUpdate)
		s.restart()
		s.wantAside(1)
		want := ticket.Admitted
		last := good
		last.Pos = s.next()
		if last.Gone = gone; gone {
			last.Body, want = nil, ticket.CustodyElsewhere
		}
		s.apply([]wire.Entry{last}, true)
		s.wantAside(0)
		s.restart()
		s.wantAside(0)
		if _, h, _ := s.Ticket(decisions.TheID); !gone && !h.Holds {
			t.Fatalf("held %+v", h)
		}
		if got := ask(); gone && got == ticket.Admitted || !gone && got != want {
			t.Fatalf("gone %v: %s", gone, got)
		}
	}
}

// TestFeed_PoisonedEntryDoesNotBlockTheOthers of its page (I5).
func TestFeed_PoisonedEntryDoesNotBlockTheOthers(t *testing.T) {
	s := newStation(t)
	w := s.world()
	page := many(t, w, 3)
	page[1].Body = []byte(`not JSON`)
	s.apply(page, true)
	s.wantAside(1)
	for i, want := range []bool{true, false, true} {
		if tk, _, ok := s.Ticket(idOf(i)); (ok && tk.ID != 0) != want {
			t.Errorf("ticket %d known: %v", i, !want)
		}
	}
	if _, at := s.Cursor(); at != page[2].Pos {
		t.Errorf("cursor %d, want %d", at, page[2].Pos)
	}
}

func TestFeed_PageAppliedTwiceChangesNothing(t *testing.T) {
	s := newStation(t)
	w := s.world()
	page := many(t, w, 20)
	s.apply(page, true)
	before, stats := s.Digests(), s.Stats()
	s.apply(page, true)
	if !maps.Equal(before, s.Digests()) {
		t.Fatal("the digest changed")
	}
	after := s.Stats()
	if after.Tickets != stats.Tickets || after.Tickets != 21 || after.Feed != stats.Feed || after.End != stats.End {
		t.Fatalf("%+v, then %+v", stats, after)
	}
}

func TestFeed_CursorNeverGoesBack(t *testing.T) {
	s := newStation(t)
	w := s.world()
	_, at := s.Cursor()
	old := w.Ticket
	old.Seat = "从前的座位"
	p := &wire.Page{Version: 1, Epoch: decisions.Epoch, Entries: []wire.Entry{entryOf(t, 1, old)}, Next: at - 1, CaughtUp: true}
	if err := s.Apply(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if _, now := s.Cursor(); now != at {
		t.Fatalf("cursor went from %d to %d", at, now)
	}
	if tk, _, _ := s.Ticket(decisions.TheID); tk.Seat == old.Seat {
		t.Fatal("an old page was applied")
	}
	s.restart()
	if epoch, now := s.Cursor(); now != at || epoch != decisions.Epoch {
		t.Fatalf("after a restart: %s %d, want %d", epoch, now, at)
	}
}

func TestFeed_OlderVersionIsIgnoredInMemoryAndOnTheDisk(t *testing.T) {
	s := newStation(t)
	w := s.world()
	newer := w.Ticket
	newer.Ver, newer.Status = 9, ticket.StatusBlocked
	s.apply([]wire.Entry{entryOf(t, s.next(), newer)}, true)
	older := w.Ticket
	older.Ver = 8
	s.apply([]wire.Entry{entryOf(t, s.next(), older)}, true)
	ask := s.asker(w)
	s.wantReason(ask, ticket.Blocked)
	s.restart()
	s.wantReason(ask, ticket.Blocked)
}

func TestFeed_PageOfAnotherEpochIsRefusedAndAResetIsCounted(t *testing.T) {
	s := newStation(t)
	w := s.world()
	ask := s.asker(w)
	p := &wire.Page{Version: 1, Epoch: "rebuilt", Next: 5}
	if err := s.Apply(context.Background(), p); err == nil {
		t.Fatal("applied")
	}
	if err := s.Reset(context.Background(), "rebuilt"); err != nil {
		t.Fatal(err)
	}
	s.restart()
	if epoch, at := s.Cursor(); epoch != "rebuilt" || at != 0 || s.Stats().Feed.Resyncs != 2 {
		t.Fatalf("%s %d, %+v", epoch, at, s.Stats().Feed)
	}
	s.wantReason(ask, ticket.Admitted) // what is held is kept
	if err := s.Apply(context.Background(), p); err != nil {
		t.Fatal(err)
	}
}

// TestFeed_TombstoneOfATicketEndsItsUse; its facts happened and stay.
func TestFeed_TombstoneOfATicketEndsItsUse(t *testing.T) {
	s := newStation(t)
	w := s.world()
	ask := s.asker(w)
	s.apply([]wire.Entry{{Pos: s.next(), Kind: wire.KindTicket, Key: wire.Key(decisions.TheID), Gone: true}}, true)
	for range 2 {
		if got := ask(); got == ticket.Admitted || got == ticket.AdmittedSignature {
			t.Fatalf("got %s", got)
		}
		s.restart()
	}
	if got := s.Stats().Tickets; got != 0 {
		t.Fatalf("%d tickets", got)
	}
}

func TestFeed_TombstonesOfSessionGroupAndKey(t *testing.T) {
	s := newStation(t)
	w := s.world()
	groups := len(s.Groups())
	s.apply([]wire.Entry{
		{Pos: s.next(), Kind: wire.KindSession, Key: wire.Key(w.Session.ID), Gone: true},
		{Pos: s.next() + 1, Kind: wire.KindGateGroup, Key: "4", Gone: true},
		{Pos: s.next() + 2, Kind: wire.KindSignKey, Key: "1", Gone: true},
		{Pos: s.next() + 3, Kind: "of_the_future", Key: "never seen", Gone: true},
	}, true)
	for range 2 {
		if got := len(s.Stats().Sessions); got != 1 || len(s.Groups()) != groups-1 {
			t.Fatalf("%d sessions, %d groups", got, len(s.Groups()))
		}
		s.restart()
	}
	s.wantReason(s.asker(w), ticket.NotYetSynced)
}

// TestRecall_WithdrawnWhileItWaitedFreesTheRight, also when the station was restarted meanwhile (R1).
func TestRecall_WithdrawnWhileItWaitedFreesTheRight(t *testing.T) {
	for _, restart := range []bool{false, true} {
		s := newStation(t)
		w := s.world()
		w.Ticket.Entry.Max = 2
		w.Session.Reentry = ticket.ReentryFree
		body, err := json.Marshal(w.Session)
		if err != nil {
			t.Fatal(err)
		}
		s.apply([]wire.Entry{
			{Pos: s.next(), Kind: wire.KindSession, Key: wire.Key(w.Session.ID), Ver: 2, Body: body}, entryOf(t, s.next()+1, w.Ticket),
		}, true)
		req := request(w, 100, "door")
		req.Gated = true
		grant := s.do(req)
		recall := recallOf(t, w, s.next())
		if err := s.tryApply(recall, true); !errors.Is(err, replica.ErrNotYet) {
			t.Fatal(err)
		}
		ask := s.asker(w)
		s.wantReason(ask, ticket.CustodyMoving)
		if restart {
			s.restart()
		}
		if _, err := s.EndPassage(context.Background(), grant.Seq, 1); err != nil {
			t.Fatal(err)
		}
		w.Ticket.Ver += 2 // granted again, with the same generation
		s.apply([]wire.Entry{entryOf(t, s.next()+1, w.Ticket)}, true)
		s.wantReason(ask, ticket.Readmitted)
	}
}

// TestGrant_WaitsForAPassageBySignature and is then found used (R9).
func TestGrant_WaitsForAPassageBySignature(t *testing.T) {
	s := newStation(t)
	rows, err := decisions.Table()
	if err != nil {
		t.Fatal(err)
	}
	row := rows[0]
	row.Absent, row.Signed = true, true
	w, err := decisions.NewWorld(&row, start)
	if err != nil {
		t.Fatal(err)
	}
	before, _, err := w.Feed()
	if err != nil {
		t.Fatal(err)
	}
	s.apply(before, true)
	req := request(w, 100, "door")
	req.Gated = true
	grant := s.do(req)
	if grant.Verdict.Reason != ticket.AdmittedSignature {
		t.Fatalf("got %s", grant.Verdict.Reason)
	}
	page := []wire.Entry{entryOf(t, s.next(), w.Ticket)}
	if err := s.tryApply(page, true); !errors.Is(err, replica.ErrNotYet) {
		t.Fatalf("got %v", err)
	}
	s.restart()
	if err := s.tryApply(page, true); !errors.Is(err, replica.ErrNotYet) {
		t.Fatalf("after a restart: %v", err)
	}
	if _, err := s.EndPassage(context.Background(), grant.Seq, 1); err != nil {
		t.Fatal(err)
	}
	s.apply(page, true)
	for range 2 {
		_, h, _ := s.Ticket(decisions.TheID)
		if h.Gen != 1 || !h.Holds || h.Used != 1 || h.Passage != ticket.PassageNone {
			t.Fatalf("held %+v", h)
		}
		s.restart()
	}
	s.wantReason(s.asker(w), ticket.MaxEntries)
}

// TestAnswer_ForgedCodeDoesNotShowWhoseTicketItNames.
func TestAnswer_ForgedCodeDoesNotShowWhoseTicketItNames(t *testing.T) {
	s := newStation(t)
	w := s.world()
	c, err := ticket.ParseCredential(w.Payload)
	if err != nil {
		t.Fatal(err)
	}
	c.Random[0]++ // the signature no longer fits
	req := request(w, 1, "door")
	req.Payload = c.Text()
	if a := s.do(req); a.Verdict.Reason != ticket.BadSignature || a.Ticket != 0 || a.Seat != "" {
		t.Fatalf("%s, ticket %d %s", a.Verdict.Reason, a.Ticket, a.Seat)
	}
	if a := s.do(request(w, 2, "door")); a.Ticket == 0 || a.Seat == "" {
		t.Fatal("a genuine code shows no ticket")
	}
}
