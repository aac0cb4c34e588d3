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
	FactEntryAnnulled    FactKind = 9  // Fact: a handheld took its own entry back; it is given back
	FactUplinkChanged    FactKind = 20 // Note
	FactDeviceStatus     FactKind = 21 // Note
	FactStationStarted   FactKind = 22 // Note
	FactOperatorAction   FactKind = 23 // Note
	FactClockAdjusted    FactKind = 24 // Note
	FactRefusalsRepeated FactKind = 25 // Note: equal refusals at one lane, counted
	FactFreePassage      FactKind = 26 // Note: people let through uncounted while nothing could be recorded
)

var factNames = map[FactKind]string{
	FactEntryGranted: "entry_granted", FactRefused: "refused", FactEntryPassed: "entry_passed",
	FactEntryLapsed: "entry_lapsed", FactEntryUncertain: "entry_uncertain", FactExit: "exit",
	FactCustodyReleased: "custody_released", FactCustodyUsed: "custody_used", FactEntryAnnulled: "entry_annulled",
	FactUplinkChanged: "uplink_changed", FactDeviceStatus: "device_status", FactStationStarted: "station_started",
	FactOperatorAction: "operator_action", FactClockAdjusted: "clock_adjusted", FactRefusalsRepeated: "refusals_repeated",
	FactFreePassage: "free_passage",
}

// String is the stable name of the kind, or "unknown".
func (k FactKind) String() string {
	if n, ok := factNames[k]; ok {
		return n
	}
	return "unknown"
}

// OfTicket reports whether the body is a Fact about one ticket's right.
func (k FactKind) OfTicket() bool { return k >= FactEntryGranted && k <= FactEntryAnnulled }

// A Fact is the body of an entry about one ticket. It carries the right's whole use after it, so
// that both ends that fold it in order arrive at the same state. It holds no personal data. Times are
// Unix milliseconds. In the journal it is what Append writes (docs/formats/fact.md).
type Fact struct {
	Ticket  TicketID // 0 in a refusal of something that is no ticket
	Session SessionID
	Gen     uint32 // generation exercised or answered; 0 = by signature alone (R9)
	Used    uint16 // uses after this fact
	Inside  bool
	Gated   bool // granted: a passage or lapse follows
	Lane    string
	Device  string
	Of      uint64   // passed, lapsed, annulled, uncertain: sequence of the grant
	Counter *uint32  // granted: the gate's own counter before it
	PrevMs  int64    // granted, lapsed, annulled: time of the entry before this one
	PrevAt  string   // granted, lapsed, annulled: its place
	WasIn   bool     // granted: whether the holder was inside before it
	Nonce   *Nonce   // the request, where it had one
	Request *Hash    // hash of the request under the nonce
	Verdict *Verdict // granted, refused, exit: the answer as given
	PermitS uint8    // granted: seconds the gate stays open for the person
	Unsync  bool     // granted on the signature alone
}

// A Note is the body of an entry that is not about a ticket, in the journal as Append writes it.
type Note struct {
	Subject string // device, lane, uplink or person concerned
	State   string // new state or action, stable code
	Was     string // state before
	Text    string // technical remark, no personal data
	Count   int64  // of repeated events
	Value   int64  // milliseconds for a clock adjustment
}
