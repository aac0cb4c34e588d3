package ticket

// Exercise turns a verdict into the fact that makes it so. gated says that a gate will report how
// the passage ends. The caller folds the fact into Held and appends it to the journal in one step
// under the ticket's lock; the fact is durable before anybody sees the verdict (R4).
func Exercise(s *Scene, v *Verdict, gated bool) (FactKind, Fact) {
	f := Fact{Lane: s.Lane.Name, Verdict: v}
	switch {
	case s.Ticket != nil:
		f.Ticket, f.Session = s.Ticket.ID, s.Ticket.Session
	case s.Class == ClassExact || s.Class == ClassSigned:
		f.Ticket, f.Session = s.Cred.Ticket, s.Cred.Session
	}
	switch v.Outcome() {
	case OutcomeAdmit:
		f.Gen, f.Used, f.Inside, f.Gated = s.Held.Gen, s.Held.Used+1, true, gated
		f.Unsync = s.Ticket == nil
		f.PrevMs, f.PrevAt, f.WasIn = s.Held.LastMs, s.Held.LastAt, s.Held.Inside
		return FactEntryGranted, f
	case OutcomeExit:
		f.Gen, f.Used = s.Held.Gen, s.Held.Used
		return FactExit, f
	case OutcomeRefuse, OutcomeHold:
	}
	return FactRefused, f
}

// Lapse is the fact that gives the entry of a grant back, with the state before it.
func Lapse(grantSeq uint64, granted *Fact) Fact {
	return Fact{
		Ticket: granted.Ticket, Session: granted.Session, Gen: granted.Gen, Lane: granted.Lane, Of: grantSeq,
		Used: granted.Used - 1, Inside: granted.WasIn, PrevMs: granted.PrevMs, PrevAt: granted.PrevAt,
	}
}

// Pass is the fact that a passage was seen.
func Pass(grantSeq uint64, granted *Fact) Fact {
	return Fact{
		Ticket: granted.Ticket, Session: granted.Session, Gen: granted.Gen, Lane: granted.Lane, Of: grantSeq,
		Used: granted.Used, Inside: true,
	}
}
