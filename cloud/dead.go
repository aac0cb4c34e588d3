package cloud

import (
	"context"
	"io"

	"yipiao/sync/hub"
	"yipiao/sync/ticket"
)

// ErrNoDeadLetter is returned for a fact that is not a dead letter, or not any more.
var ErrNoDeadLetter = hub.ErrNoDeadLetter

// DeadLetter is a fact that could not be folded and is not settled. Times are Unix milliseconds.
type DeadLetter struct {
	Station ticket.StationID `json:"station"`
	Epoch   uint32           `json:"epoch"`
	Seq     uint64           `json:"seq"`
	TimeMs  int64            `json:"time_ms"` // of the fact
	Kind    ticket.FactKind  `json:"kind"`
	Reason  string           `json:"reason"` // stable code
	AtMs    int64            `json:"at_ms"`  // when it was tried last
}

// DeadLetters returns the first most dead letters, by station, epoch and sequence; station 0 means those
// of all stations.
func (c *Cloud) DeadLetters(ctx context.Context, station ticket.StationID, most int) ([]DeadLetter, error) {
	all, err := c.custody.ListDead(ctx, hub.Place{Station: c.peer(station)}, station != 0, most)
	out := make([]DeadLetter, len(all))
	for i := range all {
		out[i] = deadLetter(&all[i])
	}
	return out, err
}

func deadLetter(d *hub.DeadLetter) DeadLetter {
	return DeadLetter{
		Station: d.Station.Station, Epoch: d.Entry.Epoch, Seq: d.Entry.Seq, TimeMs: d.Entry.TimeMs,
		Kind: ticket.FactKind(d.Entry.Kind), Reason: string(d.Reason), AtMs: d.AtMs,
	}
}

// ExportDeadLetters writes the dead letters as JSON lines, with the bodies as the station sent them, and
// returns how many there were; station 0 means those of all stations.
func (c *Cloud) ExportDeadLetters(ctx context.Context, station ticket.StationID, w io.Writer) (int, error) {
	return hub.ExportDead(ctx, c.custody, hub.Place{Station: c.peer(station)}, station != 0, w)
}

// RetriedLetters is what became of dead letters that were tried again.
type RetriedLetters struct {
	Settled int          `json:"settled"` // folded now, and on record as such
	Left    []DeadLetter `json:"left"`    // still cannot be, each with its reason
}

// retryPage is how many dead letters are listed at once.
const retryPage = 500

// RetryDeadLetters folds dead letters again, each as a transaction of its own, and records who asked:
// the one at epoch and seq of the station, or with seq 0 all of the station; station 0 means all.
func (c *Cloud) RetryDeadLetters(ctx context.Context, station ticket.StationID, epoch uint32, seq uint64, by string) (RetriedLetters, error) {
	out := RetriedLetters{Left: []DeadLetter{}}
	if seq != 0 {
		d := hub.DeadLetter{Station: c.peer(station)}
		d.Entry.Epoch, d.Entry.Seq = epoch, seq
		err := c.retry(ctx, &d, by, &out)
		return out, err
	}
	after := hub.Place{Station: c.peer(station)}
	for {
		page, err := c.custody.ListDead(ctx, after, station != 0, retryPage)
		if err != nil {
			return out, err
		}
		for i := range page {
			if err := c.retry(ctx, &page[i], by, &out); err != nil {
				return out, err
			}
			after = page[i].Place()
		}
		if len(page) < retryPage {
			return out, nil
		}
	}
}

func (c *Cloud) retry(ctx context.Context, d *hub.DeadLetter, by string, out *RetriedLetters) error {
	now := c.now().UnixMilli()
	why, err := c.custody.RetryDead(ctx, d.Place(), by, now)
	if err != nil {
		return err
	}
	if why == "" {
		out.Settled++
		return nil
	}
	d.Reason, d.AtMs = why, now
	out.Left = append(out.Left, deadLetter(d))
	return nil
}
