package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

// world applies the first row's world and returns it.
func (s *station) world() *decisions.World {
	s.t.Helper()
	rows, err := decisions.Table()
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := decisions.NewWorld(&rows[0], start)
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

func request(w *decisions.World, nonce byte, lane string) *ledger.Request {
	return &ledger.Request{
		Kind: ticket.RequestEntry, Payload: w.Payload, Nonce: ticket.Nonce{nonce}, Device: "h1",
		Permitted: true, Lane: w.Lanes[lane], Face: true,
	}
}

// TestOneTicketManyCallers: 64 callers scan one ticket at the same instant through two lanes; exactly
// one is admitted, and it stays so after a restart (I1).
func TestOneTicketManyCallers(t *testing.T) {
	for round := range 10 {
		s := newStation(t)
		w := s.world()
		var admitted, refused atomic.Int32
		var wg sync.WaitGroup
		gun := make(chan struct{})
		for i := range 64 {
			wg.Go(func() {
				lane := []string{"door", "third"}[i%2]
				<-gun
				a, err := s.Do(context.Background(), request(w, byte(i+1), lane), ticket.Check)
				switch {
				case err != nil:
					t.Error(err)
				case a.Verdict.Reason == ticket.Admitted:
					admitted.Add(1)
				case a.Verdict.Reason == ticket.MaxEntries:
					refused.Add(1)
				}
			})
		}
		close(gun)
		wg.Wait()
		if admitted.Load() != 1 || refused.Load() != 63 {
			t.Fatalf("round %d: %d admitted, %d refused; want 1 and 63", round, admitted.Load(), refused.Load())
		}
		s.restart()
		if a := s.do(request(w, 200, "door")); a.Verdict.Reason != ticket.MaxEntries {
			t.Fatalf("after a restart: %s", a.Verdict.Reason)
		}
	}
}

// TestOneNonceManyCallers: a request that a device repeats while the first is still under way yields
// one entry and one answer.
func TestOneNonceManyCallers(t *testing.T) {
	s := newStation(t)
	w := s.world()
	var first atomic.Int32
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			a, err := s.Do(context.Background(), request(w, 7, "door"), ticket.Check)
			if err != nil || a.Verdict.Reason != ticket.Admitted {
				t.Errorf("got %s, %v", a.Verdict.Reason, err)
			}
			if !a.Repeated {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	if first.Load() != 1 {
		t.Fatalf("%d first answers, want 1", first.Load())
	}
	s.restart()
	if a := s.do(request(w, 7, "door")); a.Verdict.Reason != ticket.Admitted || !a.Repeated {
		t.Fatalf("after a restart: %s, repeated %v", a.Verdict.Reason, a.Repeated)
	} else if a.Ticket == 0 || a.Seat == "" || a.Session == nil {
		t.Fatal("after a restart: the answer has lost its seat or session")
	}
}

// TestCheckpointUnderLoad: checkpoints beside scanning never lose or invent an entry.
func TestCheckpointUnderLoad(t *testing.T) {
	s := newStation(t)
	w := s.world()
	const n = 400
	s.apply(many(t, w, n), true)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := s.Checkpoint(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	var scans sync.WaitGroup
	for g := range 8 {
		scans.Go(func() {
			for i := g; i < n; i += 8 {
				req := request(w, 0, "door")
				req.Payload = payloadOf(w, i)
				req.Nonce = ticket.Nonce{1, byte(i), byte(i >> 8)}
				if a, err := s.Do(context.Background(), req, ticket.Check); err != nil || a.Verdict.Reason != ticket.Admitted {
					t.Errorf("ticket %d: %s, %v", i, a.Verdict.Reason, err)
				}
			}
		})
	}
	scans.Wait()
	close(stop)
	wg.Wait()
	s.restart()
	for i := range n {
		if _, h, _ := s.Ticket(idOf(i)); h.Used != 1 {
			t.Fatalf("ticket %d used %d times after a restart", i, h.Used)
		}
	}
	if st := s.Stats(); st.Sessions[0].Entered != n {
		t.Fatalf("%d counted as entered, want %d", st.Sessions[0].Entered, n)
	}
}

func idOf(i int) ticket.TicketID { return ticket.TicketID(10_000 + i) }

func payloadOf(w *decisions.World, i int) string {
	c, err := ticket.ParseCredential(w.Payload)
	if err != nil {
		panic(err)
	}
	c.Ticket = idOf(i) // the hash decides for a known ticket, not the signature
	return c.Text()
}

// many are n more tickets like the world's.
func many(t testing.TB, w *decisions.World, n int) []wire.Entry {
	t.Helper()
	out := make([]wire.Entry, n)
	for i := range n {
		tk := w.Ticket
		tk.ID = idOf(i)
		tk.Code = ticket.TicketCode(fmt.Sprintf("%s%09d", w.Session.Code, i))
		tk.CredHash = ticket.PayloadHash(payloadOf(w, i))
		body, err := json.Marshal(tk)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = wire.Entry{Pos: uint64(1000 + i), Kind: wire.KindTicket, Key: wire.Key(tk.ID), Ver: 1, Body: body}
	}
	return out
}

// TestRecallWaitsForPassage: a recall that meets a passage bars the right at once, is answered only
// when the passage has ended, and the cursor does not pass it before (R3, R5).
func TestRecallWaitsForPassage(t *testing.T) {
	for _, end := range []struct {
		how  ledger.End
		kind ticket.FactKind
	}{{ledger.Passed, ticket.FactCustodyUsed}, {ledger.Lapsed, ticket.FactCustodyReleased}} {
		s := newStation(t)
		w := s.world()
		req := request(w, 1, "door")
		req.Gated = true
		grant := s.do(req)
		_, before := s.Cursor()
		recall := recallOf(t, w, before+1)
		if err := s.tryApply(recall, true); !errors.Is(err, replica.ErrNotYet) {
			t.Fatalf("got %v, want ErrNotYet", err)
		}
		if _, at := s.Cursor(); at != before {
			t.Fatalf("cursor moved from %d to %d past an unanswered recall", before, at)
		}
		if _, err := s.EndPassage(context.Background(), grant.Seq, end.how); err != nil {
			t.Fatal(err)
		}
		if a := s.do(request(w, 2, "door")); a.Verdict.Reason == ticket.Admitted {
			t.Fatal("a recalled right was exercised")
		}
		s.apply(recall, true)
		s.apply(recall, true) // the same page on the other uplink answers nothing twice
		if got := countFacts(t, s, end.kind); got != 1 {
			t.Fatalf("%d facts %s, want 1", got, end.kind)
		}
		s.restart()
		if a := s.do(request(w, 3, "door")); a.Verdict.Outcome() == ticket.OutcomeAdmit {
			t.Fatal("a released right was exercised after a restart")
		}
	}
}

// TestUnseenGrantIsReleased: a station that never saw grant 3 and reads recall 3 answers released 3
// and never exercises generation 3 (custody-model hole 5b).
func TestUnseenGrantIsReleased(t *testing.T) {
	s := newStation(t)
	w := s.world()
	w.Ticket.Ver, w.Ticket.Entry.Gen = 3, 3
	s.apply(recallOf(t, w, 100), true)
	if got := countFacts(t, s, ticket.FactCustodyReleased); got != 1 {
		t.Fatalf("%d releases, want 1", got)
	}
	late := recallOf(t, w, 101)
	w.Ticket.Entry.Custody = ticket.CustodyGranted
	late[0].Body, _ = json.Marshal(w.Ticket)
	s.apply(late, true)
	if a := s.do(request(w, 1, "door")); a.Verdict.Reason != ticket.CustodyElsewhere {
		t.Fatalf("got %s, want custody_elsewhere", a.Verdict.Reason)
	}
}

func recallOf(t *testing.T, w *decisions.World, pos uint64) []wire.Entry {
	t.Helper()
	tk := w.Ticket
	tk.Ver++
	tk.Entry.Custody = ticket.CustodyRecalled
	body, err := json.Marshal(tk)
	if err != nil {
		t.Fatal(err)
	}
	return []wire.Entry{{Pos: pos, Kind: wire.KindTicket, Key: wire.Key(tk.ID), Ver: tk.Ver, Body: body}}
}

func countFacts(t *testing.T, s *station, kind ticket.FactKind) int {
	t.Helper()
	entries, err := s.Journal(1, 10_000, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range entries {
		if ticket.FactKind(entries[i].Kind) == kind {
			n++
		}
	}
	return n
}

// TestOpenPassageSurvivesCheckpointAndRestart: the grant is found again, with the gate's counter.
func TestOpenPassageSurvivesCheckpointAndRestart(t *testing.T) {
	s := newStation(t)
	w := s.world()
	counter := uint32(41)
	req := request(w, 0, "door")
	req.Gated, req.Counter, req.PermitFor = true, &counter, 5*time.Second
	grant := s.do(req)
	if err := s.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	s.restart()
	open := s.OpenPassages("door")
	if len(open) != 1 || open[0].Seq != grant.Seq || open[0].Fact.Counter == nil || *open[0].Fact.Counter != 41 {
		t.Fatalf("open passages after a restart: %+v", open)
	}
	if _, err := s.EndPassage(context.Background(), grant.Seq, ledger.Lapsed); err != nil {
		t.Fatal(err)
	}
	s.restart()
	if len(s.OpenPassages("door")) != 0 {
		t.Fatal("the passage is still open")
	}
	if a := s.do(request(w, 1, "door")); a.Verdict.Reason != ticket.Admitted {
		t.Fatalf("after a lapse: %s", a.Verdict.Reason)
	}
}
