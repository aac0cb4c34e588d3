package ticket_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"yipiao/sync/ticket"
)

// model is the station's side of custody-model.md section 2 for one right with several uses, told in
// the simplest words: every generation is unheard of, held, or closed.
type model struct {
	gen     uint32
	open    bool // gen is held: granted and neither answered nor taken back
	used    uint16
	pending bool // a person is at the gate
}

// bench drives a Held and the model side by side and keeps every fact that a journal would have.
type bench struct {
	t interface {
		Fatalf(format string, args ...any)
	}
	held     ticket.Held
	m        model
	max      uint16
	facts    []fact
	grant    ticket.Fact // of the open passage
	grantSeq uint64
	answers  map[uint32]int
	now      int64
}

type fact struct {
	kind ticket.FactKind
	body ticket.Fact
	at   int64
}

func (b *bench) journal(kind ticket.FactKind, f ticket.Fact) {
	b.now++
	b.facts = append(b.facts, fact{kind, f, b.now})
	before := b.held.Gen
	b.held = b.held.Fold(kind, &f, b.now)
	if b.held.Gen < before {
		b.t.Fatalf("generation lowered from %d to %d by %s", before, b.held.Gen, kind)
	}
}

// offer hands the station what a feed page says; pages come late, twice and in any order.
func (b *bench) offer(c ticket.Custody, gen uint32) {
	before := b.held
	state, kind, answer, wait := b.held.Offer(ticket.Right{Custody: c, Gen: gen, Used: b.m.used, Inside: b.held.Inside, Max: b.max})
	if state.Gen < before.Gen {
		b.t.Fatalf("%s %d lowered the generation from %d to %d", c, gen, before.Gen, state.Gen)
	}
	if wait {
		if !b.m.pending || kind != 0 {
			b.t.Fatalf("%s %d waits although nobody is at the gate, kind %s", c, gen, kind)
		}
		if state.Gen != before.Gen || state.Holds != before.Holds || !state.Recalling {
			b.t.Fatalf("waiting changed custody: %+v", state)
		}
		b.held.Recalling = true
		return
	}
	if kind == 0 {
		b.held = state
		b.told(c, gen)
		return
	}
	b.answered(c, gen, kind, answer)
}

// answered: only a recall of a generation at least as new, and never answered, is answered; once.
func (b *bench) answered(c ticket.Custody, gen uint32, kind ticket.FactKind, answer ticket.Fact) {
	if c != ticket.CustodyRecalled || answer.Gen != gen || gen < b.m.gen || gen == b.m.gen && !b.m.open {
		b.t.Fatalf("%s %d answered with %s %d in %+v", c, gen, kind, answer.Gen, b.m)
	}
	if b.answers[gen]++; b.answers[gen] > 1 {
		b.t.Fatalf("generation %d answered twice", gen)
	}
	if want := b.m.used >= b.max; (kind == ticket.FactCustodyUsed) != want {
		b.t.Fatalf("answered %s with %d of %d used", kind, b.m.used, b.max)
	}
	if answer.Used != b.m.used {
		b.t.Fatalf("answer says %d used, want %d", answer.Used, b.m.used)
	}
	b.journal(kind, answer)
	b.m.gen, b.m.open = gen, false
}

// told is the model's reading of an entry that needs no answer.
func (b *bench) told(c ticket.Custody, gen uint32) {
	switch {
	case c == ticket.CustodyGranted && gen > b.m.gen:
		b.m.gen, b.m.open = gen, true
	case c == ticket.CustodyCloud && gen >= b.m.gen:
		b.m.gen, b.m.open = gen, false
	}
}

func (b *bench) scene() *ticket.Scene {
	const self, group, session = 1, 1, 1
	return &ticket.Scene{
		Kind: ticket.RequestEntry, Self: self, Permitted: true, Class: ticket.ClassExact, ClockOK: true,
		Lane:    ticket.Lane{Name: "L1", Open: true, Entry: true, Hall: 1, Groups: []ticket.GateGroupID{group}},
		Ticket:  &ticket.Ticket{ID: 9, Session: session, Group: group, Status: ticket.StatusValid, Entry: ticket.Right{Max: b.max}},
		Session: &ticket.Session{ID: session, Hall: 1, AdmitToMs: 1 << 40, EndMs: 1 << 41, Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryFree, Status: ticket.SessionPlanned},
		Group:   &ticket.GateGroup{ID: group, Home: self}, Held: b.held,
	}
}

func (b *bench) enter(gated bool) {
	s := b.scene()
	v := ticket.Check(s, 1)
	admit := v.Outcome() == ticket.OutcomeAdmit
	// A waiting recall bars the right until it is answered, or withdrawn.
	may := b.m.open && !b.m.pending && b.m.used < b.max && !b.held.Recalling
	if admit != may {
		b.t.Fatalf("verdict %s in %+v, held %+v", v.Reason, b.m, b.held)
	}
	if !admit {
		return
	}
	kind, f := ticket.Exercise(s, &v, gated)
	if f.Gen != b.m.gen || b.answers[f.Gen] > 0 {
		b.t.Fatalf("exercised generation %d, present %d, answers %d", f.Gen, b.m.gen, b.answers[f.Gen])
	}
	b.journal(kind, f)
	b.m.used++
	b.m.pending, b.grant, b.grantSeq = gated, f, uint64(len(b.facts))
}

func (b *bench) end(lapsed bool) {
	if !b.m.pending {
		return
	}
	kind, f := ticket.FactEntryPassed, ticket.Pass(b.grantSeq, &b.grant)
	if lapsed {
		kind, f = ticket.FactEntryLapsed, ticket.Lapse(b.grantSeq, &b.grant)
		b.m.used--
	}
	b.journal(kind, f)
	b.m.pending = false
}

// annul takes back an entry without a gate: the last thing the journal says, of the generation held.
func (b *bench) annul() {
	if n := len(b.facts); b.m.pending || !b.m.open || n == 0 || b.facts[n-1].kind != ticket.FactEntryGranted || b.grant.Gen != b.m.gen {
		return
	}
	b.journal(ticket.FactEntryAnnulled, ticket.Lapse(b.grantSeq, &b.grant))
	b.m.used--
}

func (b *bench) check() {
	if b.held.Gen != b.m.gen || b.held.Holds != b.m.open || b.held.Used != b.m.used {
		b.t.Fatalf("held %+v, model %+v", b.held, b.m)
	}
	if (b.held.Passage == ticket.PassagePending) != b.m.pending {
		b.t.Fatalf("passage %d, model %+v", b.held.Passage, b.m)
	}
}

// replay folds the journal over nothing, as a start without a checkpoint does: what facts say must
// come out the same. What only the feed said (grants not yet used) comes from the catalogue.
func (b *bench) replay() {
	var h ticket.Held
	newest := uint32(0)
	for i := range b.facts {
		h = h.Fold(b.facts[i].kind, &b.facts[i].body, b.facts[i].at)
		newest = max(newest, b.facts[i].body.Gen)
	}
	if h.Gen != newest || h.Used != b.held.Used || h.Inside != b.held.Inside || h.Passage != b.held.Passage {
		b.t.Fatalf("replayed %+v, lived %+v", h, b.held)
	}
	if newest == b.m.gen && h.Holds && !b.held.Holds && b.answers[newest] > 0 {
		b.t.Fatalf("replay holds generation %d, which was answered", newest)
	}
	if h.Gen == b.held.Gen && b.answers[h.Gen] > 0 && h.Holds {
		b.t.Fatalf("replayed %+v holds an answered generation", h)
	}
}

// order checks the journal: nothing is exercised under a generation after its answer, and answers rise.
func (b *bench) order() {
	answered := uint32(0)
	for _, f := range b.facts {
		switch f.kind {
		case ticket.FactCustodyReleased, ticket.FactCustodyUsed:
			if f.body.Gen <= answered {
				b.t.Fatalf("answer of %d after that of %d", f.body.Gen, answered)
			}
			answered = f.body.Gen
		default:
			if f.body.Gen <= answered && answered != 0 {
				b.t.Fatalf("%s of generation %d after the answer of %d", f.kind, f.body.Gen, answered)
			}
		}
	}
}

// TestHeld_AgainstTheModel: whatever the feed delivers in whatever order, no generation is lowered,
// exercised without a grant, exercised after its answer, or answered twice (R3, R4, R5).
func TestHeld_AgainstTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &bench{t: t, max: rapid.Uint16Range(1, 3).Draw(t, "max"), answers: make(map[uint32]int)}
		steps := map[string]func(*rapid.T){
			"enter":      func(*rapid.T) { b.enter(false) },
			"enter gate": func(*rapid.T) { b.enter(true) },
			"passed":     func(*rapid.T) { b.end(false) },
			"lapsed":     func(*rapid.T) { b.end(true) },
			"annulled":   func(*rapid.T) { b.annul() },
			"":           func(*rapid.T) { b.check(); b.replay(); b.order() },
		}
		for _, c := range []ticket.Custody{ticket.CustodyGranted, ticket.CustodyRecalled, ticket.CustodyCloud} {
			steps["feed "+string(c)] = func(t *rapid.T) { b.offer(c, rapid.Uint32Range(1, 5).Draw(t, "gen")) }
		}
		t.Repeat(steps)
	})
}

// TestHeld_RecallIsAlwaysAnswered: L1 for one right. Once the passage has ended, the newest recall is
// answered at the next offer, whatever went before.
func TestHeld_RecallIsAlwaysAnswered(t *testing.T) {
	for _, history := range [][]string{
		{}, {"grant 3"}, {"grant 2"}, {"grant 3", "enter"}, {"grant 3", "gate", "passed"}, {"grant 3", "gate", "lapsed"}, {"grant 3", "enter", "annulled"},
		{"grant 3", "gate", "recall 3", "lapsed"}, {"recall 2", "grant 2"}, {"cloud 2"}, {"grant 3", "recall 3"},
	} {
		t.Run(fmt.Sprint(history), func(t *testing.T) {
			b := &bench{t: t, max: 2, answers: make(map[uint32]int)}
			for _, step := range history {
				b.step(step)
			}
			b.offer(ticket.CustodyRecalled, 3)
			if b.answers[3] != 1 {
				t.Fatalf("recall 3 after %v has %d answers", history, b.answers[3])
			}
		})
	}
}

func (b *bench) step(s string) {
	var word string
	var gen uint32
	if n, _ := fmt.Sscanf(s, "%s %d", &word, &gen); n == 0 {
		b.t.Fatalf("bad step %q", s)
	}
	switch word {
	case "enter":
		b.enter(false)
	case "gate":
		b.enter(true)
	case "passed":
		b.end(false)
	case "lapsed":
		b.end(true)
	case "annulled":
		b.annul()
	case "grant":
		b.offer(ticket.CustodyGranted, gen)
	case "recall":
		b.offer(ticket.CustodyRecalled, gen)
	case "cloud":
		b.offer(ticket.CustodyCloud, gen)
	default:
		b.t.Fatalf("bad step %q", s)
	}
}
