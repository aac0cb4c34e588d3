package ticket

// A FactKind is the kind of a journal entry (sync.md section 3). The numbers are part of the
// journal's and the wire's format: never reuse one.
type FactKind uint8

// Fact kinds.
const (
	FactEntryGranted     FactKind = 1  // Fact: the right was exercised; durable before the gate opens
	FactRefused          FactKind = 2  // Fact: a request was answered without exercising anything
	FactEntryPassed      FactKind = 3  // Fact: the gate's sensor saw the person
	FactEntryLapsed      FactKind = 4  // Fact: nobody walked; the entry is given back
	FactEntryUncertain   FactKind = 5  // Fact: after a restart nobody can tell; counted as used
	FactExit             FactKind = 6  // Fact: the holder left
	FactCustodyReleased  FactKind = 7  // Fact: answer to a recall: uses left, or never seen
	FactCustodyUsed      FactKind = 8  // Fact: answer to a recall: no use left, or uncertain
	FactUplinkChanged    FactKind = 20 // Note
	FactDeviceStatus     FactKind = 21 // Note
	FactStationStarted   FactKind = 22 // Note
	FactOperatorAction   FactKind = 23 // Note
	FactClockAdjusted    FactKind = 24 // Note
	FactRefusalsRepeated FactKind = 25 // Note: equal refusals at one lane, counted
)

var factNames = map[FactKind]string{
	FactEntryGranted: "entry_granted", FactRefused: "refused", FactEntryPassed: "entry_passed",
	FactEntryLapsed: "entry_lapsed", FactEntryUncertain: "entry_uncertain", FactExit: "exit",
	FactCustodyReleased: "custody_released", FactCustodyUsed: "custody_used",
	FactUplinkChanged: "uplink_changed", FactDeviceStatus: "device_status", FactStationStarted: "station_started",
	FactOperatorAction: "operator_action", FactClockAdjusted: "clock_adjusted", FactRefusalsRepeated: "refusals_repeated",
}

// String is the stable name of the kind, or "unknown".
func (k FactKind) String() string {
	if n, ok := factNames[k]; ok {
		return n
	}
	return "unknown"
}

// OfTicket reports whether the body is a Fact about one ticket's right.
func (k FactKind) OfTicket() bool { return k >= FactEntryGranted && k <= FactCustodyUsed }

// A Fact is the body of an entry about one ticket. It carries the right's whole use after it, so
// that both ends that fold it in order arrive at the same state. It holds no personal data.
type Fact struct {
	Ticket  TicketID  `json:"t,omitempty"` // 0 in a refusal of something that is no ticket
	Session SessionID `json:"s,omitempty"`
	Gen     uint32    `json:"g,omitempty"` // generation exercised or answered; 0 = by signature alone (R9)
	Used    uint16    `json:"u,omitempty"` // uses after this fact
	Inside  bool      `json:"in,omitempty"`
	Gated   bool      `json:"gt,omitempty"` // granted: a passage or lapse follows
	Lane    string    `json:"l,omitempty"`
	Device  string    `json:"d,omitempty"`
	Of      uint64    `json:"of,omitempty"`  // passed, lapsed, uncertain: sequence of the grant
	Counter *uint32   `json:"ct,omitempty"`  // granted: the gate's own counter before it
	PrevMs  int64     `json:"pm,omitempty"`  // granted, lapsed: time of the entry before this one
	PrevAt  string    `json:"pa,omitempty"`  // granted, lapsed: its place
	WasIn   bool      `json:"wi,omitempty"`  // granted: whether the holder was inside before it
	Nonce   *Nonce    `json:"n,omitempty"`   // the request, where it had one
	Request *Hash     `json:"rq,omitempty"`  // hash of the request under the nonce
	Verdict *Verdict  `json:"v,omitempty"`   // granted, refused, exit: the answer as given
	PermitS uint8     `json:"ps,omitempty"`  // granted: seconds the gate stays open for the person
	Unsync  bool      `json:"sig,omitempty"` // granted on the signature alone
}

// A Note is the body of an entry that is not about a ticket.
type Note struct {
	Subject string `json:"sub"`             // device, lane, uplink or person concerned
	State   string `json:"st,omitempty"`    // new state or action, stable code
	Was     string `json:"was,omitempty"`   // state before
	Text    string `json:"txt,omitempty"`   // technical remark, no personal data
	Count   int64  `json:"count,omitempty"` // of repeated events
	Value   int64  `json:"val,omitempty"`   // milliseconds for a clock adjustment
}
