package ledger

import (
	"context"
	"fmt"
	"sort"
	"sync"

	"yipiao/sync/mutant"
	"yipiao/sync/ticket"
)

// A Grant is an admission whose passage has not ended.
type Grant struct {
	Seq  uint64
	Fact ticket.Fact
}

// passages are the grants at a gate whose end is not known yet.
type passages struct {
	mu    sync.Mutex
	bySeq map[uint64]ticket.Fact
}

func (p *passages) init() { p.bySeq = make(map[uint64]ticket.Fact) }

// begin and end enclose the append of a gated grant, so that a checkpoint which asks for the oldest
// open grant never looks between its append and its add.
func (p *passages) begin() { p.mu.Lock() }
func (p *passages) end()   { p.mu.Unlock() }

// add is called between begin and end. The fact is kept without what belongs to the request.
func (p *passages) add(seq uint64, f *ticket.Fact) {
	kept := *f
	if f.Verdict != nil {
		v := *f.Verdict
		kept.Verdict = &v
	}
	kept.Nonce, kept.Request = nil, nil
	p.bySeq[seq] = kept
}

func (p *passages) get(seq uint64) (ticket.Fact, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, ok := p.bySeq[seq]
	return f, ok
}

func (p *passages) remove(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.bySeq, seq)
}

func (p *passages) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.bySeq)
}

// oldest is the lowest open sequence, or limit where none is lower.
func (p *passages) oldest(limit uint64) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for seq := range p.bySeq {
		limit = min(limit, seq)
	}
	return limit
}

// OpenPassages lists the admissions of a lane whose passage has not ended: after a restart the gate's
// own counter must say how each ended (sync.md section 4). The oldest comes first.
func (l *Ledger) OpenPassages(lane string) []Grant {
	l.open.mu.Lock()
	defer l.open.mu.Unlock()
	var out []Grant
	for seq, f := range l.open.bySeq {
		if f.Lane == lane {
			out = append(out, Grant{Seq: seq, Fact: f})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Seq < out[j].Seq })
	return out
}

// An End is how a passage ended.
type End uint8

// Ends.
const (
	Passed    End = 1 + iota // the sensor saw the person
	Lapsed                   // nobody walked: the entry is given back
	Uncertain                // nobody can tell: counted as used
)

// EndPassage records how the passage of a grant ended and returns the fact's sequence once it is
// durable. A grant that has already ended is left alone and yields 0.
func (l *Ledger) EndPassage(ctx context.Context, grant uint64, how End) (uint64, error) {
	f, ok := l.open.get(grant)
	if !ok {
		return 0, nil
	}
	seq, err := l.endPassage(grant, &f, how)
	if err != nil || seq == 0 {
		return 0, err
	}
	return seq, l.durable(ctx, seq)
}

func (l *Ledger) endPassage(grant uint64, granted *ticket.Fact, how End) (uint64, error) {
	slot, r := l.lock(granted.Ticket)
	if r == nil {
		return 0, fmt.Errorf("end passage: grant %d names a ticket without a row", grant)
	}
	defer l.x.Unlock(slot)
	if _, still := l.open.get(grant); !still {
		return 0, nil
	}
	if how == Passed && mutant.On(mutant.StationReadmitPassage) {
		how = Lapsed
	}
	kind, f := ticket.FactEntryPassed, ticket.Pass(grant, granted)
	switch how {
	case Lapsed:
		kind, f = ticket.FactEntryLapsed, ticket.Lapse(grant, granted)
	case Uncertain:
		kind = ticket.FactEntryUncertain
	case Passed:
	}
	f.Device = granted.Device
	ms, offset, _ := l.cfg.Clock.Now()
	w := works.Get().(*work)
	defer works.Put(w)
	seq, err := l.commit(w, slot, r, kind, &f, ms, offset)
	if err != nil {
		return 0, err
	}
	l.open.remove(grant)
	return seq, nil
}
