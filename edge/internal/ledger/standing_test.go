package ledger_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

// signedWorld applies the world of a session that admits on signatures and re-admits after an exit; its
// ticket has two entries and has not come yet.
func (s *station) signedWorld() *decisions.World {
	s.t.Helper()
	rows, err := decisions.Table()
	if err != nil {
		s.t.Fatal(err)
	}
	row := rows[0]
	row.Absent, row.Signed, row.Max, row.Reentry = true, true, 2, ticket.ReentryAfterExit
	w, err := decisions.NewWorld(&row, start)
	if err != nil {
		s.t.Fatal(err)
	}
	before, _, err := w.Feed()
	if err != nil {
		s.t.Fatal(err)
	}
	s.apply(before, true)
	return w
}

// turned is a feed entry of a ticket that has moved on.
func (s *station) turned(tk ticket.Ticket, c ticket.Custody, gen uint32) wire.Entry {
	s.t.Helper()
	tk.Ver, tk.Entry.Custody, tk.Entry.Gen = tk.Ver+uint64(gen), c, gen
	return entryOf(s.t, s.next(), tk)
}

func (s *station) heldOf(id ticket.TicketID) ticket.Held {
	_, h, _ := s.Ticket(id)
	return h
}

// TestFeed_ChangedStandingIsBarredUntilItCounts: while a page waits for the disk, nothing begins on a
// standing that it changes, known ticket or not; what it leaves as it is goes on. Otherwise a passage
// begun meanwhile would hold up an entry that the cursor has passed, for ever (R5, R9).
func TestFeed_ChangedStandingIsBarredUntilItCounts(t *testing.T) {
	granted, cloud := ticket.CustodyGranted, ticket.CustodyCloud
	for name, c := range map[string]struct {
		known           bool // the ticket is granted with generation 1 before
		custody         ticket.Custody
		gen             uint32
		meanwhile, then ticket.Reason
	}{
		"first grant":              {false, granted, 1, ticket.CustodyMoving, ticket.Admitted},
		"first word, of the cloud": {false, cloud, 1, ticket.CustodyMoving, ticket.CustodyElsewhere},
		"newer grant":              {true, granted, 2, ticket.CustodyMoving, ticket.Admitted},
		"taken back":               {true, cloud, 2, ticket.CustodyMoving, ticket.CustodyElsewhere},
		"the same standing":        {true, granted, 1, ticket.Admitted, ticket.GateBusy},
	} {
		dir := t.TempDir()
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := onDisk(t, dir)
				w := s.signedWorld()
				if c.known {
					s.apply([]wire.Entry{entryOf(t, s.next(), w.Ticket)}, true)
				}
				junk := request(w, 99, "both")
				junk.Payload = "junk"
				release := d.Hold()
				go func() { _, _ = s.Do(context.Background(), junk, ticket.Check) }()
				synctest.Wait() // something is on its way to the disk
				page := []wire.Entry{s.turned(w.Ticket, c.custody, c.gen)}
				applied := make(chan error, 1)
				go func() { applied <- s.tryApply(page, true) }()
				synctest.Wait() // it waits for the disk
				gated := request(w, 100, "both")
				gated.Gated = true
				got := make(chan ledger.Answer, 1)
				go func() {
					a, err := s.Do(context.Background(), gated, ticket.Check)
					if err != nil {
						t.Error(err)
					}
					got <- a
				}()
				synctest.Wait()
				if now := len(got) == 1; now != (c.meanwhile == ticket.CustodyMoving) {
					t.Errorf("answered before the disk: %v", now)
				}
				release()
				if err := <-applied; err != nil {
					t.Error(err)
				}
				if a := <-got; a.Verdict.Reason != c.meanwhile {
					t.Errorf("meanwhile: %s, want %s", a.Verdict.Reason, c.meanwhile)
				}
				if c.meanwhile != ticket.CustodyMoving {
					gated.Nonce[0]++
				}
				if a := s.do(gated); a.Verdict.Reason != c.then || a.Repeated { // a retry is decided anew
					t.Errorf("then: %s, repeated %v, want %s", a.Verdict.Reason, a.Repeated, c.then)
				}
				if h := s.heldOf(decisions.TheID); h.Gen != c.gen || h.Holds != (c.custody == granted) || h.Recalling {
					t.Errorf("held %+v", h)
				}
				_ = s.Close()
			})
		})
	}
}

// TestFeed_PageThatMustComeAgainLeavesChangedStandingsBarred, and nothing else, until it comes (R5).
func TestFeed_PageThatMustComeAgainLeavesChangedStandingsBarred(t *testing.T) {
	s := newStation(t)
	w := s.signedWorld()
	passing := request(w, 100, "both")
	passing.Gated = true
	grant := s.do(passing)
	changed, same := w.Ticket, w.Ticket
	for i, tk := range []*ticket.Ticket{&changed, &same} {
		tk.ID, tk.CredHash = idOf(i), ticket.PayloadHash(payloadOf(w, i))
		tk.Code = tk.Code[:len(tk.Code)-1] + ticket.TicketCode('5'+rune(i))
	}
	s.apply([]wire.Entry{entryOf(t, s.next(), changed), entryOf(t, s.next()+1, same)}, true)
	again := same
	again.Ver, again.Seat = 2, "2层"
	page := []wire.Entry{s.turned(w.Ticket, ticket.CustodyGranted, 1), s.turned(changed, ticket.CustodyCloud, 2), entryOf(t, s.next(), again)}
	for i := range page {
		page[i].Pos += uint64(i)
	}
	if err := s.tryApply(page, true); !errors.Is(err, replica.ErrNotYet) {
		t.Fatal(err)
	}
	s.enter(w, 0, ticket.CustodyMoving)
	s.enter(w, 1, ticket.Admitted)
	if h := s.heldOf(idOf(0)); h.Gen != 1 || !h.Holds || !h.Recalling {
		t.Fatalf("held %+v", h)
	}
	if _, err := s.EndPassage(context.Background(), grant.Seq, ledger.Passed); err != nil {
		t.Fatal(err)
	}
	s.enter(w, 0, ticket.CustodyMoving)
	s.apply(page, true)
	s.enter(w, 0, ticket.CustodyElsewhere)
}

// TestSignatureUse_SurvivesTheCloudUntilTheGrant that does not know of it: in memory as after a kill and
// after a restart (R9).
func TestSignatureUse_SurvivesTheCloudUntilTheGrant(t *testing.T) {
	s := newStation(t)
	w := s.signedWorld()
	if a := s.do(request(w, 1, "door")); a.Verdict.Reason != ticket.AdmittedSignature {
		t.Fatal(a.Verdict.Reason)
	}
	want := ticket.Held{Used: 1, Inside: true, LastMs: start.UnixMilli(), LastAt: "door"}
	same := func() {
		t.Helper()
		for range 2 {
			if h := s.heldOf(decisions.TheID); h != want {
				t.Fatalf("held %+v, want %+v", h, want)
			}
			if h := s.crash().begin().heldOf(decisions.TheID); h != want {
				t.Fatalf("after a kill: held %+v, want %+v", h, want)
			}
			s.restart()
		}
	}
	s.apply([]wire.Entry{s.turned(w.Ticket, ticket.CustodyCloud, 2)}, true)
	same()
	if a := s.do(request(w, 2, "door")); a.Verdict.Reason != ticket.AlreadyInside {
		t.Fatal(a.Verdict.Reason)
	}
	s.apply([]wire.Entry{s.turned(w.Ticket, ticket.CustodyGranted, 3)}, true)
	want.Gen, want.Holds = 3, true
	same()
}
