package ledger_test

import (
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// The specification's other half: how passages end, what the feed says, and what a look shows.

func (s lRight) end(in *lIn, out *lOut) []lRight {
	pending := s.passage == ticket.PassagePending && (s.grant == in.Grant || s.grant == 0)
	next := s
	if pending {
		next.passage, next.grant = ticket.PassageNone, 0
		switch in.How {
		case ledger.Lapsed:
			next = s.giveBack()
		case ledger.Uncertain:
			next.passage = ticket.PassageUncertain
		case ledger.Passed:
		}
	}
	switch {
	case out.Unknown:
		return distinct(s, next)
	case out.Seq != 0 && pending:
		return []lRight{next}
	case out.Seq == 0 && (!pending || s.grant == 0 || out.Loose): // another's, or it has ended before
		return []lRight{s}
	}
	return nil
}

// meet is a feed entry as the page begins (R3, R5): a recall is answered, and a right whose standing
// the entry changes is barred until the entry counts, so that nothing begins on the old standing
// meanwhile. A page that has to come again leaves what it has barred or answered so.
func (s lRight) meet(in *lIn, out *lOut) []lRight {
	switch {
	case in.Stale:
		return []lRight{s}
	case s.met != 0:
		return nil
	}
	next, waits := s.barred(in)
	switch {
	case out.Unknown: // it fell with the journal, before or after the entry was met
		return distinct(s, next)
	case !out.NotYet && waits, out.NotYet && !waits && !in.Joint && !out.Loose:
		return nil
	case out.Loose: // the crash undid the answer to this recall, or the passage that it met
		return distinct(s, next)
	case !out.NotYet:
		next.met = in.Page
	}
	return []lRight{next}
}

// barred is the state after an entry was met; waits says that a passage has to end first.
func (s lRight) barred(in *lIn) (next lRight, waits bool) {
	switch gone := s.gen == in.Gen && !s.holds; {
	case in.Gen < s.gen, in.Gen == s.gen && in.Custody == ticket.CustodyGranted, gone:
		return s, false // the standing stays: older, a recall that was withdrawn, or told before
	case s.passage == ticket.PassagePending:
		s.recalling = true
		return s, true
	case in.Custody == ticket.CustodyRecalled:
		if in.Gen > s.gen && s.used < in.Used {
			s.used, s.inside = in.Used, in.Inside
		}
		s.gen, s.holds, s.recalling = in.Gen, false, false
		return s, false
	case in.Custody == ticket.CustodyCloud && s.bySignature(): // the standing stays: see put
		return s, false
	}
	s.recalling = true
	return s, false
}

// put is the moment at which a stored entry counts, after it was met by the same page.
func (s lRight) put(in *lIn) []lRight {
	if s.met != in.Page {
		return nil
	}
	s.met, s.known, s.cloud = 0, true, 0
	switch {
	case in.Gen < s.gen, in.Custody == ticket.CustodyRecalled: // older, or answered when it was met
	case in.Custody == ticket.CustodyCloud && s.bySignature(): // R9: kept for the grant that comes later
		s.recalling, s.cloud = false, in.Gen
	case in.Custody == ticket.CustodyCloud:
		s.gen, s.holds, s.recalling = in.Gen, false, false
		if s.used < in.Used {
			s.used, s.inside = in.Used, in.Inside
		}
	case in.Gen == s.gen: // a recall was withdrawn
		s.recalling = false
	default:
		if !s.bySignature() || s.used <= in.Used { // R9: the grant finds it used
			s.used, s.inside = in.Used, in.Inside
		}
		s.gen, s.holds, s.recalling = in.Gen, true, false
	}
	return []lRight{s}
}

// bySignature reports whether the right was used before any grant of it was seen.
func (s *lRight) bySignature() bool { return s.gen == 0 && s.used > 0 }

// restart: that a right is barred is in memory only, unless a checkpoint or a snapshot happened to save
// it. The stored entry may be offered again, which counts where a use by signature kept it from doing
// so and was taken back since.
func (s lRight) restart() []lRight {
	if s.met != 0 {
		return nil
	}
	free := s
	free.recalling = false
	all := distinct(s, free)
	if s.cloud > s.gen && !s.bySignature() {
		free.gen, free.cloud = s.cloud, 0
		all = append(all, free)
	}
	return all
}

func (s lRight) look(out *lOut) []lRight {
	h := lHeld{Gen: s.gen, Holds: s.holds, Recalling: s.recalling, Inside: s.inside, Used: s.used, Passage: s.passage}
	if s.depth > 0 {
		v := &s.visits[s.depth-1]
		if h.Where = v.lane; v.ms == 0 { // nobody was told when
			v.ms = out.Held.At
		}
		h.At = v.ms
	}
	if h != out.Held {
		return nil
	}
	return []lRight{s}
}
