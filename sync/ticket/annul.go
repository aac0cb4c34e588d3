package ticket

// AnnulWithinMs is how long a handheld's entry may be taken back by the same device (sync.md section
// 4), milliseconds.
const AnnulWithinMs = 15 * 60 * 1000

// An Annulment is what taking an entry back rests on.
type Annulment struct {
	Granted   *Fact // the entry named; nil for none
	GrantedMs int64 // when it was made
	Held      Held  // what the station holds of its right now
}

// CheckAnnul decides whether the entry may be taken back at nowMs: only one that no gate reports on,
// that is the newest of its ticket and still in this station's custody. Like Check it has no side
// effect.
func CheckAnnul(a *Annulment, nowMs int64) Verdict {
	switch f := a.Granted; {
	case f == nil, f.Gated:
		return Verdict{Reason: NothingToAnnul}
	case f.Gen != a.Held.Gen, f.Gen != 0 && !a.Held.Holds, a.Held.Recalling:
		return Verdict{Reason: CustodyElsewhere}
	case a.Held.Used != f.Used, a.Held.LastMs != a.GrantedMs, a.Held.Inside != f.Inside:
		return Verdict{Reason: NothingToAnnul} // taken back before, or something has happened since
	case nowMs-a.GrantedMs > AnnulWithinMs:
		return Verdict{Reason: AnnulTooLate, AtMs: a.GrantedMs}
	}
	return Verdict{Reason: Annulled, N: a.Held.Used - 1}
}
