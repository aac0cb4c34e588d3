package hub_test

import (
	"errors"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/ticket"
)

// must returns the right of a step that has to be allowed.
func must(t *testing.T) func(hub.Right, error) hub.Right {
	t.Helper()
	return func(r hub.Right, err error) hub.Right {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// fold folds a fact that has to be foldable.
func fold(t *testing.T, r hub.Right, kind ticket.FactKind, f ticket.Fact) hub.Effect {
	t.Helper()
	e, err := hub.FoldFact(r, kind, &f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func granted(t *testing.T, most uint16) hub.Right {
	t.Helper()
	return must(t)(hub.Grant(hub.Right{Max: most}, ticket.StatusValid))
}

func TestGrant(t *testing.T) {
	for _, c := range []struct {
		name   string
		right  hub.Right
		status ticket.Status
		want   error
	}{
		{"first", hub.Right{Max: 1}, ticket.StatusValid, nil},
		{"again after a release", hub.Right{State: hub.Released, Gen: 1, GrantedSeq: 9, Used: 1, Max: 2}, ticket.StatusValid, nil},
		{"again after used with a use left", hub.Right{State: hub.Used, Gen: 1, Used: 1, Max: 2}, ticket.StatusValid, nil},
		{"R1 one outstanding generation", hub.Right{State: hub.Granted, Gen: 1, Max: 2}, ticket.StatusValid, hub.ErrOutstanding},
		{"R1 while a recall is open", hub.Right{State: hub.Recalled, Gen: 1, Max: 2}, ticket.StatusValid, hub.ErrOutstanding},
		{"used up", hub.Right{State: hub.Used, Gen: 1, Used: 2, Max: 2}, ticket.StatusValid, hub.ErrUsedUp},
		{"refunded", hub.Right{Max: 1}, ticket.StatusRefunded, hub.ErrInvalid},
		{"blocked", hub.Right{Max: 1}, ticket.StatusBlocked, hub.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := hub.Grant(c.right, c.status)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			want := c.right
			if c.want == nil {
				want.State, want.Gen, want.GrantedSeq = hub.Granted, want.Gen+1, 0
			}
			if got != want {
				t.Fatalf("right %+v, want %+v", got, want)
			}
		})
	}
}

func TestRight_RecallAndWithdrawNeedTheirState(t *testing.T) {
	for _, state := range []hub.State{hub.Cloud, hub.Recalled, hub.Released, hub.Used} {
		if _, err := hub.Recall(hub.Right{State: state, Max: 1}); !errors.Is(err, hub.ErrNotGranted) {
			t.Errorf("recall in state %d: %v", state, err)
		}
		if _, err := hub.TakeBack(hub.Right{State: state, Max: 1}, 0, false); !errors.Is(err, hub.ErrNotGranted) {
			t.Errorf("take back in state %d: %v", state, err)
		}
	}
	for _, state := range []hub.State{hub.Cloud, hub.Granted, hub.Released, hub.Used} {
		if _, err := hub.Withdraw(hub.Right{State: state, Max: 1}); !errors.Is(err, hub.ErrNotRecalled) {
			t.Errorf("withdraw in state %d: %v", state, err)
		}
	}
}

// Custody-model hole 1: a later change of the row must not make the grant look unsent.
func TestHole1_GrantedSeqIsTheGrantsFirstPositionNotTheRows(t *testing.T) {
	r := hub.Stamped(granted(t, 1), 5)
	const sent = 7
	r = hub.Stamped(r, 12) // the row changed for another reason and was stamped again, above sent
	if r.GrantedSeq != 5 {
		t.Fatalf("granted_seq %d after another stamp, want 5", r.GrantedSeq)
	}
	if _, err := hub.TakeBack(r, sent, false); !errors.Is(err, hub.ErrMaySent) {
		t.Fatalf("take back of a sent grant: %v, want %v", err, hub.ErrMaySent)
	}
}

func TestTakeBack_OnlyWhatWasCertainlyNeverSent(t *testing.T) {
	g := granted(t, 1)
	back := must(t)(hub.TakeBack(g, 100, false)) // no position yet
	if back.State != hub.Cloud || back.Gen != 1 || back.GrantedSeq != 0 {
		t.Fatalf("taken back: %+v", back)
	}
	must(t)(hub.TakeBack(hub.Stamped(g, 8), 7, false)) // stamped above what was reserved
	if _, err := hub.TakeBack(hub.Stamped(g, 7), 7, false); !errors.Is(err, hub.ErrMaySent) {
		t.Fatalf("at sent_pos: %v", err)
	}
	if _, err := hub.TakeBack(g, 0, true); !errors.Is(err, hub.ErrMaySent) {
		t.Fatalf("R9, a session that admits by signature: %v", err)
	}
	again := must(t)(hub.Grant(back, ticket.StatusValid))
	if again.Gen != 2 || again.GrantedSeq != 0 {
		t.Fatalf("granted again: %+v", again)
	}
}

// Custody-model hole 6: the answer to one recall, given twice, must not count for the next grant.
func TestHole6_SecondReleaseDoesNotCountForTheNextGrant(t *testing.T) {
	r := must(t)(hub.Recall(hub.Stamped(granted(t, 1), 3)))
	r = fold(t, r, ticket.FactCustodyReleased, ticket.Fact{Gen: 1}).Right
	if r.State != hub.Released {
		t.Fatalf("after the release: %+v", r)
	}
	r = must(t)(hub.Grant(r, ticket.StatusValid))
	e := fold(t, r, ticket.FactCustodyReleased, ticket.Fact{Gen: 1})
	if e.Right != r || e.Conflict != "" {
		t.Fatalf("the second release changed %+v to %+v", r, e)
	}
}

// Custody-model hole 6b: the same for a release that is delivered late.
func TestHole6b_OldReleaseAndOldUsedAreRecordedOnly(t *testing.T) {
	r := hub.Right{State: hub.Granted, Gen: 3, Max: 2, Used: 1, GrantedSeq: 4}
	for _, kind := range []ticket.FactKind{
		ticket.FactCustodyReleased, ticket.FactCustodyUsed, ticket.FactEntryLapsed, ticket.FactEntryAnnulled,
		ticket.FactEntryPassed, ticket.FactExit,
	} {
		if e := fold(t, r, kind, ticket.Fact{Gen: 2, Used: 2}); e.Right != r || e.Conflict != "" {
			t.Errorf("%s of an older generation: %+v", kind, e)
		}
	}
	e := fold(t, r, ticket.FactEntryGranted, ticket.Fact{Gen: 2, Used: 2})
	if e.Right != r || e.Conflict != hub.ConflictOldGeneration {
		t.Errorf("entry of an older generation: %+v, want a conflict and no change", e)
	}
}

// Custody-model hole 7: a recall is withdrawn with the same generation and granted_seq, so the cloud
// cannot take it back alone afterwards.
func TestHole7_WithdrawKeepsGenerationAndGrantedSeq(t *testing.T) {
	g := hub.Stamped(granted(t, 1), 5)
	w := must(t)(hub.Withdraw(must(t)(hub.Recall(g))))
	if w != g {
		t.Fatalf("withdrawn: %+v, want %+v", w, g)
	}
	if _, err := hub.TakeBack(w, 5, false); !errors.Is(err, hub.ErrMaySent) {
		t.Fatalf("take back after withdrawing: %v", err)
	}
}

// Custody-model hole 8: the release of a withdrawn recall still gives the right back.
func TestHole8_ReleaseIsAcceptedAfterTheRecallWasWithdrawn(t *testing.T) {
	g := hub.Stamped(granted(t, 2), 5)
	w := must(t)(hub.Withdraw(must(t)(hub.Recall(g))))
	r := fold(t, w, ticket.FactCustodyReleased, ticket.Fact{Gen: 1, Used: 1, Inside: true}).Right
	if r.State != hub.Released || r.Used != 1 || !r.Inside {
		t.Fatalf("after the release: %+v", r)
	}
	if u := fold(t, w, ticket.FactCustodyUsed, ticket.Fact{Gen: 1, Used: 2}).Right; u.State != hub.Used || u.Used != 2 {
		t.Fatalf("after used: %+v", u)
	}
}

// Custody-model hole 12: an entry is the whole state, so another change of the row keeps a recall.
func TestHole12_OtherChangesKeepTheRecallInTheFeed(t *testing.T) {
	r := must(t)(hub.Recall(hub.Stamped(granted(t, 1), 5)))
	again := hub.Stamped(r, 9)
	if f := again.Feed(); f.Custody != ticket.CustodyRecalled || f.Gen != 1 {
		t.Fatalf("feed entry %+v, want a recall of generation 1", f)
	}
}

func TestFoldFact_EntryLapseAndExitKeepCustodyAtTheStation(t *testing.T) {
	r := hub.Stamped(granted(t, 1), 2)
	r = fold(t, r, ticket.FactEntryGranted, ticket.Fact{Gen: 1, Used: 1, Inside: true, Gated: true}).Right
	if r.Used != 1 || !r.Inside || r.State != hub.Granted || r.Holder(9) != 9 {
		t.Fatalf("after the entry: %+v", r)
	}
	for _, kind := range []ticket.FactKind{ticket.FactEntryLapsed, ticket.FactEntryAnnulled} {
		if l := fold(t, r, kind, ticket.Fact{Gen: 1}).Right; l.Used != 0 || l.Inside || l.State != hub.Granted {
			t.Fatalf("after %s: %+v", kind, l)
		}
	}
	if x := fold(t, r, ticket.FactExit, ticket.Fact{Gen: 1, Used: 1}).Right; x.Used != 1 || x.Inside {
		t.Fatalf("after the exit: %+v", x)
	}
	if u := fold(t, r, ticket.FactEntryUncertain, ticket.Fact{Gen: 1}).Right; u.Used != 1 {
		t.Fatalf("uncertain must stay counted: %+v", u)
	}
}

func TestFoldFact_Conflicts(t *testing.T) {
	for _, c := range []struct {
		name  string
		right hub.Right
		fact  ticket.Fact
		want  hub.ConflictReason
		used  uint16
	}{
		{"entry after a release", hub.Right{State: hub.Released, Gen: 2, Max: 1}, ticket.Fact{Gen: 2, Used: 1}, hub.ConflictNotHeld, 0},
		{"entry of a grant taken back", hub.Right{State: hub.Cloud, Gen: 2, Max: 1}, ticket.Fact{Gen: 2, Used: 1}, hub.ConflictNotHeld, 0},
		{"entry over the maximum", hub.Right{State: hub.Granted, Gen: 2, Max: 1, Used: 1}, ticket.Fact{Gen: 2, Used: 2}, hub.ConflictOverMax, 2},
		{"R9 by signature, held", hub.Right{State: hub.Granted, Gen: 2, Max: 1}, ticket.Fact{Used: 1}, "", 1},
		{"R9 by signature, not held", hub.Right{State: hub.Cloud, Gen: 2, Max: 1}, ticket.Fact{Used: 1}, hub.ConflictNotHeld, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := fold(t, c.right, ticket.FactEntryGranted, c.fact)
			if e.Conflict != c.want || e.Right.Used != c.used || e.Right.State != c.right.State {
				t.Fatalf("effect %+v, want conflict %q and %d uses", e, c.want, c.used)
			}
		})
	}
}

func TestFoldFact_LapseOrAnnulmentBySignatureGivesTheEntryBack(t *testing.T) {
	for _, kind := range []ticket.FactKind{ticket.FactEntryLapsed, ticket.FactEntryAnnulled} {
		r := hub.Right{State: hub.Granted, Gen: 1, Max: 1}
		r = fold(t, r, ticket.FactEntryGranted, ticket.Fact{Used: 1, Inside: true}).Right
		if r = fold(t, r, kind, ticket.Fact{}).Right; r.Used != 0 || r.Inside {
			t.Fatalf("after %s: %+v", kind, r)
		}
	}
}

func TestFoldFact_UnknownGenerationIsUnfoldable(t *testing.T) {
	_, err := hub.FoldFact(hub.Right{State: hub.Granted, Gen: 1, Max: 1}, ticket.FactCustodyReleased, &ticket.Fact{Gen: 2})
	var u *hub.Unfoldable
	if !errors.As(err, &u) || u.Reason != hub.DeadGeneration {
		t.Fatalf("error %v", err)
	}
}

func TestChangeStatus_RefundNeedsTheUnusedRightInTheCloud(t *testing.T) {
	for _, c := range []struct {
		right hub.Right
		want  error
	}{
		{hub.Right{State: hub.Cloud}, nil},
		{hub.Right{State: hub.Released}, nil},
		{hub.Right{State: hub.Released, Used: 1}, hub.ErrCustody},
		{hub.Right{State: hub.Granted}, hub.ErrCustody},
		{hub.Right{State: hub.Recalled}, hub.ErrCustody},
		{hub.Right{State: hub.Used}, hub.ErrCustody},
	} {
		if err := hub.ChangeStatus(c.right, ticket.StatusValid, ticket.StatusRefunded); !errors.Is(err, c.want) {
			t.Errorf("refund of %+v: %v, want %v", c.right, err, c.want)
		}
		if err := hub.ChangeStatus(c.right, ticket.StatusValid, ticket.StatusBlocked); err != nil {
			t.Errorf("block of %+v: %v", c.right, err)
		}
		if err := hub.ChangeStatus(c.right, ticket.StatusRefunded, ticket.StatusValid); !errors.Is(err, hub.ErrInvalid) {
			t.Errorf("undo a refund: %v", err)
		}
	}
}

// What a station makes of the feed and what the cloud makes of its answers must meet in one state:
// one ticket, both ends' rules, every order in which a recall can meet a passage.
func TestRulesOfBothEndsMeet(t *testing.T) {
	for _, uses := range []int{0, 1, 2} {
		r := hub.Stamped(granted(t, 2), 1)
		var h ticket.Held
		h, _, _, _ = h.Offer(r.Feed())
		for range uses {
			f := ticket.Fact{Gen: h.Gen, Used: h.Used + 1, Inside: true}
			h = h.Fold(ticket.FactEntryGranted, &f, 1)
			r = fold(t, r, ticket.FactEntryGranted, f).Right
		}
		r = must(t)(hub.Recall(r))
		h, kind, answer, wait := h.Offer(r.Feed())
		if wait || kind == 0 {
			t.Fatalf("%d uses: no answer to the recall", uses)
		}
		r = fold(t, r, kind, answer).Right
		if r.Used != h.Used || r.Inside != h.Inside || r.Gen != h.Gen || r.Holder(1) != 0 || h.Holds {
			t.Fatalf("%d uses: cloud %+v, station %+v", uses, r, h)
		}
		next, err := hub.Grant(r, ticket.StatusValid)
		if (err == nil) != (uses < 2) {
			t.Fatalf("%d uses: next grant: %v", uses, err)
		}
		if err == nil {
			if h, _, _, _ = h.Offer(next.Feed()); !h.Holds || h.Used != uint16(uses) {
				t.Fatalf("%d uses: after the next grant the station has %+v", uses, h)
			}
		}
	}
}
