package hub

import (
	"context"

	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A machine that stands in for another one of the same station (sync.md section 8) begins a new journal
// epoch and reads a new feed epoch. Whatever was granted before, up to the feed's head at that moment
// (Head.Lost), may be in the old machine's hands: it is stranded. Nobody can exercise a stranded right,
// the new machine is not shown it, and its generation stays outstanding until an operator decides. Late
// facts of the old machine are folded meanwhile as ever.

// Strand marks a right as read from a feed whose Head.Lost is lost. It is derived at every reading, so
// that replacing a machine is one small transaction however many tickets it held.
func Strand(r Right, lost uint64) Right {
	r.Stranded = r.outstanding() && r.GrantedSeq != 0 && r.GrantedSeq <= lost
	return r
}

func (r *Right) outstanding() bool { return r.State == Granted || r.State == Recalled }

// Regrant is what becomes of a stranded right once an operator has decided that the old machine will
// not exercise it any more. It is granted anew as Gen+1 with the uses that are known, also when none is
// left, so that the gate can say so. One that was being recalled comes back to the cloud, as recalls
// end. ok is false for a right that is not stranded, which stays as it is.
//
// What the old machine reports later is of an older generation: recorded, and an entry is a conflict.
func Regrant(r Right) (out Right, ok bool) {
	switch {
	case !r.Stranded:
		return r, false
	case r.State == Recalled:
		r.State = Released
	default:
		r.State, r.Gen, r.GrantedSeq = Granted, r.Gen+1, 0
	}
	r.Stranded = false
	return r, true
}

// A Decision is an operator's word about the machine that was replaced. Times are Unix milliseconds.
type Decision struct {
	// Lost: the machine will not report the rest of its journal. Otherwise all of it has been folded.
	Lost bool
	// FromMs and ToMs bound the time of which nothing is known: from the last fact that was folded to
	// the replacement.
	FromMs, ToMs int64
}

// Uncertain reports whether a stranded right, as it was before Regrant, may have been exercised in the
// time of which nothing is known: it has uses left, and its session admitted then.
func (d *Decision) Uncertain(r Right, s *ticket.Session) bool {
	return d.Lost && r.Used < r.Max && s.AdmitFromMs <= d.ToMs && s.EndMs >= d.FromMs
}

// Regranted is what one transaction of MachineStore.Regrant did.
type Regranted struct {
	Rights    int // given back or granted anew
	Uncertain int // of these, recorded as uncertain
	Last      ticket.TicketID
	More      bool // go on after Last
}

// A Machine is which machine is a station at present.
type Machine struct {
	Serial string // of its certificate, decimal; "" when it is not recorded, then any is good
	Epoch  uint32 // of its journal
}

// A MachineStore knows machines. Its methods are safe for concurrent use.
type MachineStore interface {
	// Machine returns the present machine, or ErrUnknownStation.
	Machine(ctx context.Context, station link.Peer) (Machine, error)
	// Regrant applies Regrant to at most most stranded rights of the feed with ids above after, in order,
	// as one transaction. A right changed by it is pending with its next version.
	Regrant(ctx context.Context, station link.Peer, d Decision, after ticket.TicketID, most int) (Regranted, error)
}

// Admit implements link.Handler: the certificate of a machine that was replaced is good for one thing,
// the rest of the journal that it wrote while it was the station.
func (h *Hub) Admit(ctx context.Context, peer link.Peer, serial string, journal uint32) error {
	m, err := h.store.Machine(ctx, peer)
	if err != nil {
		return refusal(err)
	}
	if m.Serial == "" || m.Serial == serial || journal != 0 && journal < m.Epoch {
		return nil
	}
	return &wire.Error{Code: wire.CodeRevoked, Detail: "another machine has taken this station's place"}
}
