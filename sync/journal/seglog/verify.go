package seglog

import (
	"context"
	"errors"
	"fmt"

	"yipiao/sync/journal"
)

// readSealed checks all begun segments but the last, when the configuration asks for it.
func (r *recovery) readSealed() error {
	if !r.cfg.VerifyAll || len(r.begun) == 0 {
		return nil
	}
	for i, s := range r.begun[:len(r.begun)-1] {
		res, err := checkSealed(s, r.begun[i+1], r.chain)
		if err != nil {
			return err
		}
		r.report.Checked += res.records
		if res.damage != nil {
			r.report.Damage = append(r.report.Damage, *res.damage)
		}
	}
	return nil
}

type sealedResult struct {
	records int
	damage  *Damage
}

// checkSealed walks a segment that next follows: every record, and that next goes on where it ends.
func checkSealed(s, next *segment, chain *chainer) (sealedResult, error) {
	buf := make([]byte, s.size)
	if _, err := readUpTo(s.file, buf, 0); err != nil {
		return sealedResult{}, fmt.Errorf("read %s: %w", segName(s.number), err)
	}
	walk := newScan(s, buf, chain)
	why := walk.run()
	if why == ReasonNone && next.number == s.number+1 {
		switch {
		case walk.pos.Seq+1 != next.first:
			why = ReasonGap
		case walk.pos.Sum != next.prev:
			why = ReasonChain
		}
	}
	res := sealedResult{records: walk.records}
	if why != ReasonNone {
		res.damage = &Damage{Segment: s.number, Offset: walk.off, Seq: walk.pos.Seq + 1, Reason: why}
	}
	return res, nil
}

const (
	verifyEntries = 4096
	verifyBytes   = 1 << 20
)

// Verify reads everything durable again and checks lengths, CRCs, sequence numbers and the chain
// across all segments. It may run beside everything else; what is trimmed meanwhile is left out.
// It returns the position it reached and an error wrapping ErrDamaged for the first bad place.
func (l *Log) Verify(ctx context.Context) (journal.Pos, error) {
	upTo := l.Durable()
	at := l.beforeFirst()
	for at.Seq < upTo.Seq {
		if err := ctx.Err(); err != nil {
			return at, err
		}
		entries, err := l.Read(at.Seq+1, verifyEntries, verifyBytes)
		if errors.Is(err, journal.ErrTrimmed) {
			at = l.beforeFirst()
			continue
		}
		if err != nil {
			return at, err
		}
		for i := range entries {
			e := &entries[i]
			if journal.Chain(l.cfg.Key, at.Sum, e) != e.Sum {
				return at, fmt.Errorf("%w: %s at sequence %d", ErrDamaged, ReasonChain, e.Seq)
			}
			at.Seq, at.Sum = e.Seq, e.Sum
		}
	}
	return at, nil
}

// beforeFirst returns the position before the oldest kept entry.
func (l *Log) beforeFirst() journal.Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	pos := journal.Pos{Epoch: l.cfg.Epoch}
	if len(l.segs) > 0 {
		pos.Seq, pos.Sum = l.segs[0].first-1, l.segs[0].prev
	}
	return pos
}
