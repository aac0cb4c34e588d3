package ledger_test

import (
	"fmt"
	"hash/maphash"

	"github.com/anishathalye/porcupine"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// The sequential specification of one ticket's right at a station, written from sync.md and
// custody-model.md and not from the code: what may be answered in a state, and the state after it.

type lKind uint8

const (
	lEntry lKind = iota + 1
	lExit
	lAnnul
	lEnd     // of a passage
	lMeet    // a feed entry meets the right, which is answered for or barred
	lPut     // the stored entry counts; every entry of a page that was applied is met first
	lRestart // of the station
	lLook    // at the state, when nothing else is under way
)

// lIn is what was asked. Nonces are numbered from 1 for each ticket; each belongs to one device.
type lIn struct {
	Kind      lKind
	Ticket    int
	Nonce     int // 0 for none
	Lane      uint8
	Gated     bool
	Forbidden bool // the device may not ask this

	Entry    int  // annul: number of the nonce under which was entered
	Stranger bool // annul: by another device than that entry's

	Grant uint64 // end of a passage
	How   ledger.End

	Page    uint32 // feed: number of the call that brings it, from 1
	Custody ticket.Custody
	Gen     uint32
	Used    uint16
	Inside  bool
	Stale   bool // the station is past this page
	Joint   bool // the page has another ticket too, which may be the one that waits
}

// body is what the nonce stands for; 0 never.
func (in *lIn) body() uint8 {
	if in.Kind == lAnnul {
		return 128 + uint8(in.Entry)
	}
	return uint8(in.Kind)<<4 | in.Lane
}

// lOut is what was answered.
type lOut struct {
	Unknown  bool // nobody was told: a fault, a crash or a caller that went away
	Loose    bool // told without waiting for the disk, beside something that the crash may have undone
	Reason   ticket.Reason
	N, Of    uint16
	At       uint32 // time that the verdict names, ms since the start; 0 for none
	Where    uint8  // lane that the verdict names, 0 for none
	Repeated bool
	Seq      uint64
	Ms       uint32 // time of the answer, ms since the start
	NotYet   bool   // feed: the page has to come again
	Held     lHeld  // look
}

// lHeld is what a look shows.
type lHeld struct {
	Gen                      uint32
	Holds, Recalling, Inside bool
	Used                     uint16
	Passage                  ticket.Passage
	At                       uint32
	Where                    uint8
}

const (
	lNonces = 64 // of a ticket
	lVisits = 6  // more than any ticket's entries
)

// lAnswer is what stands under a nonce. Seq and Ms are 0 while nobody has been told them.
type lAnswer struct {
	body         uint8
	reason       ticket.Reason
	n, of        uint16
	gated        bool
	annulled     bool // the entry was taken back, which happens once
	gen, seq, ms uint32
}

// lVisit is an entry that stands.
type lVisit struct {
	nonce int
	lane  uint8
	wasIn bool
	ms    uint32
}

// lRight is the state. It is comparable and copied by value.
type lRight struct {
	gen                      uint32
	met                      uint32 // the call whose entry was met and does not count yet: pages come one at a time
	known                    bool   // the feed has brought the ticket
	holds, recalling, inside bool   // recalling: the right is barred
	cloud                    uint32 // generation that the cloud keeps and that does not count, the use by signature being older
	used                     uint16
	passage                  ticket.Passage
	grant                    uint64 // of the pending passage; 0 while nobody has been told
	depth                    int
	visits                   [lVisits]lVisit // the newest is at depth-1
	answers                  [lNonces]lAnswer
}

// lRules is what is fixed for a history.
type lRules struct {
	reentry ticket.Reentry
	max     []uint16 // by ticket
}

// model is the specification for porcupine.
func (r *lRules) model() porcupine.Model {
	seed := maphash.MakeSeed()
	m := porcupine.NondeterministicModel{
		Partition: byTicket,
		Init: func() []any { // not known which ticket it is, until the first look
			return []any{lRight{known: true, gen: 1, holds: true}, lRight{}}
		},
		Step: func(state, input, output any) (next []any) {
			in, out := input.(lIn), output.(lOut)
			for _, s := range r.step(state.(lRight), &in, &out) {
				next = append(next, s)
			}
			return next
		},
		Equal: func(a, b any) bool { return a.(lRight) == b.(lRight) },
		Hash:  func(a any) uint64 { return maphash.Comparable(seed, a.(lRight)) },
		DescribeOperation: func(input, output any) string {
			in, out := input.(lIn), output.(lOut)
			return describe(&in, &out)
		},
		DescribeState: func(a any) string { return a.(lRight).String() },
	}
	return m.ToModel()
}

func byTicket(history []porcupine.Operation) [][]porcupine.Operation {
	var out [][]porcupine.Operation
	for _, op := range history {
		i := op.Input.(lIn).Ticket
		for len(out) <= i {
			out = append(out, nil)
		}
		out[i] = append(out[i], op)
	}
	return out
}

func (s lRight) String() string {
	return fmt.Sprintf("met %d known %v gen %d holds %v recalling %v used %d inside %v passage %d of grant %d, %d visits",
		s.met, s.known, s.gen, s.holds, s.recalling, s.used, s.inside, s.passage, s.grant, s.depth)
}

func describe(in *lIn, out *lOut) string {
	end := "?"
	switch {
	case out.Unknown:
	case in.Kind == lMeet, in.Kind == lPut:
		end = fmt.Sprint("applied ", !out.NotYet)
	case in.Kind == lLook:
		end = fmt.Sprintf("%+v", out.Held)
	case in.Kind == lEnd, in.Kind == lRestart:
		end = fmt.Sprint("seq ", out.Seq)
	default:
		end = fmt.Sprintf("%s %d/%d at %d lane %d, seq %d ms %d repeated %v", out.Reason, out.N, out.Of, out.At, out.Where, out.Seq, out.Ms, out.Repeated)
	}
	if out.Loose {
		end += " (loose)"
	}
	switch in.Kind {
	case lEntry:
		return fmt.Sprintf("entry nonce %d lane %d gated %v: %s", in.Nonce, in.Lane, in.Gated, end)
	case lExit:
		return fmt.Sprintf("exit nonce %d lane %d: %s", in.Nonce, in.Lane, end)
	case lAnnul:
		return fmt.Sprintf("annul %d under nonce %d, stranger %v: %s", in.Entry, in.Nonce, in.Stranger, end)
	case lEnd:
		return fmt.Sprintf("end %d of passage %d: %s", in.How, in.Grant, end)
	case lMeet:
		return fmt.Sprintf("page %d: %s gen %d used %d inside %v stale %v joint %v: %s", in.Page, in.Custody, in.Gen, in.Used, in.Inside, in.Stale, in.Joint, end)
	case lPut:
		return fmt.Sprintf("page %d counts: %s gen %d", in.Page, in.Custody, in.Gen)
	case lRestart:
		return "restart"
	default:
		return "look: " + end
	}
}
