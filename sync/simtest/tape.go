package simtest

import (
	"context"
	"sync/atomic"
	"time"

	"yipiao/sync/journal"
	"yipiao/sync/journal/memlog"
	"yipiao/sync/ticket"
)

// A tape is a station's journal in one life of its process: what is appended becomes durable only when the
// place's disk writes it.
type tape struct {
	*memlog.Log
	at    *place
	epoch uint32
	clerk *actor // who waits where no actor does
	// closing tapes take no more facts; dead ones are those of a process that is no more.
	closing, dead atomic.Bool
}

var _ journal.Log = (*tape)(nil)

// Append implements journal.Log.
func (t *tape) Append(recs ...journal.Record) (uint64, error) {
	if t.at.full.Load() {
		return 0, journal.ErrFull
	}
	return t.AppendReserve(recs...)
}

// AppendReserve also writes when the disk is said to be full.
func (t *tape) AppendReserve(recs ...journal.Record) (uint64, error) {
	if t.closing.Load() || t.dead.Load() {
		return 0, journal.ErrClosed
	}
	last, err := t.Log.Append(recs...)
	if err == nil {
		t.at.w.model.wrote(t.at, t.epoch, last, recs)
		often := 60
		if k := ticket.FactKind(recs[0].Kind); k == ticket.FactCustodyReleased || k == ticket.FactCustodyUsed {
			often = 6
		}
		t.at.write(last<<8, often)
	}
	return last, err
}

// Wait implements journal.Log. Whoever waited goes on at an instant of its own, if the station still lives.
func (t *tape) Wait(ctx context.Context, seq uint64) error {
	err := t.Log.Wait(ctx, seq)
	if a, ok := ctx.Value(actorKey{}).(*actor); ok {
		a.settle()
	} else {
		t.clerk.settle()
	}
	switch { // what has woken it first is not to be seen
	case t.dead.Load():
		return journal.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// Close implements journal.Log: the place ends a tape, and nobody else.
func (t *tape) Close() error { return nil }

// disk writes what was appended, at its own pace and not always all of it.
func (p *place) disk(ctx context.Context, a *actor) {
	log := p.box.Load().log
	for {
		slowest := 20 * time.Millisecond
		if a.oneIn(12) {
			slowest = time.Second
		}
		if a.rest(ctx, 200*time.Microsecond, slowest) != nil {
			return
		}
		end, durable := log.End(), log.Durable().Seq
		if end == durable {
			continue
		}
		to := end
		if a.oneIn(4) {
			to = durable + 1 + a.rand.Uint64N(end-durable)
		}
		a.say("written up to fact %d", to)
		if err := log.FlushTo(to); err != nil {
			return
		}
	}
}

// A watch is the station's clock. It goes with the simulation's time and may be set wrong.
type watch struct{ ahead atomic.Int64 } // milliseconds

// Now implements replicamem.Clock.
func (c *watch) Now() (int64, int32, bool) { return time.Now().UnixMilli() + c.ahead.Load(), 0, true }
