package cloud

import (
	"context"

	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/enrol"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// Errors of replacing a station's machine.
var (
	// ErrNotEnrolled is returned by ReplaceCode for a station without a machine.
	ErrNotEnrolled = enrol.ErrNotEnrolled
	// ErrNotReplaced is returned by Replaced and Decide when nothing is to be decided.
	ErrNotReplaced = custody.ErrNotReplaced
	// ErrUnfolded is returned by Decide while facts of the old machine are still to be folded.
	ErrUnfolded = custody.ErrUnfolded
)

// regrantChunk bounds a transaction that grants rights anew, so that others get their turn.
const regrantChunk = 1000

// ReplaceCode makes a one-time code for a machine that takes the place of a station's present one (one
// restored from a backup, or a new one). Nothing changes before the code is used; from then on the old
// machine is refused, and what it held is stranded until Decide.
func (c *Cloud) ReplaceCode(ctx context.Context, station ticket.StationID, address string) (EnrolCode, error) {
	return c.newCode(ctx, station, address, true)
}

// Replacement is the last machine of a station that was replaced. Times are Unix milliseconds.
type Replacement struct {
	Station   ticket.StationID `json:"station"`
	Epoch     uint32           `json:"journal_epoch"` // of the old machine
	Durable   uint64           `json:"durable"`       // its facts that are here
	Folded    uint64           `json:"folded"`
	FromMs    int64            `json:"from_ms"` // time of its last folded fact; 0 for none
	EndedMs   int64            `json:"ended_ms"`
	Undecided bool             `json:"undecided"`
	Stranded  int              `json:"stranded"` // rights that nobody can exercise
}

// Replaced returns what is known of the last machine of a station that was replaced, or ErrNotReplaced.
func (c *Cloud) Replaced(ctx context.Context, station ticket.StationID) (Replacement, error) {
	k, err := c.custody.CaseOf(ctx, c.peer(station))
	return Replacement{
		Station: station, Epoch: k.Epoch, Durable: k.Durable, Folded: k.Folded, FromMs: k.FromMs, EndedMs: k.EndedMs,
		Undecided: k.Undecided, Stranded: k.Stranded,
	}, err
}

// Decided is what a decision about a replaced machine has done. Times are Unix milliseconds.
type Decided struct {
	Station   ticket.StationID `json:"station"`
	Lost      bool             `json:"lost"`
	Rights    int              `json:"rights"`    // granted anew to the present machine, or given back to the cloud
	Uncertain int              `json:"uncertain"` // of these, perhaps exercised by the old machine; recorded
	FromMs    int64            `json:"from_ms"`   // nothing is known from here
	ToMs      int64            `json:"to_ms"`     // to here
}

// Decide says what became of the journal of a machine that was replaced: all of it is here, or (lost)
// the rest will never come. Then what the machine held is granted anew with the uses that are known.
// It may be repeated after a failure.
func (c *Cloud) Decide(ctx context.Context, station ticket.StationID, lost bool) (Decided, error) {
	peer := c.peer(station)
	if err := c.foldRest(ctx, peer); err != nil {
		return Decided{}, err
	}
	d, err := c.custody.Decide(ctx, peer, lost, c.now().UnixMilli())
	if err != nil {
		return Decided{}, err
	}
	out := Decided{Station: station, Lost: lost, FromMs: d.FromMs, ToMs: d.ToMs}
	for did := (hub.Regranted{More: true}); did.More; {
		if did, err = c.custody.Regrant(ctx, peer, d, did.Last, regrantChunk); err != nil {
			return out, err
		}
		out.Rights += did.Rights
		out.Uncertain += did.Uncertain
	}
	return out, nil
}

// foldRest folds what is stored, so that a decision rests on all that is known.
func (c *Cloud) foldRest(ctx context.Context, peer link.Peer) error {
	for {
		_, more, err := c.custody.Fold(ctx, peer, regrantChunk, c.now().UnixMilli())
		if err != nil || !more {
			return err
		}
	}
}
