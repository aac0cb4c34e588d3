package console

import (
	"time"

	"yipiao/sync/ticket"
	"yipiao/sync/webui"
)

type factView struct {
	ID, Station, What, Where, Session, Clock string
	Seq                                      uint64
	Mark                                     webui.Verdict // Class "" for a fact without a verdict
	Dot                                      string
	Legal                                    string
}

type deadView struct {
	ID, Station, Kind, Reason string
	Seq                       uint64
	Age                       webui.Age
}

// newFact says a fact in one line. Where is place and seat; nothing in it names a ticket.
func newFact(s webui.Speaker, f *Fact) factView {
	v := factView{
		ID: factID(f.Station, f.Seq), Station: f.Station.String(), Seq: f.Seq, Clock: webui.Clock(f.At),
		What: s.T(factKey(f.Kind)), Where: s.Join(f.Lane, f.Seat), Session: f.Session, Dot: factDot(f.Kind),
	}
	if f.Verdict != nil {
		v.Mark = s.Verdict(*f.Verdict)
		v.What, v.Legal = v.Mark.Word+s.T("fact.colon")+v.Mark.Reason, v.Mark.Legal
	}
	if f.Note != nil {
		v.Where = s.Join(f.Note.Subject, noteState(s, f.Note))
	}
	return v
}

// noteState says the state of a note in words; a code that is not in the catalogue, of a newer station,
// is shown as it is.
func noteState(s webui.Speaker, n *ticket.Note) string {
	switch n.State {
	case "ok", "attention", "lost", "online", "extreme", "started", "device_added", "account_added", "measured",
		"backup_made", "backup_failed", "restored", "registration_revoked", "registration_restored",
		"alarm_forced", "alarm_fire", "alarm_fault", "alarm_forced_over", "alarm_fire_over", "alarm_fault_over":
		return s.T("note." + n.State)
	}
	if r := ticket.Reason(n.State); r.Known() { // of repeated refusals
		t := ticket.Verdict{Reason: r}.Text()
		return s.Pick(t.Zh, t.En)
	}
	return n.State
}

func factID(station ticket.StationID, seq uint64) string {
	return "fact-" + webui.ID(uint64(station)) + "-" + webui.ID(seq)
}

func factKey(k ticket.FactKind) string { return "fact." + k.String() }

// factDot is the mark of a fact without a verdict.
func factDot(k ticket.FactKind) string {
	switch k {
	case ticket.FactEntryUncertain:
		return "warn"
	case ticket.FactEntryPassed, ticket.FactStationStarted:
		return "ok"
	default:
	}
	return "off"
}

func newDead(s webui.Speaker, d *DeadLetter, now time.Time) deadView {
	return deadView{
		ID: "dead-" + factID(d.Station, d.Seq), Station: d.Station.String(), Seq: d.Seq,
		Kind: s.T(factKey(d.Kind)), Reason: d.Reason, Age: s.Ago(now, d.At),
	}
}
