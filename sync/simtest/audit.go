package simtest

import (
	"fmt"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// An audit reads a journal as it is written: what must hold within it whatever anybody has meant. It is
// folded anew from what is left when a crash has taken some of it.
type audit struct {
	max    func(ticket.TicketID) uint16
	rights map[ticket.TicketID]*audited
	nonces map[ticket.Nonce]uint64
	open   map[uint64]ticket.Fact // grants that can still be given back
}

type audited struct {
	gen, answered uint32
	used          uint16
}

func newAudit(max func(ticket.TicketID) uint16) *audit {
	return &audit{max: max, rights: make(map[ticket.TicketID]*audited), nonces: make(map[ticket.Nonce]uint64), open: make(map[uint64]ticket.Fact)}
}

// read takes the next fact; its error says which rule it breaks.
func (a *audit) read(seq uint64, rec *journal.Record) error {
	kind := ticket.FactKind(rec.Kind)
	if !kind.OfTicket() {
		return nil
	}
	var f ticket.Fact
	if err := f.Decode(rec.Body); err != nil {
		return err
	}
	if f.Nonce != nil {
		if first := a.nonces[*f.Nonce]; first != 0 {
			return fmt.Errorf("a nonce is answered twice, by facts %d and %d (R12)", first, seq)
		}
		a.nonces[*f.Nonce] = seq
	}
	if kind == ticket.FactRefused {
		return nil
	}
	r, ok := a.rights[f.Ticket]
	if !ok {
		r = new(audited)
		a.rights[f.Ticket] = r
	}
	if err := r.read(kind, &f, a, seq); err != nil {
		return fmt.Errorf("fact %d, %s of ticket %d, generation %d, used %d: %w", seq, kind, f.Ticket, f.Gen, f.Used, err)
	}
	return nil
}

func (r *audited) read(kind ticket.FactKind, f *ticket.Fact, a *audit, seq uint64) error {
	switch kind {
	case ticket.FactEntryGranted:
		return r.entry(f, a, seq)
	case ticket.FactEntryLapsed, ticket.FactEntryAnnulled:
		granted, ok := a.open[f.Of]
		if !ok {
			return fmt.Errorf("gives back fact %d, which is not to be given back", f.Of)
		}
		if f.Gen != granted.Gen || f.Used != r.used-1 {
			return fmt.Errorf("gives back generation %d, the entry was of %d, used were %d", f.Gen, granted.Gen, r.used)
		}
		if f.Gen != 0 && f.Gen <= r.answered {
			return fmt.Errorf("behind the answer for generation %d", r.answered)
		}
		delete(a.open, f.Of)
		r.used--
	case ticket.FactEntryPassed, ticket.FactEntryUncertain:
		delete(a.open, f.Of)
	case ticket.FactCustodyReleased, ticket.FactCustodyUsed:
		return r.answer(kind, f, a)
	default:
	}
	return nil
}

// entry: within its generation, not behind its answer, one more than before (R4).
func (r *audited) entry(f *ticket.Fact, a *audit, seq uint64) error {
	switch {
	case f.Gen != 0 && f.Gen <= r.answered:
		return fmt.Errorf("an entry behind the answer for generation %d (I1)", r.answered)
	case f.Gen < r.gen:
		return fmt.Errorf("an entry of a generation before %d (R4)", r.gen)
	case f.Used <= r.used, f.Gen == r.gen && f.Used != r.used+1:
		return fmt.Errorf("used were %d (I1)", r.used)
	case f.Used > a.max(f.Ticket):
		return fmt.Errorf("allowed are %d (I1)", a.max(f.Ticket))
	}
	r.gen, r.used = f.Gen, f.Used
	a.open[seq] = *f
	return nil
}

// answer: once for a generation, with what is used (R3, R6).
func (r *audited) answer(kind ticket.FactKind, f *ticket.Fact, a *audit) error {
	switch {
	case f.Gen <= r.answered:
		return fmt.Errorf("generation %d is answered already", r.answered)
	case f.Used < r.used, f.Gen == r.gen && f.Used != r.used:
		return fmt.Errorf("a release behind a use: used are %d (I2)", r.used)
	case kind == ticket.FactCustodyReleased && f.Used >= a.max(f.Ticket):
		return fmt.Errorf("released, and no use is left")
	}
	r.gen, r.answered, r.used = f.Gen, f.Gen, f.Used
	return nil
}
