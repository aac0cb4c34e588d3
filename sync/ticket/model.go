package ticket

// A SessionStatus is what became of a session.
type SessionStatus string

// Session statuses.
const (
	SessionPlanned   SessionStatus = "planned"
	SessionCancelled SessionStatus = "cancelled"
)

// A CheckMode says who decides at the gate (SHOW-6.3.6.1-b).
type CheckMode string

// Check modes.
const (
	CheckModeLAN    CheckMode = "lan"    // the home station, on its own data
	CheckModeOnline CheckMode = "online" // the cloud
)

// Reentry says when a ticket with entries left may enter again.
type Reentry string

// Re-entry rules.
const (
	ReentryNone      Reentry = "none"       // never, whatever entries are left
	ReentryAfterExit Reentry = "after_exit" // only after a recorded exit
	ReentryFree      Reentry = "free"       // always, exits need not be recorded
)

// A Session is one performance at a time in a hall (SHOW-3.11), as the gate needs it.
type Session struct {
	ID          SessionID     `json:"id"`
	Code        SessionCode   `json:"code"`
	Type        TypeID        `json:"type"`
	Name        string        `json:"name"`
	Hall        HallID        `json:"hall"`
	HallName    string        `json:"hall_name"`
	StartMs     int64         `json:"start_ms"`
	EndMs       int64         `json:"end_ms"`
	AdmitFromMs int64         `json:"admit_from_ms"` // first instant of admission
	AdmitToMs   int64         `json:"admit_to_ms"`   // last instant of a first entry
	Status      SessionStatus `json:"status"`
	Mode        CheckMode     `json:"mode"`
	Reentry     Reentry       `json:"reentry"`
	// SignedEntry is the policy offline_signed_entry (sync.md R9): an unknown ticket is admitted on
	// its signature alone.
	SignedEntry bool `json:"signed_entry"`
}

// Validate checks what every later rule relies on.
func (s *Session) Validate() error {
	if err := s.Code.Validate(); err != nil {
		return err
	}
	if err := s.Type.Validate(); err != nil {
		return err
	}
	switch {
	case s.ID == 0:
		return &FieldError{"id", "非零 (not zero)", "bad_session_id"}
	case s.StartMs >= s.EndMs:
		return &FieldError{"end_ms", "晚于 start_ms (after start_ms)", "bad_session_times"}
	case s.AdmitFromMs >= s.AdmitToMs || s.AdmitToMs > s.EndMs:
		return &FieldError{"admit_to_ms", "在 admit_from_ms 与 end_ms 之间 (between)", "bad_session_times"}
	case s.Mode != CheckModeLAN && s.Mode != CheckModeOnline:
		return &FieldError{"mode", "lan | online", "bad_session_mode"}
	case s.Status != SessionPlanned && s.Status != SessionCancelled:
		return &FieldError{"status", "planned | cancelled", "bad_session_status"}
	case s.Reentry != ReentryNone && s.Reentry != ReentryAfterExit && s.Reentry != ReentryFree:
		return &FieldError{"reentry", "none | after_exit | free", "bad_session_reentry"}
	}
	return nil
}

// A GateGroup is a set of entrances of a hall; every ticket belongs to exactly one.
type GateGroup struct {
	ID       GateGroupID `json:"id"`
	Hall     HallID      `json:"hall"`
	HallName string      `json:"hall_name"`
	Name     string      `json:"name"` // as on the door, for example 1号门
	Home     StationID   `json:"home"` // the station that holds its tickets in LAN mode
}

// Validate checks the ids.
func (g *GateGroup) Validate() error {
	if g.ID == 0 || g.Hall == 0 || g.Home == 0 {
		return &FieldError{"gate_group", "id、hall、home 非零 (not zero)", "bad_gate_group"}
	}
	return nil
}

// A TicketType is the kind of a ticket (SHOW-3.17).
type TicketType uint8

// Ticket types.
const (
	TypeNormal        TicketType = 1 // 可售票
	TypeWork          TicketType = 2 // 工作票
	TypeComplimentary TicketType = 3 // 赠票
)

// A Status is what became of a ticket, apart from its use.
type Status string

// Ticket statuses.
const (
	StatusValid    Status = "valid"
	StatusRefunded Status = "refunded"
	StatusBlocked  Status = "blocked"
)

// A Custody says in whose hands a right is, as the cloud writes it into the feed.
type Custody string

// Custody states of a right in a feed entry (sync.md section 8).
const (
	CustodyCloud    Custody = "cloud"    // never granted, taken back, released or used up: the station may not exercise it
	CustodyGranted  Custody = "granted"  // given to the home station under Gen
	CustodyRecalled Custody = "recalled" // the home station must answer for Gen
)

// A Right may be exercised a limited number of times by its custodian (sync.md section 1).
type Right struct {
	Custody Custody `json:"c"`
	Gen     uint32  `json:"g"`            // generation, raised by one at every grant
	Hand    uint32  `json:"h,omitempty"`  // hand-over number of the session at the grant
	Used    uint16  `json:"u,omitempty"`  // uses before this generation
	Inside  bool    `json:"in,omitempty"` // whether the holder was inside at the grant
	Max     uint16  `json:"m"`            // uses allowed in all (max_entries)
}

// A Ticket is what a station must know of a ticket: no phone, no full name, no price beyond the face.
type Ticket struct {
	ID       TicketID    `json:"id"`
	Session  SessionID   `json:"s"`
	Group    GateGroupID `json:"gg"`
	Ver      uint64      `json:"v"` // rises with every change the station must know
	Code     TicketCode  `json:"code"`
	Type     TicketType  `json:"ty"`
	Seat     string      `json:"seat"`
	Holder   string      `json:"nm,omitempty"` // masked at the cloud, for example *三
	Order    string      `json:"o"`            // order number
	Status   Status      `json:"st"`
	StatusMs int64       `json:"st_ms,omitempty"` // when the status last changed
	Cred     uint16      `json:"cr"`              // number of the valid credential, from 1
	CredHash Hash        `json:"ch"`              // SHA-256/128 of its exact payload
	Entry    Right       `json:"e"`
	// Hashes keyed with the session's document key (architecture.md section 5), zero for none: of the
	// holder's document number, of the RFID chip, of the pickup code.
	Doc    Hash `json:"dh,omitzero"`
	Chip   Hash `json:"rh,omitzero"`
	Pickup Hash `json:"ph,omitzero"`
}

// Validate checks what every later rule relies on.
func (t *Ticket) Validate() error {
	if err := t.Code.Validate(); err != nil {
		return err
	}
	switch {
	case t.ID == 0 || t.Session == 0 || t.Group == 0:
		return &FieldError{"id", "票、场次、检票口组编号非零 (ids not zero)", "bad_ticket_id"}
	case t.Entry.Max == 0:
		return &FieldError{"e.m", "至少 1 (at least 1)", "bad_ticket_max_entries"}
	case t.Cred == 0 || t.CredHash == Hash{}:
		return &FieldError{"ch", "当前凭证的摘要 (hash of the credential)", "bad_ticket_credential"}
	case t.Status != StatusValid && t.Status != StatusRefunded && t.Status != StatusBlocked:
		return &FieldError{"st", "valid | refunded | blocked", "bad_ticket_status"}
	case t.Entry.Custody != CustodyCloud && t.Entry.Custody != CustodyGranted && t.Entry.Custody != CustodyRecalled:
		return &FieldError{"e.c", "cloud | granted | recalled", "bad_ticket_custody"}
	}
	return nil
}

// A SignKey is a public ticket signing key of a tenant.
type SignKey struct {
	ID      KeyID  `json:"id"`
	Alg     string `json:"alg"` // "Ed25519"
	Public  []byte `json:"pub"`
	FromMs  int64  `json:"from_ms"`
	Revoked bool   `json:"revoked,omitempty"`
}

// Validate checks algorithm and length.
func (k *SignKey) Validate() error {
	if k.ID == 0 || k.Alg != "Ed25519" || len(k.Public) != 32 {
		return &FieldError{"sign_key", "非零编号、Ed25519、32 字节公钥 (id, Ed25519, 32 bytes)", "bad_sign_key"}
	}
	return nil
}
