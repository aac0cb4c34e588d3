package hub

import (
	"context"
	"fmt"

	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/mutant"
	"yipiao/sync/ticket"
)

// A DeadReason says why a fact could not be folded. It is a stable code.
type DeadReason string

// Reasons of dead letters.
const (
	DeadKind       DeadReason = "unknown_kind"       // this program does not know the kind
	DeadBody       DeadReason = "bad_body"           // the body is not what its kind says
	DeadTicket     DeadReason = "unknown_ticket"     // no ticket of that number
	DeadGeneration DeadReason = "unknown_generation" // a generation that was never granted
)

// A ConflictReason says why a fact that was recorded needs a person. It is a stable code.
type ConflictReason string

// Reasons of conflicts.
const (
	ConflictOldGeneration ConflictReason = "entry_of_older_generation"
	ConflictNotHeld       ConflictReason = "entry_without_custody"
	ConflictOverMax       ConflictReason = "entry_over_max"
	ConflictNotHome       ConflictReason = "entry_at_other_station"
)

// An Unfoldable fact goes to the dead letters; those behind it go on.
type Unfoldable struct{ Reason DeadReason }

func (u *Unfoldable) Error() string { return "hub: fact cannot be folded: " + string(u.Reason) }

// An Effect is what one fact does to a right.
type Effect struct {
	Right    Right
	Conflict ConflictReason // "" for none
}

// FoldFact applies one fact of the home station to a right (custody-model.md section 2, R1, R6). It
// must be called in journal order. A fact of an older generation changes nothing; an entry among
// those is a conflict. A generation beyond the right's own is *Unfoldable.
//
// The right stays in the station's custody after an entry, even the last: the passage may still
// lapse, or the entry be annulled. Only an answer to a recall, accepted also when that was withdrawn,
// brings it back.
func FoldFact(r Right, kind ticket.FactKind, f *ticket.Fact) (Effect, error) {
	entry := kind == ticket.FactEntryGranted
	if mutant.On(mutant.HubIgnoreGeneration) && f.Gen > 0 && f.Gen < r.Gen {
		same := *f
		same.Gen, f = r.Gen, &same
	}
	switch {
	case kind == ticket.FactRefused:
		return Effect{Right: r}, nil
	case f.Gen > r.Gen:
		return Effect{Right: r}, &Unfoldable{DeadGeneration}
	case f.Gen == 0:
		return foldSigned(r, kind, f), nil
	case f.Gen < r.Gen && entry:
		return Effect{Right: r, Conflict: ConflictOldGeneration}, nil
	case f.Gen < r.Gen:
		return Effect{Right: r}, nil
	case r.State != Granted && r.State != Recalled && entry:
		return Effect{Right: r, Conflict: ConflictNotHeld}, nil
	case r.State != Granted && r.State != Recalled:
		return Effect{Right: r}, nil
	case r.State == Granted && kind == ticket.FactCustodyReleased && mutant.On(mutant.HubReleaseWhenCalled):
		return Effect{Right: r}, nil
	}
	return foldHeld(r, kind, f), nil
}

func foldHeld(r Right, kind ticket.FactKind, f *ticket.Fact) Effect {
	switch kind {
	case ticket.FactEntryGranted, ticket.FactEntryPassed, ticket.FactEntryLapsed, ticket.FactEntryAnnulled:
		r.Used, r.Inside = f.Used, f.Inside
	case ticket.FactExit:
		r.Used, r.Inside = f.Used, false
	case ticket.FactCustodyReleased:
		r.State, r.Used, r.Inside, r.Stranded = Released, f.Used, f.Inside, false
	case ticket.FactCustodyUsed:
		r.State, r.Used, r.Inside, r.Stranded = Used, f.Used, f.Inside, false
	default: // an uncertain entry stays counted; the rest is not about a right
	}
	e := Effect{Right: r}
	if kind == ticket.FactEntryGranted && r.Used > r.Max {
		e.Conflict = ConflictOverMax
	}
	return e
}

// foldSigned applies a fact of a passage on the signature alone, which the station exercised before
// it saw any grant: it counts for the present generation (R9).
func foldSigned(r Right, kind ticket.FactKind, f *ticket.Fact) Effect {
	held := r.State == Granted || r.State == Recalled
	switch kind {
	case ticket.FactEntryGranted:
		r.Used, r.Inside = max(r.Used, f.Used), f.Inside
		if !held {
			return Effect{Right: r, Conflict: ConflictNotHeld}
		}
		if r.Used > r.Max {
			return Effect{Right: r, Conflict: ConflictOverMax}
		}
	case ticket.FactEntryLapsed, ticket.FactEntryAnnulled:
		if r.Used == f.Used+1 {
			r.Used, r.Inside = f.Used, f.Inside
		}
	case ticket.FactEntryPassed, ticket.FactExit:
		r.Inside = f.Inside && kind == ticket.FactEntryPassed
	default: // an uncertain entry stays counted; there is nothing to release
	}
	return Effect{Right: r}
}

// A Place is where a fact stands: in whose journal, and where in it.
type Place struct {
	Station link.Peer
	Epoch   uint32
	Seq     uint64
}

// A FoldTx is what folding needs of a Store's transaction.
type FoldTx interface {
	// Ticket returns a ticket of the tenant, locked, and whether there is one.
	Ticket(ctx context.Context, id ticket.TicketID) (Row, bool, error)
	// SetRight stores the right of a ticket. It changes neither its version nor its position: a
	// station's own facts are not echoed to it.
	SetRight(ctx context.Context, id ticket.TicketID, r Right) error
	// Conflict and DeadLetter record that the fact needs a person. Recording one twice is harmless.
	Conflict(ctx context.Context, at Place, id ticket.TicketID, why ConflictReason) error
	DeadLetter(ctx context.Context, at Place, why DeadReason) error
}

// Read decodes the body of a fact: fact is nil for a fact that is not about a ticket, note for one
// that is. A body that is not what its kind says, or an unknown kind, is *Unfoldable.
func Read(e *journal.Entry) (fact *ticket.Fact, note *ticket.Note, err error) {
	kind := ticket.FactKind(e.Kind)
	if kind.String() == "unknown" {
		return nil, nil, &Unfoldable{DeadKind}
	}
	if !kind.OfTicket() {
		note = new(ticket.Note)
		if note.Decode(e.Body) != nil {
			return nil, nil, &Unfoldable{DeadBody}
		}
		return nil, note, nil
	}
	fact = new(ticket.Fact)
	if fact.Decode(e.Body) != nil || (fact.Ticket == 0 && kind != ticket.FactRefused) {
		return nil, nil, &Unfoldable{DeadBody}
	}
	return fact, nil, nil
}

// FoldEntry folds one stored fact of a station inside tx. What cannot be folded becomes a dead
// letter: it never blocks the facts behind it (I5). An error is the store's.
func FoldEntry(ctx context.Context, tx FoldTx, from link.Peer, e *journal.Entry) error {
	at := Place{Station: from, Epoch: e.Epoch, Seq: e.Seq}
	fact, _, err := Read(e)
	if err != nil {
		return dead(ctx, tx, at, err)
	}
	kind := ticket.FactKind(e.Kind)
	if fact == nil || kind == ticket.FactRefused {
		return nil
	}
	row, found, err := tx.Ticket(ctx, fact.Ticket)
	if err != nil {
		return err
	}
	if !found {
		return dead(ctx, tx, at, &Unfoldable{DeadTicket})
	}
	if row.Feed != from { // somebody else's custody: recorded only
		if kind != ticket.FactEntryGranted {
			return nil
		}
		return tx.Conflict(ctx, at, fact.Ticket, ConflictNotHome)
	}
	effect, err := FoldFact(row.Right, kind, fact)
	if err != nil {
		return dead(ctx, tx, at, err)
	}
	if effect.Conflict != "" {
		if err := tx.Conflict(ctx, at, fact.Ticket, effect.Conflict); err != nil {
			return err
		}
	}
	if effect.Right == row.Right {
		return nil
	}
	return tx.SetRight(ctx, fact.Ticket, effect.Right)
}

func dead(ctx context.Context, tx FoldTx, at Place, err error) error {
	u, ok := err.(*Unfoldable) //nolint:errorlint // Read and FoldFact return it bare
	if !ok {
		return fmt.Errorf("fold fact %d: %w", at.Seq, err)
	}
	return tx.DeadLetter(ctx, at, u.Reason)
}
