package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/journal"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

// fullStation is a station with room for few facts, filled up: one passage is open, one holder inside.
func fullStation(t *testing.T) (s *station, w *decisions.World, open uint64) {
	t.Helper()
	s = &station{t: t, dir: t.TempDir(), clock: &handClock{at: start, trusted: true}}
	s.tweak = func(c *seglog.Config) {
		c.SegmentSize, c.Ahead, c.MaxBytes = seglog.MinSegmentSize, 1, 3*seglog.MinSegmentSize
	}
	s.start()
	t.Cleanup(func() { _ = s.Close() })
	w = s.world()
	s.apply(many(t, w, 3), true)
	gated := request(w, 1, "door")
	gated.Gated = true
	open = s.do(gated).Seq
	inside := request(w, 2, "both")
	inside.Payload = payloadOf(w, 0)
	s.do(inside)
	for i := 0; ; i++ {
		req := request(w, 0, "door")
		req.Nonce, req.Payload = ticket.Nonce{3, byte(i), byte(i >> 8)}, fmt.Sprint("garbage ", i)
		a, err := s.Do(context.Background(), req, ticket.Check)
		if err == nil {
			continue
		}
		if !errors.Is(err, ledger.ErrFault) || !errors.Is(err, journal.ErrFull) {
			t.Fatalf("after %d refusals: %v", i, err)
		}
		if a.Seq != 0 {
			t.Fatalf("a fact that was not recorded has number %d", a.Seq)
		}
		return s, w, open
	}
}

func fresh(w *decisions.World, nonce byte, i int) *ledger.Request {
	req := request(w, nonce, "both")
	req.Payload = payloadOf(w, i)
	return req
}

// TestFullDisk_AdmitsNobodyAndLeavesNothingHalfDone.
func TestFullDisk_AdmitsNobodyAndLeavesNothingHalfDone(t *testing.T) {
	s, w, _ := fullStation(t)
	end := s.Stats().End
	for range 2 {
		if _, err := s.Do(context.Background(), fresh(w, 50, 1), ticket.Check); !errors.Is(err, ledger.ErrFault) {
			t.Fatalf("got %v", err)
		}
		if _, h, _ := s.Ticket(idOf(1)); h.Used != 0 || h.Passage != ticket.PassageNone {
			t.Fatalf("held %+v", h)
		}
		if st := s.Stats(); st.End != end || st.Open != 1 {
			t.Fatalf("%+v, end was %d", st, end)
		}
		s.restart()
	}
	if st := s.Stats(); st.Open != 1 {
		t.Fatalf("after a restart: %+v", st)
	}
}

// TestFullDisk_WhatWasBegunCanStillEnd: passages, exits and answers to recalls use the reserve.
func TestFullDisk_WhatWasBegunCanStillEnd(t *testing.T) {
	s, w, open := fullStation(t)
	if seq, err := s.EndPassage(context.Background(), open, ledger.Lapsed); err != nil || seq == 0 {
		t.Fatalf("end of the passage: %d, %v", seq, err)
	}
	out := fresh(w, 51, 0)
	out.Kind = ticket.RequestExit
	if a := s.do(out); a.Verdict.Reason != ticket.ExitRecorded {
		t.Fatalf("exit: %s", a.Verdict.Reason)
	}
	s.apply(recallOf(t, w, s.next()), true)
	s.restart()
	if _, h, _ := s.Ticket(decisions.TheID); h.Used != 0 || h.Holds || h.Passage != ticket.PassageNone {
		t.Fatalf("held %+v", h)
	}
	if _, h, _ := s.Ticket(idOf(0)); h.Used != 1 || h.Inside {
		t.Fatalf("held %+v", h)
	}
}

// TestFullDisk_GoesOnWhenThereIsSpace: the same request under the same nonce is then decided.
func TestFullDisk_GoesOnWhenThereIsSpace(t *testing.T) {
	s, w, open := fullStation(t)
	req := fresh(w, 52, 1)
	if _, err := s.Do(context.Background(), req, ticket.Check); !errors.Is(err, ledger.ErrFault) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.EndPassage(context.Background(), open, ledger.Passed); err != nil {
		t.Fatal(err)
	}
	if err := s.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if n, err := s.log.Trim(s.Stats().Checkpoint); err != nil || n == 0 {
		t.Fatalf("%d segments trimmed, %v", n, err)
	}
	if _, err := s.log.CheckSpace(); err != nil {
		t.Fatal(err)
	}
	if a := s.do(req); a.Verdict.Reason != ticket.Admitted || a.Repeated {
		t.Fatalf("%s, repeated %v", a.Verdict.Reason, a.Repeated)
	}
	s.restart()
	if _, h, _ := s.Ticket(idOf(1)); h.Used != 1 {
		t.Fatalf("held %+v", h)
	}
	if _, h, _ := s.Ticket(decisions.TheID); h.Used != 1 {
		t.Fatalf("what was trimmed is not in the catalogue: %+v", h)
	}
}

// onDisk is a station whose journal lies on a disk that the test breaks.
func onDisk(t *testing.T, dir string) (*station, *logtest.Disk) {
	d := logtest.NewDisk(1, 64<<20)
	s := &station{t: t, dir: dir, clock: &handClock{at: start, trusted: true}}
	s.tweak = func(c *seglog.Config) { c.Dir, c.SegmentSize, c.FS = "/j", seglog.MinSegmentSize, d.Mount() }
	s.start()
	return s, d
}

func TestFailedJournal_IsAFaultForEver(t *testing.T) {
	for name, rule := range map[string]logtest.Rule{
		"write": {Op: logtest.OpWrite, Suffix: ".seg", Times: 1, Err: syscall.EIO},
		"sync":  {Op: logtest.OpDatasync, Suffix: ".seg", Times: 1, Err: syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := onDisk(t, t.TempDir())
			w := s.world()
			s.apply(many(t, w, 3), true)
			s.do(fresh(w, 60, 0))
			d.Fail(rule)
			for i := range 3 { // the first is the one that breaks; the disk works again at once
				a, err := s.Do(context.Background(), request(w, 61, "door"), ticket.Check)
				if !errors.Is(err, ledger.ErrFault) {
					t.Fatalf("try %d: %s, %v", i, a.Verdict.Reason, err)
				}
				if _, err := s.Do(context.Background(), fresh(w, byte(70+i), 1), ticket.Check); !errors.Is(err, ledger.ErrFault) {
					t.Fatalf("try %d, other ticket: %v", i, err)
				}
			}
			if _, err := s.Note(context.Background(), ticket.FactOperatorAction, ticket.Note{}); !errors.Is(err, ledger.ErrFault) {
				t.Fatalf("note: %v", err)
			}
			_, at := s.Cursor()
			if err := s.tryApply(recallOf(t, w, at+1), true); !errors.Is(err, ledger.ErrFault) {
				t.Fatalf("recall: %v", err)
			}
			if _, now := s.Cursor(); now != at {
				t.Fatal("the cursor passed a recall that is not answered durably")
			}
			if err := s.Checkpoint(); !errors.Is(err, ledger.ErrFault) {
				t.Fatalf("checkpoint: %v", err)
			}
			if err := s.Close(); !errors.Is(err, ledger.ErrFault) {
				t.Fatalf("close: %v", err)
			}
			d.PowerCut()
			s.start()
			defer func() { _ = s.Close() }()
			if _, h, _ := s.Ticket(idOf(0)); h.Used != 1 {
				t.Fatalf("what was acknowledged is lost: %+v", h)
			}
			if _, h, _ := s.Ticket(idOf(1)); h.Used != 0 {
				t.Fatalf("what was never answered counts: %+v", h)
			}
		})
	}
}

// TestCursor_Counterexample9_WaitsForTheAnswer: the cursor does not pass a recall before its answer is
// durable; a power cut in between finds the recall again.
func TestCursor_Counterexample9_WaitsForTheAnswer(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, d := onDisk(t, dir)
		w := s.world()
		_, at := s.Cursor()
		recall := recallOf(t, w, at+1)
		release := d.Hold()
		applied := make(chan error, 1)
		go func() { applied <- s.tryApply(recall, true) }()
		synctest.Wait()
		select {
		case err := <-applied:
			t.Errorf("applied before the answer was durable: %v", err)
		default:
		}
		if _, now := s.Cursor(); now != at {
			t.Errorf("cursor %d, want %d", now, at)
		}
		d.PowerCut()
		release()
		<-applied
		_ = s.Close()
		s.start()
		if _, now := s.Cursor(); now != at {
			t.Errorf("after the power cut: cursor %d, want %d", now, at)
		}
		s.apply(recall, true)
		if n := countFacts(t, s, ticket.FactCustodyReleased); n != 1 {
			t.Errorf("%d answers", n)
		}
		_ = s.Close()
	})
}

// TestCursor_Counterexample10_WaitsForAnAnswerThatSomebodyElseWrote: the first uplink dies while the
// answer is in memory only; the same recall on the second uplink is "already answered", and must wait too.
func TestCursor_Counterexample10_WaitsForAnAnswerThatSomebodyElseWrote(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, d := onDisk(t, dir)
		w := s.world()
		_, at := s.Cursor()
		p := &wire.Page{Version: 1, Epoch: decisions.Epoch, Entries: recallOf(t, w, at+1), Next: at + 1}
		release := d.Hold()
		first, cancel := context.WithCancel(context.Background())
		applied := make(chan error, 2)
		go func() { applied <- s.Apply(first, p) }()
		synctest.Wait()
		cancel()
		if err := <-applied; !errors.Is(err, context.Canceled) {
			t.Errorf("first uplink: %v", err)
		}
		go func() { applied <- s.Apply(context.Background(), p) }()
		synctest.Wait()
		if _, now := s.Cursor(); now != at || len(applied) != 0 {
			t.Errorf("the cursor moved to %d on an answer in memory", now)
		}
		release()
		if err := <-applied; err != nil {
			t.Error(err)
		}
		if _, now := s.Cursor(); now != at+1 || s.Durable().Seq != 1 {
			t.Errorf("cursor %d, durable %d", now, s.Durable().Seq)
		}
		_ = s.Close()
	})
}

// TestAnswer_WaitsForTheDisk: nobody is told anything that a power cut can undo (I3).
func TestAnswer_WaitsForTheDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, d := onDisk(t, dir)
		w := s.world()
		release := d.Hold()
		answers := make(chan ticket.Reason, 4)
		ask := func(nonce byte) {
			a, err := s.Do(context.Background(), request(w, nonce, "door"), ticket.Check)
			if err != nil {
				t.Error(err)
			}
			answers <- a.Verdict.Reason
		}
		go ask(1)
		synctest.Wait()
		go ask(1) // the same request again
		go ask(2) // a refusal that rests on it
		go ask(0) // and one at a lane's own scanner, which is not recorded by itself first
		synctest.Wait()
		if len(answers) != 0 {
			t.Errorf("%d answers before the sync", len(answers))
		}
		bounded, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := s.Do(bounded, request(w, 1, "door"), ticket.Check); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that does not wait for ever: %v", err)
		}
		release()
		got := make(map[ticket.Reason]int)
		for range 4 {
			got[<-answers]++
		}
		if got[ticket.Admitted] != 2 || got[ticket.MaxEntries] != 2 {
			t.Errorf("answers %v", got)
		}
		_ = s.Close()
	})
}
