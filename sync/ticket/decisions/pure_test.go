package decisions_test

import (
	"crypto/ed25519"
	"testing"
	"time"

	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
)

var now = time.Date(2026, 5, 20, 19, 0, 0, 0, ticket.Shanghai())

// TestPureRules runs every row against ticket.Check alone.
func TestPureRules(t *testing.T) {
	rows, err := decisions.Table()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 60 {
		t.Fatalf("table has %d rows, want at least 60", len(rows))
	}
	for i := range rows {
		r := &rows[i]
		t.Run(r.Name, func(t *testing.T) {
			w, err := decisions.NewWorld(r, now)
			if err != nil {
				t.Fatal(err)
			}
			got, used := (&pure{w: w}).run()
			want := r.Want
			if got.Reason != want.Reason || got.Outcome() != want.Outcome || used != want.Used {
				t.Fatalf("got %s (%s) used %d, want %s (%s) used %d", got.Reason, got.Outcome(), used, want.Reason, want.Outcome, want.Used)
			}
			if want.N != 0 && (got.N != want.N || got.Of != want.Of) {
				t.Fatalf("got entry %d of %d, want %d of %d", got.N, got.Of, want.N, want.Of)
			}
		})
	}
}

// pure holds one right in memory, folding facts as a station does.
type pure struct {
	w    *decisions.World
	held ticket.Held
	last ticket.Verdict
	seq  uint64
}

func (p *pure) run() (ticket.Verdict, int) {
	r := p.w.Row
	if !r.Absent {
		right := p.w.Ticket.Entry
		if r.Custody == string(ticket.CustodyCloud) {
			right.Custody = ticket.CustodyCloud
		}
		p.held, _, _, _ = p.held.Offer(right)
	}
	for _, step := range r.History {
		p.step(step, now.Add(time.Duration(r.HistoryAt)*time.Minute))
	}
	if r.Custody == string(ticket.CustodyRecalled) {
		right := p.w.Ticket.Entry
		right.Custody = ticket.CustodyRecalled
		held, kind, answer, wait := p.held.Offer(right)
		p.held = held
		if !wait {
			p.held = p.held.Fold(kind, &answer, now.UnixMilli())
		}
	}
	s := p.scene(r.Lane, r.Kind, p.w.Payload)
	s.Permitted = r.Device == "permitted"
	switch r.Nonce {
	case "repeat":
		s.Prior = &ticket.Prior{Same: true, Verdict: p.last}
	case "reuse":
		s.Prior = &ticket.Prior{}
	}
	v := ticket.Check(s, now.UnixMilli())
	if s.Prior == nil {
		p.exercise(s, v, false, now)
	}
	return v, int(p.held.Used)
}

func (p *pure) step(step string, at time.Time) {
	kind := "entry"
	if step == "exit" {
		kind = step
	}
	s := p.scene("service", kind, p.w.HistCode)
	s.Permitted, s.ClockOK = true, true // the row is about the request, not its history
	p.last = ticket.Check(s, at.UnixMilli())
	gated := step != "entry" && step != "exit"
	granted := p.exercise(s, p.last, gated, at)
	switch step {
	case "lapsed":
		f := ticket.Lapse(p.seq, &granted)
		p.held = p.held.Fold(ticket.FactEntryLapsed, &f, at.UnixMilli())
	case "uncertain":
		f := granted
		p.held = p.held.Fold(ticket.FactEntryUncertain, &f, at.UnixMilli())
	}
}

func (p *pure) exercise(s *ticket.Scene, v ticket.Verdict, gated bool, at time.Time) ticket.Fact {
	kind, f := ticket.Exercise(s, &v, gated)
	p.seq++
	p.held = p.held.Fold(kind, &f, at.UnixMilli())
	return f
}

func (p *pure) scene(lane, kind, payload string) *ticket.Scene {
	r, w := p.w.Row, p.w
	s := &ticket.Scene{
		Kind: ticket.RequestKind(kind), Self: decisions.Self, Lane: w.Lanes[lane], Held: p.held,
		ClockOK: r.Clock == "trusted", CaughtUp: !r.NotCaughtUp, Unreadable: r.Unreadable,
	}
	if r.OtherNow {
		s.Lane.Now = w.Other.ID
	}
	if !r.Absent {
		s.Ticket = &w.Ticket
	}
	if !r.SessionAbsent {
		s.Session = &w.Session
	}
	for i := range w.Groups {
		if w.Groups[i].ID == r.Group && !r.GroupAbsent {
			s.Group = &w.Groups[i]
		}
	}
	keys := make(map[ticket.KeyID]ticket.SignKey)
	for _, k := range w.Keys {
		keys[k.ID] = k
	}
	s.Class, s.Cred = ticket.Classify(payload, decisions.Tenant, func(ticket.TicketID) *ticket.Ticket { return s.Ticket },
		func(id ticket.KeyID) (ticket.SignKey, bool) { k, ok := keys[id]; return k, ok })
	return s
}

// TestWorldSigns guards the fixed world: its keys sign what it presents.
func TestWorldSigns(t *testing.T) {
	rows, _ := decisions.Table()
	w, err := decisions.NewWorld(&rows[0], now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ticket.ParseCredential(w.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(ed25519.PublicKey(w.Keys[0].Public)); err != nil {
		t.Fatal(err)
	}
	if err := w.Ticket.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := w.Session.Validate(); err != nil {
		t.Fatal(err)
	}
}
