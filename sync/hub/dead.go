package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// ErrNoDeadLetter is returned by DeadStore.RetryDead for a fact that is not a dead letter, or not any
// more.
var ErrNoDeadLetter = errors.New("hub: no such dead letter")

// A DeadLetter is a stored fact that could not be folded and that nobody has settled yet. The facts
// behind it went on without it (I5).
type DeadLetter struct {
	Station link.Peer
	Entry   journal.Entry
	Reason  DeadReason
	AtMs    int64 // when it was tried last, Unix milliseconds
}

// Place is where the fact stands.
func (d *DeadLetter) Place() Place {
	return Place{Station: d.Station, Epoch: d.Entry.Epoch, Seq: d.Entry.Seq}
}

// MarshalJSON is the line of an export: everything that is known of the fact, its body as it was sent.
func (d *DeadLetter) MarshalJSON() ([]byte, error) {
	e := &d.Entry
	return json.Marshal(struct {
		Tenant   ticket.TenantID `json:"tenant"`
		Station  string          `json:"station"`
		Epoch    uint32          `json:"epoch"`
		Seq      uint64          `json:"seq"`
		TimeMs   int64           `json:"time_ms"`
		OffsetMs int32           `json:"offset_ms"`
		Kind     uint8           `json:"kind"`
		KindName string          `json:"kind_name"`
		Reason   DeadReason      `json:"reason"`
		AtMs     int64           `json:"at_ms"`
		Body     []byte          `json:"body"` // base64
		Sum      string          `json:"sum"`  // chain value, hex
	}{
		d.Station.Tenant, d.Station.Station.String(), e.Epoch, e.Seq, e.TimeMs, e.OffsetMs,
		uint8(e.Kind), ticket.FactKind(e.Kind).String(), d.Reason, d.AtMs, e.Body, fmt.Sprintf("%x", e.Sum[:]),
	})
}

// A DeadStore keeps dead letters until a person has settled them. Methods are safe for concurrent use.
type DeadStore interface {
	// ListDead returns at most most dead letters of a tenant behind a place, in order of station, epoch
	// and sequence; of the station of the place only, when only is set.
	ListDead(ctx context.Context, after Place, only bool, most int) ([]DeadLetter, error)
	// RetryDead folds a dead letter again, by RetryEntry, as one transaction. by is who asked for it. It
	// returns why the fact still cannot be folded, or "" when it is settled, which stays on record; or
	// ErrNoDeadLetter.
	RetryDead(ctx context.Context, at Place, by string, nowMs int64) (DeadReason, error)
}

// deadPage is how many dead letters ExportDead reads at once.
const deadPage = 500

// ExportDead writes the dead letters behind a place as JSON, one a line, and returns how many there
// were.
func ExportDead(ctx context.Context, s DeadStore, after Place, only bool, w io.Writer) (int, error) {
	out := json.NewEncoder(w)
	for n := 0; ; {
		page, err := s.ListDead(ctx, after, only, deadPage)
		if err != nil {
			return n, err
		}
		for i := range page {
			if err := out.Encode(&page[i]); err != nil {
				return n, fmt.Errorf("write dead letter: %w", err)
			}
			after, n = page[i].Place(), n+1
		}
		if len(page) < deadPage {
			return n, nil
		}
	}
}

// A RetryTx is what folding a fact late needs besides.
type RetryTx interface {
	FoldTx
	// Later reports whether a fact of the same station about the ticket stands behind at and has been
	// folded: any but a refusal, and no dead letter.
	Later(ctx context.Context, at Place, id ticket.TicketID) (bool, error)
}

// A retrying folds one fact out of its order.
type retrying struct {
	RetryTx
	at  Place
	why DeadReason
}

// SetRight leaves alone what a later fact has said: facts carry the whole state, so the later one has
// counted this one in.
func (r *retrying) SetRight(ctx context.Context, id ticket.TicketID, right Right) error {
	later, err := r.Later(ctx, r.at, id)
	if err != nil || later {
		return err
	}
	return r.RetryTx.SetRight(ctx, id, right)
}

func (r *retrying) DeadLetter(_ context.Context, _ Place, why DeadReason) error {
	r.why = why
	return nil
}

// RetryEntry folds a dead letter again: because this program knows more by now, or the ticket is here.
// What it does to a right is as FoldEntry, unless a later fact about the same ticket was folded meanwhile;
// conflicts are recorded in either case. It returns why the fact cannot be folded still, "" when it was.
func RetryEntry(ctx context.Context, tx RetryTx, from link.Peer, e *journal.Entry) (DeadReason, error) {
	r := &retrying{RetryTx: tx, at: Place{Station: from, Epoch: e.Epoch, Seq: e.Seq}}
	err := FoldEntry(ctx, r, from, e)
	return r.why, err
}
