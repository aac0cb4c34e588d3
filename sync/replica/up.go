package replica

import (
	"time"

	"yipiao/sync/mutant"
	"yipiao/sync/wire"
)

// An UpAction is what Up wants done next. Exactly one field is set.
type UpAction struct {
	Upload uint64        // upload durable entries from this sequence on
	Await  uint64        // wait until this sequence is durable, then report Woke
	Sleep  time.Duration // then report Woke
}

// An UpEvent is what became of the last action. Exactly one field is set.
type UpEvent struct {
	Woke   bool
	Acked  *wire.Ack // stored, or a gap answered with what the cloud holds
	Failed bool
}

// Up uploads the journal in order. It trusts only what the cloud acknowledges: after a lost reply or a
// gap it goes on from there. It is not safe for concurrent use.
type Up struct {
	durable uint64 // newest durable entry that Up has heard of
	acked   uint64
	pause   pause
}

// NewUp starts behind the sequence that the cloud was last known to hold.
func NewUp(acked uint64) *Up { return &Up{acked: acked} }

// Step takes what happened, with the newest durable sequence, and returns what to do next.
func (u *Up) Step(ev UpEvent, durable uint64) UpAction {
	u.durable = durable
	switch {
	case ev.Acked != nil && ev.Acked.Durable == u.acked: // no step on: asking at once would get the same
		return UpAction{Sleep: u.pause.fail()}
	case ev.Acked != nil:
		u.pause.ok()
		u.acked = ev.Acked.Durable
	case ev.Failed && mutant.On(mutant.StationUploadTrusts):
		u.acked = u.durable
		return UpAction{Sleep: u.pause.fail()}
	case ev.Failed:
		return UpAction{Sleep: u.pause.fail()}
	}
	if u.acked < u.durable {
		return UpAction{Upload: u.acked + 1}
	}
	return UpAction{Await: max(u.acked, u.durable) + 1}
}
