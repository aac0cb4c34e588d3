package ledger_test

import (
	"yipiao/sync/ticket"
)

// step lists the states that may follow; none means that the answer is wrong.
func (r *lRules) step(s lRight, in *lIn, out *lOut) []lRight {
	switch in.Kind {
	case lEntry, lExit, lAnnul:
		return r.ask(s, in, out)
	case lEnd:
		return s.end(in, out)
	case lMeet:
		return s.meet(in, out)
	case lPut:
		return s.put(in)
	case lRestart:
		return s.restart()
	case lLook:
		return s.look(out)
	}
	return nil
}

func distinct(a, b lRight) []lRight {
	if a == b {
		return []lRight{a}
	}
	return []lRight{a, b}
}

// ask is a request that may have a nonce.
func (r *lRules) ask(s lRight, in *lIn, out *lOut) []lRight {
	if in.Nonce != 0 && s.answers[in.Nonce].body != 0 {
		return s.again(in, out)
	}
	want, next := r.decide(s, in)
	return r.answered(s, in, out, want, next)
}

// answered compares an answer with the one that is wanted.
func (r *lRules) answered(s lRight, in *lIn, out *lOut, want lOut, next lRight) []lRight {
	if final(want.Reason) && in.Nonce != 0 {
		next.answers[in.Nonce] = lAnswer{
			body: in.body(), reason: want.Reason, n: want.N, of: want.Of, gated: in.Gated, gen: s.gen,
			seq: uint32(out.Seq), ms: out.Ms,
		}
	}
	switch {
	case out.Unknown:
		return distinct(s, next)
	case out.Loose:
		return []lRight{s}
	}
	if out.Repeated || out.Reason != want.Reason || out.N != want.N || out.Of != want.Of || out.Where != want.Where ||
		want.At != 0 && out.At != want.At || final(want.Reason) == (out.Seq == 0) {
		return nil
	}
	if entered(want.Reason) {
		next.visits[next.depth-1].ms = out.Ms
		if in.Gated {
			next.grant = out.Seq
		}
	}
	return []lRight{next}
}

func entered(r ticket.Reason) bool {
	return r == ticket.Admitted || r == ticket.Readmitted || r == ticket.AdmittedSignature
}

// final reports whether an answer is kept under its nonce.
func final(r ticket.Reason) bool {
	return r != ticket.GateBusy && r != ticket.CustodyMoving && r != ticket.NonceConflict
}

// again is a request under a nonce that has its answer.
func (s lRight) again(in *lIn, out *lOut) []lRight {
	have := &s.answers[in.Nonce]
	switch {
	case out.Unknown:
		return []lRight{s}
	case have.body != in.body():
		if out.Reason == ticket.NonceConflict && !out.Repeated && out.Seq == 0 {
			return []lRight{s}
		}
		return nil
	case !out.Repeated || out.Reason != have.reason || out.N != have.n || out.Of != have.of,
		have.seq != 0 && (uint64(have.seq) != out.Seq || have.ms != out.Ms):
		return nil
	}
	have.seq, have.ms = uint32(out.Seq), out.Ms // the first to be told
	if s.depth > 0 && s.visits[s.depth-1].nonce == in.Nonce {
		s.visits[s.depth-1].ms = out.Ms
		if s.passage == ticket.PassagePending {
			s.grant = out.Seq
		}
	}
	return []lRight{s}
}

// decide is the answer to a new request and the state after it.
func (r *lRules) decide(s lRight, in *lIn) (lOut, lRight) {
	switch {
	case in.Forbidden:
		return lOut{Reason: ticket.DeviceNotPermitted}, s
	case in.Kind == lAnnul:
		return s.annul(in)
	case in.Kind == lExit:
		return r.exit(s, in)
	}
	return r.enter(s, in)
}

func (r *lRules) enter(s lRight, in *lIn) (lOut, lRight) {
	most := r.most(&s, in)
	before := lOut{N: s.used, Of: most}
	if s.depth > 0 {
		before.At, before.Where = s.visits[s.depth-1].ms, s.visits[s.depth-1].lane
	}
	refuse := func(why ticket.Reason) (lOut, lRight) { before.Reason = why; return before, s }
	switch {
	case s.used >= most && s.passage == ticket.PassageUncertain:
		return refuse(ticket.EntryUncertain)
	case s.used >= most:
		return refuse(ticket.MaxEntries)
	case s.passage == ticket.PassagePending && !s.recalling:
		return lOut{Reason: ticket.GateBusy}, s
	case s.used > 0 && r.reentry == ticket.ReentryAfterExit && s.inside:
		return refuse(ticket.AlreadyInside)
	case !s.known && s.gen != 0:
		return lOut{Reason: ticket.CustodyElsewhere}, s
	case s.recalling: // also of a ticket that the feed is just bringing
		return lOut{Reason: ticket.CustodyMoving}, s
	case !s.known: // R9
		return lOut{Reason: ticket.AdmittedSignature, N: 1, Of: most}, s.visit(in)
	case !s.holds:
		return lOut{Reason: ticket.CustodyElsewhere}, s
	}
	out := lOut{Reason: ticket.Admitted, N: s.used + 1, Of: most}
	if s.used > 0 {
		out.Reason = ticket.Readmitted
	}
	return out, s.visit(in)
}

// most is how often a ticket may enter: one that the feed has not brought, once.
func (r *lRules) most(s *lRight, in *lIn) uint16 {
	if !s.known {
		return 1
	}
	return r.max[in.Ticket]
}

// visit exercises the right.
func (s lRight) visit(in *lIn) lRight {
	s.visits[s.depth] = lVisit{nonce: in.Nonce, lane: in.Lane, wasIn: s.inside}
	s.depth++
	s.used, s.inside, s.passage, s.grant = s.used+1, true, ticket.PassageNone, 0
	if in.Gated {
		s.passage = ticket.PassagePending
	}
	return s
}

func (r *lRules) exit(s lRight, in *lIn) (lOut, lRight) {
	switch {
	case !s.inside:
		return lOut{Reason: ticket.NotInside}, s
	case s.passage == ticket.PassagePending && !s.recalling:
		return lOut{Reason: ticket.GateBusy}, s
	case !s.known && s.gen == 0:
		return lOut{Reason: ticket.NotYetSynced}, s
	case s.known && s.recalling:
		return lOut{Reason: ticket.CustodyMoving}, s
	case !s.holds:
		return lOut{Reason: ticket.CustodyElsewhere}, s
	}
	s.inside, s.passage = false, ticket.PassageNone
	return lOut{Reason: ticket.ExitRecorded, N: s.used, Of: r.max[in.Ticket]}, s
}

// annul takes back the newest entry, if it is the one named, was not taken back before, no gate reports
// on it, and the right is here.
func (s lRight) annul(in *lIn) (lOut, lRight) {
	e := &s.answers[in.Entry]
	switch {
	case in.Stranger, !entered(e.reason), e.annulled, e.gated:
		return lOut{Reason: ticket.NothingToAnnul}, s
	case e.gen != s.gen, s.gen != 0 && !s.holds, s.recalling:
		return lOut{Reason: ticket.CustodyElsewhere}, s
	case s.depth == 0, s.visits[max(0, s.depth-1)].nonce != in.Entry, !s.inside:
		return lOut{Reason: ticket.NothingToAnnul}, s
	}
	s = s.giveBack()
	s.answers[in.Entry].annulled = true
	return lOut{Reason: ticket.Annulled, N: s.used}, s
}

// giveBack undoes the newest entry.
func (s lRight) giveBack() lRight {
	s.depth--
	s.inside = s.visits[s.depth].wasIn
	s.visits[s.depth] = lVisit{}
	s.used, s.passage, s.grant = s.used-1, ticket.PassageNone, 0
	return s
}
