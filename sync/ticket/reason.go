package ticket

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// An Outcome is what the person at the gate does. Every reason has exactly one.
type Outcome string

// Outcomes (ui.md section 2.1).
const (
	OutcomeAdmit  Outcome = "admit"
	OutcomeRefuse Outcome = "refuse"
	OutcomeHold   Outcome = "hold"
	OutcomeExit   Outcome = "exit"
)

// A Reason is the stable code of a verdict. The texts are in reasons.json.
type Reason string

// Reasons.
const (
	Admitted           Reason = "admitted"
	Readmitted         Reason = "readmitted"
	AdmittedSignature  Reason = "admitted_signature"
	AdmittedWork       Reason = "admitted_work"
	ExitRecorded       Reason = "exit_recorded"
	GateBusy           Reason = "gate_busy"
	Misread            Reason = "misread"
	GateFault          Reason = "gate_fault"
	CustodyMoving      Reason = "custody_moving"
	MaxEntries         Reason = "max_entries"
	AlreadyInside      Reason = "already_inside"
	NotInside          Reason = "not_inside"
	ReentryNotAllowed  Reason = "reentry_not_allowed"
	UnknownTicket      Reason = "unknown_ticket"
	NotATicket         Reason = "not_a_ticket"
	BadSignature       Reason = "bad_signature"
	ForeignSignature   Reason = "foreign_signature"
	UnknownKey         Reason = "unknown_key"
	KeyRevoked         Reason = "key_revoked"
	WrongSession       Reason = "wrong_session"
	WrongHall          Reason = "wrong_hall"
	WrongGate          Reason = "wrong_gate"
	TooEarly           Reason = "too_early"
	TooLate            Reason = "too_late"
	SessionEnded       Reason = "session_ended"
	SessionIsCancelled Reason = "session_cancelled"
	Refunded           Reason = "refunded"
	CredentialReplaced Reason = "credential_replaced"
	Blocked            Reason = "blocked"
	NotYetSynced       Reason = "not_yet_synced"
	CustodyElsewhere   Reason = "custody_elsewhere"
	AskOtherGate       Reason = "ask_other_gate"
	LaneClosed         Reason = "lane_closed"
	WrongDirection     Reason = "wrong_direction"
	DeviceNotPermitted Reason = "device_not_permitted"
	ClockUntrusted     Reason = "clock_untrusted"
	StationFault       Reason = "station_fault"
	NeedsUpdate        Reason = "needs_update"
	EntryUncertain     Reason = "entry_uncertain"
	NonceConflict      Reason = "nonce_conflict"
	Annulled           Reason = "annulled"
	NothingToAnnul     Reason = "nothing_to_annul"
	AnnulTooLate       Reason = "annul_too_late"
	FreePassage        Reason = "free_passage"
)

// MaxEntriesSentence is the prompt that SHOW-E.2.7-c requires to the letter.
const MaxEntriesSentence = "演出票检票次数超过演出票务系统设置的最大值，不可再次检票入场"

// A Verdict is the answer to one request, with what its text needs. It holds no personal data.
type Verdict struct {
	Reason Reason `json:"r"`
	N      uint16 `json:"n,omitempty"`  // which entry this is, or how many were used
	Of     uint16 `json:"of,omitempty"` // entries allowed
	AtMs   int64  `json:"at,omitempty"` // the time the text names: earlier entry, start, from, to
	Where  string `json:"w,omitempty"`  // the place the text names: earlier lane, hall, gate
}

// Outcome is the outcome of the verdict's reason.
func (v Verdict) Outcome() Outcome { return v.Reason.Outcome() }

// A Text is what people read for a reason.
type Text struct {
	Outcome Outcome `json:"outcome"`
	Flag    bool    `json:"flag,omitempty"` // admitted, but a person should look or the cloud confirm
	Zh      string  `json:"zh"`
	En      string  `json:"en"`
	HintZh  string  `json:"hint_zh,omitempty"`
	HintEn  string  `json:"hint_en,omitempty"`
	Legal   string  `json:"legal,omitempty"` // a sentence required word for word
}

//go:embed reasons.json
var reasonsJSON []byte

var catalogue = sync.OnceValue(func() map[Reason]Text {
	m := make(map[Reason]Text)
	if err := json.Unmarshal(reasonsJSON, &m); err != nil {
		panic(fmt.Sprintf("ticket: reasons.json: %v", err)) // embedded: a programmer error
	}
	return m
})

// Reasons returns a copy of the catalogue.
func Reasons() map[Reason]Text {
	out := make(map[Reason]Text, len(catalogue()))
	for k, v := range catalogue() {
		out[k] = v
	}
	return out
}

// Known reports whether the reason is in the catalogue.
func (r Reason) Known() bool { _, ok := catalogue()[r]; return ok }

// Outcome is what the person at the gate does for this reason; an unknown reason refuses.
func (r Reason) Outcome() Outcome {
	if t, ok := catalogue()[r]; ok {
		return t.Outcome
	}
	return OutcomeRefuse
}

// Final reports whether an answer with this reason is stored under its nonce. Faults and "try again
// in a moment" are not: a retry with the same nonce asks anew (sync.md section 3).
func (r Reason) Final() bool {
	return r != StationFault && r != GateBusy && r != NonceConflict && r != CustodyMoving
}

// Text returns the texts with their blanks filled in, times in Asia/Shanghai.
func (v Verdict) Text() Text {
	t, ok := catalogue()[v.Reason]
	if !ok {
		return Text{Outcome: OutcomeRefuse, Zh: string(v.Reason), En: string(v.Reason)}
	}
	t.Zh, t.En, t.HintZh, t.HintEn = v.fill(t.Zh), v.fill(t.En), v.fill(t.HintZh), v.fill(t.HintEn)
	return t
}

// fill replaces {n}, {of}, {time}, {day} and {where}. It runs at every check; a strings.Replacer would
// have to be built anew for each.
func (v *Verdict) fill(text string) string {
	open := strings.IndexByte(text, '{')
	if open < 0 {
		return text
	}
	var b strings.Builder
	for ; open >= 0; open = strings.IndexByte(text, '{') {
		end := open + strings.IndexByte(text[open:], '}')
		if end < open {
			break
		}
		b.WriteString(text[:open])
		b.WriteString(v.blank(text[open+1 : end]))
		text = text[end+1:]
	}
	b.WriteString(text)
	return b.String()
}

func (v *Verdict) blank(name string) string {
	switch name {
	case "n":
		return strconv.Itoa(int(v.N))
	case "of":
		return strconv.Itoa(int(v.Of))
	case "where":
		return v.Where
	}
	if v.AtMs == 0 {
		return ""
	}
	if name == "day" {
		return Time(v.AtMs).Format("01-02 15:04")
	}
	return Time(v.AtMs).Format("15:04")
}
