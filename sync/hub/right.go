package hub

import (
	"errors"

	"yipiao/sync/mutant"
	"yipiao/sync/ticket"
)

// A State says where a right is, as the cloud knows it. The numbers are stored (column e_state).
type State uint8

// States (custody-model.md section 2).
const (
	Cloud    State = 0 // the cloud has custody: never granted, or taken back
	Granted  State = 1 // given to the home station under Gen
	Recalled State = 2 // given, and asked back
	Released State = 3 // the station has given Gen back
	Used     State = 4 // the station has answered that Gen has no use left, or an uncertain one
)

// Errors of the rules; nothing has changed when one is returned.
var (
	// ErrOutstanding is returned by Grant while a generation is with a station (R1).
	ErrOutstanding = errors.New("hub: a generation of the right is outstanding")
	// ErrUsedUp is returned by Grant when no use is left.
	ErrUsedUp = errors.New("hub: the right has no use left")
	// ErrInvalid is returned by Grant for a ticket that is not valid, and for undoing a refund.
	ErrInvalid = errors.New("hub: the ticket is not valid")
	// ErrMaySent is returned by TakeBack when the grant may have reached the station (R2, R9).
	ErrMaySent = errors.New("hub: the grant may have been sent")
	// ErrNotGranted is returned by TakeBack and Recall for a right that is not in state Granted.
	ErrNotGranted = errors.New("hub: the right is not granted")
	// ErrNotRecalled is returned by Withdraw for a right that is not in state Recalled.
	ErrNotRecalled = errors.New("hub: the right is not recalled")
	// ErrCustody is returned for a refund of a right that is not with the cloud, or was used.
	ErrCustody = errors.New("hub: the right is not unused in the cloud's custody")
)

// A Right is the cloud's knowledge of one right of a ticket. Gen grows by one with every grant and
// never otherwise.
type Right struct {
	State State
	Gen   uint32
	Hand  uint32 // hand-over number of the session at the grant
	// GrantedSeq is the first feed position of this generation's grant; 0 while it has none. It is
	// not the row's present position: later changes of the row leave it alone.
	GrantedSeq uint64
	Used       uint16 // uses folded so far, over all generations
	Inside     bool
	Max        uint16
	// Stranded says that Gen was given to a machine that has been replaced. It is not stored but derived
	// (Strand).
	Stranded bool
}

// Grant gives the right to the home station as generation Gen+1, with what is left of its uses (R1,
// R6). status is the ticket's.
func Grant(r Right, status ticket.Status) (Right, error) {
	switch {
	case (r.State == Granted || r.State == Recalled) && !mutant.On(mutant.HubGrantOutstanding):
		return r, ErrOutstanding
	case status != ticket.StatusValid:
		return r, ErrInvalid
	case r.Used >= r.Max:
		return r, ErrUsedUp
	}
	r.State, r.Gen, r.GrantedSeq, r.Stranded = Granted, r.Gen+1, 0, false
	return r, nil
}

// TakeBack returns a grant to the cloud that was certainly never sent (R2): its first position is
// none or above sentPos, and the session does not admit unknown tickets by signature (R9). The caller
// holds the feed's head and the ticket in one transaction.
func TakeBack(r Right, sentPos uint64, signedEntry bool) (Right, error) {
	switch {
	case r.State != Granted:
		return r, ErrNotGranted
	case signedEntry, r.GrantedSeq != 0 && r.GrantedSeq <= sentPos:
		return r, ErrMaySent
	}
	r.State, r.GrantedSeq, r.Stranded = Cloud, 0, false
	return r, nil
}

// Recall asks the station to answer for the present generation.
func Recall(r Right) (Right, error) {
	if r.State != Granted {
		return r, ErrNotGranted
	}
	r.State = Recalled
	return r, nil
}

// Withdraw cancels a recall: the same generation and the same GrantedSeq are granted again (R1). An
// answer that was already on its way is still accepted by FoldFact.
func Withdraw(r Right) (Right, error) {
	if r.State != Recalled {
		return r, ErrNotRecalled
	}
	r.State = Granted
	if mutant.On(mutant.HubWithdrawNewGen) {
		r.Gen, r.GrantedSeq = r.Gen+1, 0
	}
	return r, nil
}

// Stamped is the right after its row got position pos: a grant's first position is kept.
func Stamped(r Right, pos uint64) Right {
	if (r.GrantedSeq == 0 || mutant.On(mutant.HubRowPosition)) && (r.State == Granted || r.State == Recalled) {
		r.GrantedSeq = pos
	}
	return r
}

// ChangeStatus says whether the ticket of r may go from one status to another. A refund needs the
// right unused in the cloud's own hands (I2), and is final; blocking and unblocking are display
// changes.
func ChangeStatus(r Right, from, to ticket.Status) error {
	switch {
	case from == ticket.StatusRefunded && to != from:
		return ErrInvalid
	case to == ticket.StatusRefunded && ((r.State != Cloud && r.State != Released) || r.Used != 0):
		return ErrCustody
	}
	return nil
}

// Feed is the right as its feed entry tells it to the station.
func (r Right) Feed() ticket.Right {
	out := ticket.Right{Custody: ticket.CustodyCloud, Gen: r.Gen, Hand: r.Hand, Used: r.Used, Inside: r.Inside, Max: r.Max}
	if r.Stranded { // the machine that reads this must never exercise it, nor answer for it
		return out
	}
	switch r.State {
	case Granted:
		out.Custody = ticket.CustodyGranted
	case Recalled:
		out.Custody = ticket.CustodyRecalled
	case Cloud, Released, Used:
	}
	return out
}

// Holder is the custodian: home while a generation is outstanding with its present machine, else 0 for
// the cloud, or for nobody when it is stranded.
func (r Right) Holder(home ticket.StationID) ticket.StationID {
	if r.outstanding() && !r.Stranded {
		return home
	}
	return 0
}
