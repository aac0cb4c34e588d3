package lane

import (
	"context"
	"errors"

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
	l.until = l.cfg.Now().Add(l.cfg.PermitFor + passageGrace)
	err := l.cfg.Gate.Release(ctx, drivers.Permit{ID: l.permit, Direction: l.direction(), For: l.cfg.PermitFor})
	if err == nil {
		l.m.decided(shown, true)
		l.show(shown)
		return
	}
	l.cfg.Log.Error("gate did not open", "lane", l.cfg.Name, "error", err)
	shown.Verdict = ticket.Verdict{Reason: ticket.GateFault}
	if errors.Is(err, drivers.ErrNotRunning) || errors.Is(err, drivers.ErrRefused) || errors.Is(err, drivers.ErrPermitOpen) {
		shown.EndSeq = l.end(ctx, l.grant, ledger.Lapsed)
		shown.Passage, l.freeing = PassageLapsed, false
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
	how := ledger.Uncertain
	switch p.Outcome {
	case drivers.Passed:
		how = ledger.Passed
	case drivers.Lapsed:
		how = ledger.Lapsed
	case drivers.Unknown:
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
	s.Passage, s.EndSeq, s.At = passageState(how), seq, l.cfg.Now()
	l.m.ended()
	if l.freeing && how != ledger.Lapsed {
		l.freed++
	}
	l.grant, l.unsaid, l.freeing = 0, false, false
	l.show(s)
}

func passageState(how ledger.End) PassageState {
	switch how {
	case ledger.Passed:
		return PassagePassed
	case ledger.Lapsed:
		return PassageLapsed
	case ledger.Uncertain:
	}
	return PassageUncertain
}

// close ends an open grant: the one at the gate now, or one of an earlier run, which is shown by what
// the journal says of it.
func (l *Lane) close(ctx context.Context, g *ledger.Grant, how ledger.End) {
	seq := l.end(ctx, g.Seq, how)
	if l.m.busy && g.Seq == l.grant {
		l.finish(seq, how)
		return
	}
	s := Shown{Ticket: g.Fact.Ticket, Seq: g.Seq, EndSeq: seq, Passage: passageState(how), At: l.cfg.Now()}
	if g.Fact.Verdict != nil {
		s.Verdict = *g.Fact.Verdict
	}
	if t, _, ok := l.cfg.Ledger.Ticket(g.Fact.Ticket); ok {
		s.Seat, s.Holder = t.Seat, t.Holder
	}
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
		l.unsaid = false
		return
	}
	pc, ok := l.cfg.Gate.(drivers.PassageCounter)
	if !ok {
		l.settleWithoutGate(ctx)
		return
	}
	after, err := pc.Withdraw(ctx, l.direction())
	if err != nil {
		if !l.unsaid {
			l.cfg.Log.Warn("gate does not say how the passage ended", "lane", l.cfg.Name, "error", err)
		}
		l.unsaid = true // asked again soon: a gate that only was silent for a while tells no GateUp
		return
	}
	l.unsaid = false
	l.cfg.Log.Info("passages settled by the gate's counter", "lane", l.cfg.Name, "open", len(open))
	for i := range open {
		l.close(ctx, &open[i], judge(open[i].Fact.Counter, l.pick(after), len(open)))
	}
	if l.m.busy { // a permit without a grant: an exit
		l.finish(0, judge(l.before, l.pick(after), 1))
	}
}

// judge says how a passage ended, from the counter before it and after the permit was withdrawn.
func judge(before *uint32, after uint32, open int) ledger.End {
	switch {
	case before == nil || open != 1:
		return ledger.Uncertain
	case after == *before:
		return ledger.Lapsed
	case after == *before+1: // the counter wraps, and so does this
		return ledger.Passed
	}
	return ledger.Uncertain
}

// settleWithoutGate ends open passages that no counter can tell of.
func (l *Lane) settleWithoutGate(ctx context.Context) {
	open := l.cfg.Ledger.OpenPassages(l.cfg.Name)
	for i := range open {
		l.close(ctx, &open[i], ledger.Uncertain)
	}
	if l.m.busy {
		l.finish(0, ledger.Uncertain)
	}
}

// overdue gives up on a gate that is lost while a recall waits for the passage (R5), be it of this run
// or of an earlier one: the recall holds up the whole feed.
func (l *Lane) overdue(ctx context.Context) {
	now := l.cfg.Now()
	if l.m.busy && l.grant == 0 && !now.Before(l.until) {
		l.finish(0, ledger.Uncertain)
	}
	open := l.cfg.Ledger.OpenPassages(l.cfg.Name)
	for i := range open {
		g, until := &open[i], l.began.Add(l.cfg.PermitFor+passageGrace)
		if l.m.busy && g.Seq == l.grant {
			until = l.until
		}
		_, h, ok := l.cfg.Ledger.Ticket(g.Fact.Ticket)
		if ok && h.Recalling && !now.Before(until) {
			l.close(ctx, g, ledger.Uncertain)
		}
	}
}
