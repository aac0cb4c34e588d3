package ticket

// A Passage is what is going on at a gate for a right.
type Passage uint8

// Passages.
const (
	PassageNone      Passage = iota
	PassagePending           // granted, the gate has not yet said how it ended
	PassageUncertain         // nobody can tell how it ended: counted as used
)

// Held is what a station knows of one right of a ticket: the generation, whether it may be
// exercised here, and its use so far. The zero value is a right never heard of.
type Held struct {
	Gen       uint32 // newest generation seen or answered; never lowered
	Holds     bool   // Gen was granted to this station and has been neither answered nor taken back
	Recalling bool   // a feed entry waits for a passage to end (R5): the right is barred meanwhile
	Used      uint16
	Inside    bool
	Passage   Passage
	LastMs    int64  // time of the last entry
	LastAt    string // its lane
}

// Offer applies what a feed entry says of the right (custody-model.md section 2, station table). It
// returns the new state, and the answer that must be durable in the journal before the feed cursor
// may pass the entry (R3); kind 0 means that there is nothing to answer. wait is true when a passage
// must end first: then state.Recalling is set and the entry has to be offered again (R5). Waiting
// holds for grants and for "cloud" too, so that no fact of a passage is ever of an older generation
// than the one it is folded into.
func (h Held) Offer(r Right) (state Held, kind FactKind, answer Fact, wait bool) {
	switch r.Custody {
	case CustodyGranted:
		switch {
		case r.Gen > h.Gen && h.Passage == PassagePending: // by signature, or before an override: it ends first
			return h.waiting()
		case r.Gen > h.Gen:
			h = h.granted(r)
		case r.Gen == h.Gen: // a recall that was withdrawn before its answer (R1)
			h.Recalling = false
		}
	case CustodyCloud:
		switch {
		case r.Gen < h.Gen:
		case h.Passage == PassagePending && (h.Holds || r.Gen > h.Gen):
			return h.waiting() // the end of the passage belongs to this generation
		case h.Gen == 0 && h.Used > 0: // used by signature: the grant that follows may not know it yet (R9)
			h.Recalling = false
		default:
			// Exercised elsewhere, or by the machine whose place this one has taken. That one may also have given
			// back what the cloud told of before: what this one never held, the cloud knows better.
			if h.Used < r.Used || !h.Holds {
				h.Used, h.Inside = r.Used, r.Inside
			}
			h.Gen, h.Holds, h.Recalling = r.Gen, false, false
		}
	case CustodyRecalled:
		return h.recalled(r)
	}
	return h, 0, Fact{}, false
}

// waiting bars the right until the passage has ended and the entry is offered again.
func (h Held) waiting() (Held, FactKind, Fact, bool) {
	h.Recalling = true
	return h, 0, Fact{}, true
}

func (h Held) granted(r Right) Held {
	used, inside := r.Used, r.Inside
	if h.Gen == 0 && h.Used > used { // admitted by signature before the grant was seen (R9)
		used, inside = h.Used, h.Inside
	}
	h.Gen, h.Holds, h.Recalling = r.Gen, true, false
	h.Used, h.Inside = used, inside
	return h
}

func (h Held) recalled(r Right) (Held, FactKind, Fact, bool) {
	switch {
	case r.Gen < h.Gen, r.Gen == h.Gen && !h.Holds:
		return h, 0, Fact{}, false // answered, or older than what was answered
	case r.Gen > h.Gen && h.Passage != PassagePending: // the grant was never seen
		if h.Used < r.Used {
			h.Used, h.Inside = r.Used, r.Inside
		}
	case h.Passage == PassagePending:
		return h.waiting()
	}
	h.Gen, h.Holds, h.Recalling = r.Gen, false, false
	kind := FactCustodyReleased
	if h.Used >= r.Max || h.Passage == PassageUncertain {
		kind = FactCustodyUsed
	}
	return h, kind, Fact{Gen: r.Gen, Used: h.Used, Inside: h.Inside}, false
}

// Fold applies one fact of this station. Facts are folded in journal order, at once when they are
// appended and again by replay after a start; folding an older generation changes nothing.
func (h Held) Fold(kind FactKind, f *Fact, timeMs int64) Held {
	if f.Gen < h.Gen {
		return h
	}
	if f.Gen > h.Gen {
		h.Gen, h.Holds = f.Gen, true
	}
	switch kind {
	case FactEntryGranted:
		h.LastMs, h.LastAt = timeMs, f.Lane
		h.Used, h.Inside = f.Used, f.Inside
		h.Passage = PassageNone
		if f.Gated {
			h.Passage = PassagePending
		}
	case FactEntryPassed:
		h.Passage, h.Used, h.Inside = PassageNone, f.Used, f.Inside
	case FactEntryLapsed, FactEntryAnnulled:
		h.Passage, h.Used, h.Inside = PassageNone, f.Used, f.Inside
		h.LastMs, h.LastAt = f.PrevMs, f.PrevAt
	case FactEntryUncertain:
		h.Passage = PassageUncertain
	case FactExit:
		h.Inside, h.Used, h.Passage = false, f.Used, PassageNone
	case FactCustodyReleased, FactCustodyUsed:
		h.Holds, h.Recalling = false, false
		h.Used, h.Inside = f.Used, f.Inside
	default: // no other kind concerns a right
	}
	return h
}
