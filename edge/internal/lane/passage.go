package lane

import (
	"context"
	"errors"
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// open lets the person of a durable grant through.
func (l *Lane) open(ctx context.Context, a ledger.Answer, shown Shown) {
	l.permits++
	l.permit = drivers.PermitID(l.permits)
	l.grant = 0
	if shown.Verdict.Outcome() == ticket.OutcomeAdmit {
		l.grant = a.Seq
	}
	shown.Passage = PassageWaiting
	l.until = time.Now().Add(l.cfg.PermitFor + passageGrace)
	err := l.cfg.Gate.Release(ctx, drivers.Permit{ID: l.permit, Direction: l.direction(), For: l.cfg.PermitFor})
	if err == nil {
		l.m.decided(shown, true)
		l.show(shown)
		return
	}
	l.cfg.Log.Error("gate did not open", "lane", l.cfg.Name, "error", err)
	shown.Verdict = ticket.Verdict{Reason: ticket.GateFault}
	if errors.Is(err, drivers.ErrNotRunning) || errors.Is(err, drivers.ErrRefused) {
		shown.EndSeq = l.end(ctx, l.grant, ledger.Lapsed)
		shown.Passage = PassageLapsed
		l.m.decided(shown, false)
		l.show(shown)
		return
	}
	// The command may have arrived: only the gate's counter knows.
	shown.Passage = PassageSettling
	l.m.decided(shown, true)
	l.show(shown)
	l.settle(ctx)
}

// ended takes the gate's word for how its permit ended.
func (l *Lane) ended(ctx context.Context, p drivers.Passage) {
	if p.Permit != l.permit || !l.m.busy {
		return // of a permit that was settled otherwise
	}
	how := ledger.Passed
	if p.Outcome == drivers.Lapsed {
		how = ledger.Lapsed
	}
	l.finish(l.end(ctx, l.grant, how), how)
}

// end records the end of a grant; 0 is a permit without one, as at an exit.
func (l *Lane) end(ctx context.Context, grant uint64, how ledger.End) uint64 {
	if grant == 0 {
		return 0
	}
	seq, err := l.cfg.Ledger.EndPassage(ctx, grant, how)
	if err != nil {
		// The grant stays open in the journal: the next start settles it by the gate's counter.
		l.cfg.Log.Error("passage not recorded", "lane", l.cfg.Name, "error", err)
	}
	return seq
}

// finish makes the lane ready for the next person and shows how the passage ended.
func (l *Lane) finish(seq uint64, how ledger.End) {
	s := l.m.shown
	s.Passage = map[ledger.End]PassageState{
		ledger.Passed: PassagePassed, ledger.Lapsed: PassageLapsed, ledger.Uncertain: PassageUncertain,
	}[how]
	s.EndSeq, s.At = seq, l.cfg.Now()
	l.m.ended()
	l.grant = 0
	l.show(s)
}

// lost notes that the gate's device has stopped: no Passage will come for an open permit.
func (l *Lane) lost() {
	if !l.m.busy {
		return
	}
	l.m.shown.Passage = PassageSettling
	l.show(l.m.shown)
}

// settle ends every open passage of the lane by what the gate has counted meanwhile (sync.md section
// 4): unchanged means lapsed, one more means passed, anything else cannot be told. The permit is
// withdrawn first, so that nobody can pass between the reading and the record.
func (l *Lane) settle(ctx context.Context) {
	open := l.cfg.Ledger.OpenPassages(l.cfg.Name)
	if len(open) == 0 && !l.m.busy {
		return
	}
	pc, ok := l.cfg.Gate.(drivers.PassageCounter)
	if !ok {
		l.settleWithoutGate(ctx)
		return
	}
	after, err := pc.Withdraw(ctx, l.direction())
	if err != nil {
		l.cfg.Log.Warn("gate does not say how the passage ended", "lane", l.cfg.Name, "error", err)
		return // the next GateUp asks again
	}
	l.cfg.Log.Info("passages settled by the gate's counter", "lane", l.cfg.Name, "open", len(open))
	var seq uint64
	how := ledger.Lapsed
	for _, g := range open {
		how = judge(&g.Fact, l.pick(after), len(open))
		seq = l.end(ctx, g.Seq, how)
	}
	l.finish(seq, how)
}

// judge says how a passage ended, from the counter before it and after the permit was withdrawn.
func judge(f *ticket.Fact, after uint32, open int) ledger.End {
	switch {
	case f.Counter == nil || open != 1:
		return ledger.Uncertain
	case after == *f.Counter:
		return ledger.Lapsed
	case after == *f.Counter+1:
		return ledger.Passed
	}
	return ledger.Uncertain
}

// settleWithoutGate ends open passages that no counter can tell of.
func (l *Lane) settleWithoutGate(ctx context.Context) {
	for _, g := range l.cfg.Ledger.OpenPassages(l.cfg.Name) {
		l.finish(l.end(ctx, g.Seq, ledger.Uncertain), ledger.Uncertain)
	}
	if l.m.busy {
		l.finish(0, ledger.Uncertain)
	}
}

// overdue gives up on a gate that is lost while a recall waits for the passage (R5).
func (l *Lane) overdue(ctx context.Context) {
	if !l.m.busy || time.Now().Before(l.until) {
		return
	}
	if l.grant == 0 {
		l.finish(0, ledger.Uncertain)
		return
	}
	if _, h, ok := l.cfg.Ledger.Ticket(l.m.shown.Ticket); ok && h.Recalling {
		l.finish(l.end(ctx, l.grant, ledger.Uncertain), ledger.Uncertain)
	}
}
