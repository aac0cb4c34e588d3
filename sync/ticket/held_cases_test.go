package ticket_test

import (
	"testing"

	"yipiao/sync/ticket"
)

func newBench(t *testing.T, maxUses uint16, steps ...string) *bench {
	b := &bench{t: t, max: maxUses, answers: make(map[uint32]int)}
	for _, s := range steps {
		b.step(s)
		b.check()
	}
	return b
}

func (b *bench) verdict() ticket.Reason { return ticket.Check(b.scene(), 1).Reason }

// Counterexample 4: the grant comes again, late or on the other uplink, after the release.
func TestHeld_Counterexample4_GrantComesAgainAfterTheRelease(t *testing.T) {
	b := newBench(t, 1, "grant 1", "recall 1", "grant 1")
	if got := b.verdict(); got != ticket.CustodyElsewhere {
		t.Fatalf("got %s: a released right was exercised", got)
	}
}

// Counterexample 5a: compaction removed the grant; the recall of it must be answered all the same.
func TestHeld_Counterexample5a_RecallOfAnUnseenGrantIsAnswered(t *testing.T) {
	b := newBench(t, 1, "recall 3")
	if b.answers[3] != 1 || b.facts[0].kind != ticket.FactCustodyReleased {
		t.Fatalf("answers %v, facts %+v", b.answers, b.facts)
	}
}

// Counterexample 5b: what was answered unseen must be remembered against a delayed page.
func TestHeld_Counterexample5b_UnseenGrantIsNotTakenAfterItsRelease(t *testing.T) {
	b := newBench(t, 1, "recall 3", "grant 3", "grant 2")
	if got := b.verdict(); got != ticket.CustodyElsewhere {
		t.Fatalf("got %s", got)
	}
	b.replay() // and so after a start from the journal alone
}

// Counterexample 6: the same recall on both uplinks is answered once, and the answer names its generation.
func TestHeld_Counterexample6_RecallIsAnsweredOnceWithItsGeneration(t *testing.T) {
	b := newBench(t, 1, "grant 1", "recall 1", "recall 1", "grant 2", "recall 1")
	if len(b.facts) != 1 || b.facts[0].body.Gen != 1 {
		t.Fatalf("facts %+v", b.facts)
	}
	if got := b.verdict(); got != ticket.Admitted {
		t.Fatalf("the new grant: %s", got)
	}
}

// R1: a recall that was withdrawn before its answer leaves the right usable, not "being handed over" for ever.
func TestHeld_WithdrawnRecallFreesTheRight(t *testing.T) {
	b := newBench(t, 2, "grant 1", "gate", "recall 1")
	if got := b.verdict(); got != ticket.CustodyMoving {
		t.Fatalf("during the recall: %s", got)
	}
	b.step("passed")
	b.step("grant 1")
	if got := b.verdict(); got != ticket.Readmitted {
		t.Fatalf("after it was withdrawn: %s", got)
	}
}

// R5: an uncertain passage answers "used", although a use may be left.
func TestHeld_UncertainPassageAnswersUsed(t *testing.T) {
	b := newBench(t, 2, "grant 1", "gate")
	f := ticket.Pass(b.grantSeq, &b.grant)
	b.journal(ticket.FactEntryUncertain, f)
	if b.held.Used != 1 {
		t.Fatalf("used %d, an uncertain passage counts", b.held.Used)
	}
	if _, kind, _, wait := b.held.Offer(ticket.Right{Custody: ticket.CustodyRecalled, Gen: 1, Max: 2}); kind != ticket.FactCustodyUsed || wait {
		t.Fatalf("answered %s, wait %v", kind, wait)
	}
}

// An entry that the handheld takes back leaves the ticket as it was before it, the time and place of
// the earlier entry included.
func TestHeld_AnnulledEntryIsGivenBack(t *testing.T) {
	b := newBench(t, 2, "grant 1", "enter")
	first := b.held
	b.step("enter")
	b.step("annulled")
	if b.held != first {
		t.Fatalf("held %+v, want %+v", b.held, first)
	}
	if got := b.verdict(); got != ticket.Readmitted {
		t.Fatalf("then %s", got)
	}
	b.replay()
	if !ticket.FactEntryAnnulled.OfTicket() || ticket.FactEntryAnnulled.String() != "entry_annulled" {
		t.Fatal("the kind is not known")
	}
}

// I1: a ticket with several entries that is scanned at two lanes at once. The facts carry the whole
// use, so a second grant beside a pending one would be undone by the end of the first.
func TestCheck_NoSecondGrantWhileAPassageIsPending(t *testing.T) {
	b := newBench(t, 2, "grant 1", "gate")
	if got := b.verdict(); got != ticket.GateBusy {
		t.Fatalf("second lane: %s, want %s", got, ticket.GateBusy)
	}
	s := b.scene()
	s.Kind, s.Lane.Exit = ticket.RequestExit, true
	if got := ticket.Check(s, 1).Reason; got != ticket.GateBusy {
		t.Fatalf("exit: %s, want %s", got, ticket.GateBusy)
	}
	b.step("passed")
	if got := b.verdict(); got != ticket.Readmitted {
		t.Fatalf("afterwards: %s", got)
	}
}

// R9: an admission on the signature counts for the grant that arrives later, in whatever order a start
// finds them.
func TestHeld_EntryBySignatureCountsForTheLaterGrant(t *testing.T) {
	signed := ticket.Fact{Used: 1, Inside: true, Unsync: true}
	grant := ticket.Right{Custody: ticket.CustodyGranted, Gen: 1, Max: 1}
	lived := ticket.Held{}.Fold(ticket.FactEntryGranted, &signed, 5)
	lived, kind, _, wait := lived.Offer(grant)
	if kind != 0 || wait || lived.Used != 1 || !lived.Inside || !lived.Holds {
		t.Fatalf("after the grant: %+v", lived)
	}
	// A checkpoint that knows generation 2 and two uses; the old facts are replayed over it.
	later := ticket.Held{Gen: 2, Holds: true, Used: 2}
	if got := later.Fold(ticket.FactEntryGranted, &signed, 5); got != later {
		t.Fatalf("an old entry by signature changed %+v to %+v", later, got)
	}
}

// A grant, or "cloud", that meets a passage by signature waits, or its end would be of an older generation.
func TestHeld_GrantWaitsForAPassageBySignature(t *testing.T) {
	pending := ticket.Held{}.Fold(ticket.FactEntryGranted, &ticket.Fact{Used: 1, Inside: true, Gated: true}, 5)
	for _, c := range []ticket.Custody{ticket.CustodyGranted, ticket.CustodyCloud, ticket.CustodyRecalled} {
		state, kind, _, wait := pending.Offer(ticket.Right{Custody: c, Gen: 1, Max: 1})
		if !wait || kind != 0 || state.Gen != 0 || !state.Recalling {
			t.Errorf("%s: %+v, %s, wait %v", c, state, kind, wait)
		}
	}
}

// R9: "cloud" of any generation leaves a right that was used by signature where it was, unbarred, until
// the grant comes, which may not know of the use; without such a use the generation counts.
func TestHeld_UseBySignatureOutlivesTheCloud(t *testing.T) {
	used := ticket.Held{Used: 1, Inside: true, LastMs: 5, LastAt: "L1"}
	for name, c := range map[string]struct {
		before ticket.Held
		cloud  ticket.Right
		want   ticket.Held
		then   uint16 // uses under the grant
	}{
		"used":                  {used, ticket.Right{Gen: 2}, used, 1},
		"used, of no grant":     {used, ticket.Right{}, used, 1},
		"used and barred":       {ticket.Held{Used: 1, Recalling: true}, ticket.Right{Gen: 2}, ticket.Held{Used: 1}, 1},
		"used with its knowing": {used, ticket.Right{Gen: 2, Used: 1, Inside: true}, used, 1},
		"given back":            {ticket.Held{}, ticket.Right{Gen: 2}, ticket.Held{Gen: 2}, 0},
		"used under a grant":    {ticket.Held{Gen: 1, Holds: true, Used: 1}, ticket.Right{Gen: 2}, ticket.Held{Gen: 2, Used: 1}, 0},
	} {
		c.cloud.Custody = ticket.CustodyCloud
		got, kind, _, wait := c.before.Offer(c.cloud)
		if got != c.want || kind != 0 || wait {
			t.Errorf("%s: %+v, %s, wait %v; want %+v", name, got, kind, wait, c.want)
		}
		got, _, _, _ = got.Offer(ticket.Right{Custody: ticket.CustodyGranted, Gen: 3})
		if got.Gen != 3 || !got.Holds || got.Used != c.then {
			t.Errorf("%s, then granted: %+v, want used %d", name, got, c.then)
		}
	}
}

// R5, R9: a ticket that the feed is just bringing is barred, although it is not known yet; the reasons
// that no waiting would change come before.
func TestCheck_UnknownTicketCanBeBarred(t *testing.T) {
	barred := func(change func(*ticket.Scene)) ticket.Reason {
		s := newBench(t, 1).scene()
		s.Ticket, s.Class, s.CaughtUp, s.Session.SignedEntry = nil, ticket.ClassSigned, true, true
		s.Held = ticket.Held{Recalling: true}
		change(s)
		return ticket.Check(s, 1).Reason
	}
	for name, c := range map[string]struct {
		change func(*ticket.Scene)
		want   ticket.Reason
	}{
		"barred":                 {func(*ticket.Scene) {}, ticket.CustodyMoving},
		"free":                   {func(s *ticket.Scene) { s.Held.Recalling = false }, ticket.AdmittedSignature},
		"without signed entry":   {func(s *ticket.Scene) { s.Session.SignedEntry = false }, ticket.NotYetSynced},
		"not caught up":          {func(s *ticket.Scene) { s.CaughtUp = false }, ticket.NotYetSynced},
		"taken out of the feed":  {func(s *ticket.Scene) { s.Held.Gen = 1 }, ticket.CustodyElsewhere},
		"used":                   {func(s *ticket.Scene) { s.Held.Used = 1 }, ticket.MaxEntries},
		"known":                  {func(s *ticket.Scene) { s.Ticket, s.Class = newBench(t, 1).scene().Ticket, ticket.ClassExact }, ticket.CustodyMoving},
		"of another gate's home": {func(s *ticket.Scene) { s.Group.Home++ }, ticket.AskOtherGate},
	} {
		if got := barred(c.change); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A ticket that was taken out of the feed is not one that was never seen (R9): it stays with the cloud.
func TestCheck_TicketTakenOutOfTheFeedIsNotAdmittedBySignature(t *testing.T) {
	s := newBench(t, 1, "grant 1", "recall 1").scene()
	s.Ticket, s.Class, s.CaughtUp, s.Session.SignedEntry = nil, ticket.ClassSigned, true, true
	if got := ticket.Check(s, 1).Reason; got != ticket.CustodyElsewhere {
		t.Fatalf("got %s", got)
	}
	s.Held = ticket.Held{}
	if got := ticket.Check(s, 1).Reason; got != ticket.AdmittedSignature {
		t.Fatalf("one never seen: %s", got)
	}
}

// An exit has no time window, so it needs no clock.
func TestCheck_ExitNeedsNoClock(t *testing.T) {
	s := newBench(t, 1, "grant 1", "enter").scene()
	s.Kind, s.Lane.Exit, s.ClockOK = ticket.RequestExit, true, false
	if got := ticket.Check(s, 1).Reason; got != ticket.ExitRecorded {
		t.Fatalf("got %s", got)
	}
}
