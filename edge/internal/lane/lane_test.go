package lane_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
)

func TestLane_PassedTicketIsUsedUp(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		s := r.scan(r.world.Payload)
		r.wantShown(s, ticket.Admitted, lane.PassageWaiting)
		if s.Ticket != decisions.TheID || s.Seat == "" || s.Session == "" || s.Seq == 0 || s.Lane != "door" {
			t.Fatalf("shown %+v", s)
		}
		p, n := r.gate.last()
		if n != 1 || p.Direction != drivers.Entry || p.For != 5*time.Second {
			t.Fatalf("permit %+v, %d of them", p, n)
		}
		s = r.passage(drivers.Passed)
		r.wantShown(s, ticket.Admitted, lane.PassagePassed)
		if s.EndSeq != 2 {
			t.Fatalf("the end is fact %d, want 2", s.EndSeq)
		}
		r.wantShown(r.scan(r.world.Payload), ticket.MaxEntries, lane.PassageNone)
		r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryPassed, ticket.FactRefused)
	})
}

func TestLane_LapsedEntryIsGivenBack(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.scan(r.world.Payload)
		r.wantShown(r.passage(drivers.Lapsed), ticket.Admitted, lane.PassageLapsed)
		if r.used() != 0 {
			t.Fatalf("used %d", r.used())
		}
		r.wantShown(r.scan(r.world.Payload), ticket.Admitted, lane.PassageWaiting)
		r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryLapsed, ticket.FactEntryGranted)
	})
}

// TestLane_GateWithoutFeedbackCountsTheTicketAsUsed: nobody saw the person pass, so the entry is not given back.
func TestLane_GateWithoutFeedbackCountsTheTicketAsUsed(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.scan(r.world.Payload)
		r.wantShown(r.passage(drivers.Unknown), ticket.Admitted, lane.PassageUncertain)
		if r.used() != 1 {
			t.Fatalf("used %d", r.used())
		}
		r.wantShown(r.scan(r.world.Payload), ticket.EntryUncertain, lane.PassageNone)
	})
}

func TestLane_DoubleReadMakesNoFact(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.scan(r.world.Payload)
		later(time.Second)
		if s := r.scan(r.world.Payload); !s.Repeat || s.Passage != lane.PassageWaiting {
			t.Fatalf("during the passage: %+v", s)
		}
		r.passage(drivers.Passed)
		r.scan(r.world.Payload) // a new request: refused
		later(1900 * time.Millisecond)
		if s := r.scan(r.world.Payload); !s.Repeat || s.Verdict.Reason != ticket.MaxEntries {
			t.Fatalf("within two seconds: %+v", s)
		}
		later(2 * time.Second)
		if s := r.scan(r.world.Payload); s.Repeat {
			t.Fatalf("after two seconds: %+v", s)
		}
		r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryPassed, ticket.FactRefused, ticket.FactRefused)
	})
}

func TestLane_AnotherCodeDuringAPassageIsBusyAndTornIsMisreadWithoutAFact(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.wantShown(r.scanned(drivers.Scan{Data: []byte("YP1:"), Fault: drivers.ScanTorn, Bytes: 4}), ticket.Misread, lane.PassageNone)
		r.scan(r.world.Payload)
		r.wantShown(r.scan("another"), ticket.GateBusy, lane.PassageNone)
		r.wantShown(r.scanned(drivers.Scan{Fault: drivers.ScanTorn}), ticket.Misread, lane.PassageNone)
		r.wantShown(r.passage(drivers.Passed), ticket.Admitted, lane.PassagePassed)
		r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryPassed)
	})
}

func TestLane_OverlongAndBinaryAreRefusedWithAFactThatKeepsNothing(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		good := []byte(r.world.Payload[:64])
		r.wantShown(r.scanned(drivers.Scan{Data: good, Fault: drivers.ScanOverlong, Bytes: 4096}), ticket.NotATicket, lane.PassageNone)
		later(3 * time.Second)
		s := r.scanned(drivers.Scan{Data: []byte("\x00\xff"), Fault: drivers.ScanBinary, Bytes: 2})
		r.wantShown(s, ticket.NotATicket, lane.PassageNone)
		if s.Bytes != 2 {
			t.Fatalf("%d bytes shown", s.Bytes)
		}
		r.wantFacts(ticket.FactRefused, ticket.FactRefused)
	})
}

func TestLane_LateWordOfASettledPermitIsIgnored(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.scan(r.world.Payload)
		old, _ := r.gate.last()
		r.passage(drivers.Lapsed)
		r.scan(r.world.Payload)
		r.lane.Passage(t.Context(), drivers.Passage{Permit: old.ID, Outcome: drivers.Passed})
		synctest.Wait()
		r.wantShown(r.lane.Last(), ticket.Admitted, lane.PassageWaiting)
		r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryLapsed, ticket.FactEntryGranted)
	})
}

// TestLane_GateThatDoesNotOpenGivesTheEntryBack: nobody can have passed.
func TestLane_GateThatDoesNotOpenGivesTheEntryBack(t *testing.T) {
	for _, refusal := range []error{drivers.ErrNotRunning, drivers.ErrRefused, drivers.ErrPermitOpen} {
		bubble(t, 1, func(t *testing.T, r *rig) {
			r.gate.set(func(g *fakeGate) { g.refuse = fmt.Errorf("release: %w", refusal) })
			s := r.scan(r.world.Payload)
			r.wantShown(s, ticket.GateFault, lane.PassageLapsed)
			if r.used() != 0 || s.EndSeq != 2 {
				t.Fatalf("used %d, end %d", r.used(), s.EndSeq)
			}
			r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryLapsed)
			r.gate.set(func(g *fakeGate) { g.refuse = nil })
			later(2 * time.Second)
			r.wantShown(r.scan(r.world.Payload), ticket.Admitted, lane.PassageWaiting)
		})
	}
}

// TestLane_GateThatDoesNotAnswerIsSettledByItsCounter: the command may have arrived.
func TestLane_GateThatDoesNotAnswerIsSettledByItsCounter(t *testing.T) {
	for after, want := range map[uint32]ticket.FactKind{41: ticket.FactEntryLapsed, 42: ticket.FactEntryPassed, 44: ticket.FactEntryUncertain, 3: ticket.FactEntryUncertain} {
		bubble(t, 1, func(t *testing.T, r *rig) {
			silent := fmt.Errorf("release: %w", drivers.ErrNoAnswer)
			r.gate.set(func(g *fakeGate) { g.refuse, g.silent = silent, silent })
			r.wantShown(r.scan(r.world.Payload), ticket.GateFault, lane.PassageSettling)
			r.wantFacts(ticket.FactEntryGranted)
			// It comes back without a new run, so no GateUp is told: the lane has to ask again by itself.
			r.gate.set(func(g *fakeGate) { g.refuse, g.silent, g.counters.Entry = nil, nil, after })
			later(2 * time.Second)
			r.wantFacts(ticket.FactEntryGranted, want)
			if got := len(r.OpenPassages("door")); got != 0 {
				t.Fatalf("%d passages open", got)
			}
		})
	}
}

// TestLane_GateLostInMidPassageIsSettledWhenItIsBack by its counter (sync.md section 4).
func TestLane_GateLostInMidPassageIsSettledWhenItIsBack(t *testing.T) {
	for _, c := range []struct {
		after uint32
		fact  ticket.FactKind
		shown lane.PassageState
		used  uint16
	}{
		{41, ticket.FactEntryLapsed, lane.PassageLapsed, 0},
		{42, ticket.FactEntryPassed, lane.PassagePassed, 1},
		{43, ticket.FactEntryUncertain, lane.PassageUncertain, 1},
		{40, ticket.FactEntryUncertain, lane.PassageUncertain, 1},
	} {
		bubble(t, 1, func(t *testing.T, r *rig) {
			r.scan(r.world.Payload)
			r.wantShown(r.gateDown(), ticket.Admitted, lane.PassageSettling)
			later(time.Minute)
			r.wantShown(r.scan("another"), ticket.GateBusy, lane.PassageNone)
			r.gate.set(func(g *fakeGate) { g.counters.Entry = c.after })
			r.wantShown(r.gateUp(), ticket.Admitted, c.shown)
			if r.used() != c.used {
				t.Fatalf("counter %d: used %d, want %d", c.after, r.used(), c.used)
			}
			r.wantFacts(ticket.FactEntryGranted, c.fact)
		})
	}
}

func TestLane_CounterThatWrapsIsOneMore(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.gate.set(func(g *fakeGate) { g.counters.Entry = 1<<32 - 1 })
		r.scan(r.world.Payload)
		r.gate.set(func(g *fakeGate) { g.counters.Entry = 0 })
		r.wantShown(r.gateUp(), ticket.Admitted, lane.PassagePassed)
	})
}

// TestLane_RestartWithAnOpenPermit: the counter recorded with the grant decides.
func TestLane_RestartWithAnOpenPermit(t *testing.T) {
	for _, c := range []struct {
		name  string
		after uint32
		fact  ticket.FactKind
		shown lane.PassageState
	}{
		{"unchanged", 41, ticket.FactEntryLapsed, lane.PassageLapsed},
		{"one more", 42, ticket.FactEntryPassed, lane.PassagePassed},
		{"two more", 43, ticket.FactEntryUncertain, lane.PassageUncertain},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, r *rig) {
				r.scan(r.world.Payload)
				r.gate.set(func(g *fakeGate) { g.counters.Entry = c.after })
				r.restart(r.gate)
				r.wantFacts(ticket.FactEntryGranted)
				s := r.gateUp()
				r.wantShown(s, ticket.Admitted, c.shown)
				if s.Ticket != decisions.TheID || s.Seat == "" || s.EndSeq != 2 {
					t.Fatalf("shown without its ticket: %+v", s)
				}
				r.wantFacts(ticket.FactEntryGranted, c.fact)
			})
		})
	}
}

// TestLane_GateThatHasNotToldItsCounters: nobody is let in before a passage could be settled.
func TestLane_GateThatHasNotToldItsCounters(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.gate.set(func(g *fakeGate) { g.counted = false })
		r.wantShown(r.scan(r.world.Payload), ticket.GateFault, lane.PassageNone)
		r.wantFacts()
		r.gate.set(func(g *fakeGate) { g.counted = true })
		r.wantShown(r.scan(r.world.Payload), ticket.Admitted, lane.PassageWaiting)
	})
}

// TestLane_NobodyOnTopOfAnEarlierRunsPassage: until the gate tells how a passage of an earlier run ended,
// no other ticket is admitted, so that one counter can still tell.
func TestLane_NobodyOnTopOfAnEarlierRunsPassage(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.scan(r.world.Payload)
		second := r.secondTicket()
		r.gate.set(func(g *fakeGate) { g.silent = drivers.ErrNotRunning })
		r.restart(r.gate)
		r.wantShown(r.scan(second), ticket.GateFault, lane.PassageNone)
		r.wantFacts(ticket.FactEntryGranted)
		r.gate.set(func(g *fakeGate) { g.silent, g.counters.Entry = nil, 42 })
		r.gateUp()
		r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryPassed)
		r.wantShown(r.scan(second), ticket.Admitted, lane.PassageWaiting)
	})
}

// TestLane_RestartWithoutACounter: nobody can tell, so it counts as used.
func TestLane_RestartWithoutACounter(t *testing.T) {
	for name, gate := range map[string]func(*fakeGate) drivers.Gate{
		"a gate that does not count": func(g *fakeGate) drivers.Gate { return struct{ drivers.Gate }{g} },
		"no gate any more":           func(*fakeGate) drivers.Gate { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, r *rig) {
				r.scan(r.world.Payload)
				r.restart(gate(r.gate))
				r.gateUp()
				r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryUncertain)
				later(3 * time.Second)
				r.wantShown(r.scan(r.world.Payload), ticket.EntryUncertain, lane.PassageNone)
			})
		})
	}
}

// TestLane_TwoOpenPassagesCannotBeToldApart by one counter.
func TestLane_TwoOpenPassagesCannotBeToldApart(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.scan(r.world.Payload)
		second := r.secondTicket()
		r.halt()
		a, err := r.Do(t.Context(), &ledger.Request{
			Kind: ticket.RequestEntry, Payload: second, Device: "door", Permitted: true, Lane: r.present("door"), Gated: true,
		}, ticket.Check)
		if err != nil || a.Verdict.Reason != ticket.Admitted {
			t.Fatalf("%s, %v", a.Verdict.Reason, err)
		}
		r.run("door", r.gate)
		r.gate.set(func(g *fakeGate) { g.counters.Entry = 42 })
		r.gateUp()
		r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryGranted, ticket.FactEntryUncertain, ticket.FactEntryUncertain)
	})
}

// TestLane_RecallDuringALostPassageBecomesUncertain after the permit's time and five seconds (R5), so
// that it does not hold up the feed for as long as the gate is lost; before and after a restart.
func TestLane_RecallDuringALostPassageBecomesUncertain(t *testing.T) {
	for _, restart := range []bool{false, true} {
		bubble(t, 1, func(t *testing.T, r *rig) {
			r.scan(r.world.Payload)
			r.gateDown()
			if restart {
				r.gate.set(func(g *fakeGate) { g.silent = drivers.ErrNotRunning })
				r.restart(r.gate) // and the gate stays lost
			}
			if !r.recall() {
				t.Fatal("the recall did not wait")
			}
			later(9 * time.Second)
			if !r.recall() {
				t.Fatal("the recall did not wait for the permit and five seconds")
			}
			later(2 * time.Second)
			if r.recall() {
				t.Fatal("the recall still waits")
			}
			r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryUncertain, ticket.FactCustodyUsed)
		})
	}
}

func TestLane_LostPassageWithoutARecallWaitsForTheGate(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.scan(r.world.Payload)
		r.gateDown()
		later(time.Hour)
		r.wantFacts(ticket.FactEntryGranted)
	})
}

// TestLane_OneTicketAtTwoLanesAtOnce: exactly one is admitted (I1).
func TestLane_OneTicketAtTwoLanesAtOnce(t *testing.T) {
	for range 10 {
		bubble(t, 1, func(t *testing.T, r *rig) {
			gate := &fakeGate{counted: true}
			other := r.newLane("second", gate)
			defer start(other)()
			var wg sync.WaitGroup
			for _, l := range []*lane.Lane{r.lane, other} {
				wg.Go(func() { l.Scan(drivers.Scan{Data: []byte(r.world.Payload)}) })
			}
			wg.Wait()
			synctest.Wait()
			_, first := r.gate.last()
			_, second := gate.last()
			reasons := map[ticket.Reason]int{r.lane.Last().Verdict.Reason: 1}
			reasons[other.Last().Verdict.Reason]++
			if first+second != 1 || reasons[ticket.Admitted] != 1 || reasons[ticket.MaxEntries] != 1 {
				t.Fatalf("%d permits, shown %v", first+second, reasons)
			}
		})
	}
}

// TestLane_ExitOpensWithoutAnEntry: the exit is a fact, the permit's end is only shown.
func TestLane_ExitOpensWithoutAnEntry(t *testing.T) {
	bubble(t, 2, func(t *testing.T, r *rig) {
		r.scan(r.world.Payload)
		r.passage(drivers.Passed)
		r.halt()
		r.kind = ticket.RequestExit
		r.run("way-out", r.gate)
		r.wantShown(r.scan(r.world.Payload), ticket.ExitRecorded, lane.PassageWaiting)
		if p, _ := r.gate.last(); p.Direction != drivers.Exit {
			t.Fatalf("permit %+v", p)
		}
		r.gateDown()
		r.gate.set(func(g *fakeGate) { g.counters.Exit = 8 })
		r.wantShown(r.gateUp(), ticket.ExitRecorded, lane.PassagePassed)
		r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryPassed, ticket.FactExit)
	})
}

// TestLane_StalledDiskOpensNoGate: a decision that is not durable in time is a fault, and the entry goes
// back, whatever the disk does later.
func TestLane_StalledDiskOpensNoGate(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		release := r.disk.Hold()
		r.scan(r.world.Payload)
		if _, n := r.gate.last(); n != 0 {
			t.Fatal("the gate was opened on a fact in memory")
		}
		later(5 * time.Second)
		r.wantShown(r.lane.Last(), ticket.StationFault, lane.PassageNone)
		release()
		later(time.Second)
		r.wantFacts(ticket.FactEntryGranted, ticket.FactEntryLapsed)
		if _, n := r.gate.last(); n != 0 || r.used() != 0 {
			t.Fatalf("%d permits, used %d", n, r.used())
		}
		later(2 * time.Second)
		r.wantShown(r.scan(r.world.Payload), ticket.Admitted, lane.PassageWaiting)
	})
}

// TestLane_FailedJournalAdmitsNobodyForEver, not even when the disk works again.
func TestLane_FailedJournalAdmitsNobodyForEver(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.disk.Fail(logtest.Rule{Op: logtest.OpDatasync, Suffix: ".seg", Times: 1, Err: syscall.EIO})
		for range 3 {
			r.wantShown(r.scan(r.world.Payload), ticket.StationFault, lane.PassageNone)
			later(3 * time.Second)
		}
		if _, n := r.gate.last(); n != 0 {
			t.Fatalf("%d permits", n)
		}
		r.halt()
		if err := r.Close(); !errors.Is(err, ledger.ErrFault) {
			t.Fatalf("close: %v", err)
		}
		r.open() // a start reads what the disk has
		r.run("door", r.gate)
		// The disk had kept the grant that nobody was told of: the gate's counter says that nobody passed.
		r.wantShown(r.gateUp(), ticket.Admitted, lane.PassageLapsed)
		r.wantShown(r.scan(r.world.Payload), ticket.Admitted, lane.PassageWaiting)
	})
}

// TestLane_FreeOnFault: a lane that is set to it lets people through while nothing can be recorded, and
// writes later how many walked; none of them is an entry.
func TestLane_FreeOnFault(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.halt()
		r.fault = lane.Free
		r.run("door", r.gate)
		release := r.disk.Hold()
		r.scan(r.world.Payload)
		later(5 * time.Second)
		r.wantShown(r.lane.Last(), ticket.FreePassage, lane.PassageWaiting)
		r.wantShown(r.passage(drivers.Passed), ticket.FreePassage, lane.PassagePassed)
		later(3 * time.Second)
		r.scan(r.world.Payload)
		later(5 * time.Second)
		r.wantShown(r.passage(drivers.Lapsed), ticket.FreePassage, lane.PassageLapsed)
		release()
		later(3 * time.Second)
		if _, n := r.gate.last(); n != 2 || r.used() != 0 {
			t.Fatalf("%d permits, used %d", n, r.used())
		}
		freed := r.notesOf(ticket.FactFreePassage)
		if len(freed) != 1 || freed[0].Count != 1 || freed[0].Subject != "door" || freed[0].State != "on_fault" {
			t.Fatalf("notes %+v, want one person", freed)
		}
		r.wantShown(r.scan(r.world.Payload), ticket.Admitted, lane.PassageWaiting)
	})
}

func TestLane_MissingPartsAreRefused(t *testing.T) {
	good := lane.Config{
		Name: "L1", Ledger: &ledger.Ledger{}, Decide: ticket.Check, Lane: func() ticket.Lane { return ticket.Lane{} },
		Now: time.Now, Log: slog.New(slog.DiscardHandler), Gate: &fakeGate{}, PermitFor: time.Second,
	}
	if _, err := lane.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*lane.Config){
		"name": func(c *lane.Config) { c.Name = "" }, "ledger": func(c *lane.Config) { c.Ledger = nil },
		"decision": func(c *lane.Config) { c.Decide = nil }, "lane": func(c *lane.Config) { c.Lane = nil },
		"time": func(c *lane.Config) { c.Now = nil }, "short permit": func(c *lane.Config) { c.PermitFor = time.Second - 1 },
		"long permit": func(c *lane.Config) { c.PermitFor = time.Minute + 1 },
	} {
		c := good
		spoil(&c)
		if _, err := lane.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
