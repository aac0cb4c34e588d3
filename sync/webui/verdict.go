package webui

import "yipiao/sync/ticket"

// A Verdict is a verdict as a page shows it: class and icon of its mark, its word and its reason.
type Verdict struct {
	Class  string // v-admit, v-refuse, v-hold, v-exit, or v-wait where there is none yet
	Icon   string
	Word   string
	Reason string
	Legal  string // a Chinese sentence that the law wants word for word, or ""
	Flag   bool   // admitted, but a person should look or the cloud confirm
}

// Verdict says a verdict. The texts come from the catalogue of reasons.
func (s Speaker) Verdict(v ticket.Verdict) Verdict {
	t := v.Text()
	icons := map[ticket.Outcome]string{
		ticket.OutcomeAdmit: "check", ticket.OutcomeRefuse: "cross",
		ticket.OutcomeHold: "bang", ticket.OutcomeExit: "out",
	}
	return Verdict{
		Class: "v-" + string(t.Outcome), Icon: icons[t.Outcome], Word: s.T("verdict." + string(t.Outcome)),
		Reason: s.Pick(t.Zh, t.En), Legal: t.Legal, Flag: t.Flag,
	}
}

// NoVerdict is the mark of a place where nothing has been decided.
func (s Speaker) NoVerdict() Verdict {
	return Verdict{Class: "v-wait", Icon: "q", Word: s.T("verdict.nothing")}
}
