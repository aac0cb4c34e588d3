package edge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"yipiao/edge/internal/ledger"
	"yipiao/edge/internal/maint"
	"yipiao/sync/ticket"
)

// A tally counts today's verdicts by lane, from durable facts: those of before the start are read from
// the journal. Today begins at midnight in Asia/Shanghai. It is safe for concurrent use.
type tally struct {
	mu    sync.Mutex
	day   int64
	lanes map[string]maint.Counts
}

// dayOf numbers the days of Asia/Shanghai, which is always eight hours ahead: it is asked about every fact.
func dayOf(ms int64) int64 {
	return (ms + 8*time.Hour.Milliseconds()) / (24 * time.Hour.Milliseconds())
}

// begin makes an empty tally for the day of nowMs.
func (t *tally) begin(nowMs int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.day, t.lanes = dayOf(nowMs), make(map[string]maint.Counts)
}

// load adds the kept facts of today up to a sequence: those of before the start. A busy day has some 100,000,
// so nobody waits for it. When it fails nothing was added, and it may be tried again.
func (t *tally) load(ctx context.Context, l *ledger.Ledger, upTo uint64, nowMs int64) error {
	var past tally
	past.begin(nowMs)
	var read ticket.FactReader
	for from := l.FirstFact(); from <= upTo && ctx.Err() == nil; {
		entries, err := l.Journal(from, int(min(10_000, upTo-from+1)), 8<<20)
		if err != nil {
			return fmt.Errorf("count facts from %d: %w", from, err)
		}
		if len(entries) == 0 {
			break
		}
		for i := range entries {
			e := &entries[i]
			from = e.Seq + 1
			kind := ticket.FactKind(e.Kind)
			if !kind.OfTicket() || dayOf(e.TimeMs) != past.day {
				continue
			}
			var f ticket.Fact
			if err := read.Fact(e.Body, &f); err != nil {
				return fmt.Errorf("count fact %d: %w", e.Seq, err)
			}
			past.add(ledger.Observed{TimeMs: e.TimeMs, Kind: kind, Fact: &f})
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.day != past.day || ctx.Err() != nil {
		return nil
	}
	for lane, c := range past.lanes {
		now := t.lanes[lane]
		t.lanes[lane] = maint.Counts{Admit: now.Admit + c.Admit, Refuse: now.Refuse + c.Refuse, Hold: now.Hold + c.Hold, Exit: now.Exit + c.Exit}
	}
	return nil
}

// add counts one durable fact.
func (t *tally) add(o ledger.Observed) {
	if o.Fact == nil || o.Fact.Verdict == nil || o.Fact.Lane == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if day := dayOf(o.TimeMs); day != t.day {
		if day < t.day {
			return
		}
		t.day, t.lanes = day, make(map[string]maint.Counts)
	}
	c := t.lanes[o.Fact.Lane]
	switch o.Fact.Verdict.Outcome() {
	case ticket.OutcomeAdmit:
		c.Admit++
	case ticket.OutcomeRefuse:
		c.Refuse++
	case ticket.OutcomeHold:
		c.Hold++
	case ticket.OutcomeExit:
		c.Exit++
	}
	t.lanes[o.Fact.Lane] = c
}

func (t *tally) of(lane string, nowMs int64) maint.Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	if dayOf(nowMs) != t.day {
		return maint.Counts{}
	}
	return t.lanes[lane]
}
