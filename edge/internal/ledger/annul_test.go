package ledger_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

func (s *station) annul(nonce, entry byte, change func(*ledger.AnnulRequest)) ledger.Answer {
	s.t.Helper()
	req := &ledger.AnnulRequest{
		Device: "h1", Nonce: ticket.Nonce{nonce}, Entry: ticket.Nonce{entry}, Permitted: true, Lane: "door",
	}
	if change != nil {
		change(req)
	}
	a, err := s.Annul(context.Background(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// TestAnnul_GivesTheEntryBack: once, also when it is asked again and after a restart; the ticket may
// then enter again.
func TestAnnul_GivesTheEntryBack(t *testing.T) {
	s := newStation(t)
	w := s.world()
	if a := s.do(request(w, 1, "door")); a.Verdict.Reason != ticket.Admitted {
		t.Fatal(a.Verdict.Reason)
	}
	first := s.annul(2, 1, nil)
	if first.Verdict.Reason != ticket.Annulled || first.Repeated {
		t.Fatalf("%+v", first)
	}
	if again := s.annul(2, 1, nil); again.Verdict.Reason != ticket.Annulled || !again.Repeated || again.Seq != first.Seq {
		t.Fatalf("repeated: %+v", again)
	}
	if a := s.annul(3, 1, nil); a.Verdict.Reason != ticket.NothingToAnnul {
		t.Fatalf("a second time: %s", a.Verdict.Reason)
	}
	if st := s.Stats().Sessions[0]; st.Entered != 0 || st.Inside != 0 {
		t.Fatalf("figures %+v", st)
	}
	s.restart()
	if _, h, _ := s.Ticket(w.Ticket.ID); h.Used != 0 || h.Inside || h.LastMs != 0 {
		t.Fatalf("after a restart: %+v", h)
	}
	if a := s.do(request(w, 4, "door")); a.Verdict.Reason != ticket.Admitted || a.Verdict.N != 1 {
		t.Fatalf("after annulment: %+v", a.Verdict)
	}
}

// TestAnnul_Refusals: each names why, and changes nothing.
func TestAnnul_Refusals(t *testing.T) {
	late := func(s *station) { s.clock.set(start.Add(16*time.Minute), true) }
	for name, c := range map[string]struct {
		before func(s *station)
		change func(*ledger.AnnulRequest)
		want   ticket.Reason
	}{
		"another device":       {change: func(r *ledger.AnnulRequest) { r.Device = "h2" }, want: ticket.NothingToAnnul},
		"an unknown entry":     {change: func(r *ledger.AnnulRequest) { r.Entry = ticket.Nonce{77} }, want: ticket.NothingToAnnul},
		"without permission":   {change: func(r *ledger.AnnulRequest) { r.Permitted = false }, want: ticket.DeviceNotPermitted},
		"after 16 minutes":     {before: late, want: ticket.AnnulTooLate},
		"a refusal":            {before: func(s *station) { s.do(request(s.w, 9, "door")) }, change: func(r *ledger.AnnulRequest) { r.Entry = ticket.Nonce{9} }, want: ticket.NothingToAnnul},
		"custody has moved on": {before: func(s *station) { s.apply(recallOf(s.t.(*testing.T), s.w, s.next()), true) }, want: ticket.CustodyElsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			s.t = t
			s.w = s.world()
			if a := s.do(request(s.w, 1, "door")); a.Verdict.Reason != ticket.Admitted {
				t.Fatal(a.Verdict.Reason)
			}
			if c.before != nil {
				c.before(s)
			}
			if a := s.annul(2, 1, c.change); a.Verdict.Reason != c.want {
				t.Fatalf("got %s, want %s", a.Verdict.Reason, c.want)
			}
			if _, h, _ := s.Ticket(s.w.Ticket.ID); h.Used != 1 {
				t.Fatalf("used %d", h.Used)
			}
		})
	}
}

// TestAnnul_NotBehindAGate: how that passage ended only the gate can say.
func TestAnnul_NotBehindAGate(t *testing.T) {
	s := newStation(t)
	w := s.world()
	req := request(w, 1, "door")
	req.Gated = true
	s.do(req)
	if a := s.annul(2, 1, nil); a.Verdict.Reason != ticket.NothingToAnnul {
		t.Fatal(a.Verdict.Reason)
	}
}

// TestAnnul_NeverTheEntryOfSomebodyElse, although it was made at the same millisecond and is as often
// used: an entry is taken back once, also over a restart.
func TestAnnul_NeverTheEntryOfSomebodyElse(t *testing.T) {
	for _, restart := range []bool{false, true} {
		s := newStation(t)
		w := s.world()
		s.do(request(w, 1, "door"))
		if a := s.annul(2, 1, nil); a.Verdict.Reason != ticket.Annulled {
			t.Fatal(a.Verdict.Reason)
		}
		other := request(w, 3, "third")
		other.Device = "h2"
		if a := s.do(other); a.Verdict.Reason != ticket.Admitted {
			t.Fatal(a.Verdict.Reason)
		}
		if restart {
			s.restart()
		}
		if a := s.annul(4, 1, nil); a.Verdict.Reason != ticket.NothingToAnnul {
			t.Fatalf("restart %v: %s", restart, a.Verdict.Reason)
		}
		if h := s.heldOf(w.Ticket.ID); h.Used != 1 || h.LastAt != "third" {
			t.Fatalf("restart %v: held %+v", restart, h)
		}
	}
}

// TestAnnul_WaitsForAnEntryThatIsBeingDecided: a handheld that gave up on the answer must not be told
// that there is nothing, and the person enters all the same.
func TestAnnul_WaitsForAnEntryThatIsBeingDecided(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, _ := onDisk(t, dir)
		w := s.world()
		goOn := make(chan struct{})
		entered := make(chan error, 1)
		go func() {
			_, err := s.Do(context.Background(), request(w, 1, "door"), func(sc *ticket.Scene, ms int64) ticket.Verdict {
				<-goOn
				return ticket.Check(sc, ms)
			})
			entered <- err
		}()
		synctest.Wait()
		req := &ledger.AnnulRequest{Device: "h1", Nonce: ticket.Nonce{2}, Entry: ticket.Nonce{1}, Permitted: true, Lane: "door"}
		bounded, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if a, err := s.Annul(bounded, req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that does not wait for ever: %s, %v", a.Verdict.Reason, err)
		}
		annulled := make(chan ledger.Answer, 1)
		go func() {
			a, err := s.Annul(context.Background(), req)
			if err != nil {
				t.Error(err)
			}
			annulled <- a
		}()
		synctest.Wait()
		close(goOn)
		if a := <-annulled; a.Verdict.Reason != ticket.Annulled || a.Repeated {
			t.Errorf("%s, repeated %v", a.Verdict.Reason, a.Repeated)
		}
		if err := <-entered; err != nil {
			t.Error(err)
		}
		if h := s.heldOf(w.Ticket.ID); h.Used != 0 || h.Inside {
			t.Errorf("held %+v", h)
		}
		_ = s.Close()
	})
}

// TestAnnul_OfItselfIsNothing, told at once: it must not wait for its own answer.
func TestAnnul_OfItselfIsNothing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, _ := onDisk(t, dir)
		s.world()
		bounded, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		a, err := s.Annul(bounded, &ledger.AnnulRequest{
			Device: "h1", Nonce: ticket.Nonce{1}, Entry: ticket.Nonce{1}, Permitted: true, Lane: "door",
		})
		if err != nil || a.Verdict.Reason != ticket.NothingToAnnul {
			t.Errorf("%s, %v", a.Verdict.Reason, err)
		}
		_ = s.Close()
	})
}
