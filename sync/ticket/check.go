package ticket

// A RequestKind is what a device asks for.
type RequestKind string

// Request kinds.
const (
	RequestEntry RequestKind = "entry"
	RequestExit  RequestKind = "exit"
)

// A CodeClass is what reading a code has shown, before any rule of the gate.
type CodeClass uint8

// Code classes. ClassExact needs no signature check (architecture.md section 5, rule 5).
const (
	ClassNone       CodeClass = iota // not one of our codes, torn, garbage
	ClassExact                       // the payload hashes to the known ticket's current credential
	ClassSigned                      // differs from what is known, or unknown; the signature is good
	ClassBad                         // the signature is bad
	ClassForeign                     // names another tenant
	ClassUnknownKey                  // names a signing key that the station does not have
	ClassRevoked                     // names a revoked signing key
)

// A Prior is an earlier answer under the same device and nonce.
type Prior struct {
	Same    bool    // whether it was to the same request
	Verdict Verdict // that answer
}

// A Lane is where the request comes from: a channel with a gate, or a handheld at a door.
type Lane struct {
	Name   string
	Open   bool
	Entry  bool          // whether it serves entries
	Exit   bool          // whether it serves exits
	Hall   HallID        // the hall its gate groups belong to
	Groups []GateGroupID // the gate groups it serves
	Now    SessionID     // the session of the hall that admits at this moment; 0 for none
}

func (l *Lane) serves(g GateGroupID) bool {
	for _, have := range l.Groups {
		if have == g {
			return true
		}
	}
	return false
}

// A Scene is everything that a decision may rest on. Pointers are nil for what is not known.
type Scene struct {
	Kind       RequestKind
	Self       StationID // the deciding station
	Prior      *Prior
	Permitted  bool // the device may ask this
	Lane       Lane
	Class      CodeClass
	Cred       Credential // valid from ClassExact on
	Ticket     *Ticket
	Held       Held
	Session    *Session
	Group      *GateGroup // the ticket's, or for an unknown ticket the credential's
	ClockOK    bool       // time-window rules may be answered
	CaughtUp   bool       // a caught_up has followed the session's feed entry (R9)
	Unreadable bool       // a feed entry of an unknown kind or version names the ticket
	// Resyncing says that the feed has not been read to its head since it was last begun at 0: what is
	// not known may exist all the same.
	Resyncing bool
}

// Check decides one request at nowMs (Unix milliseconds). It is the only place where the question
// "may this person pass" is answered, at the gate and in the cloud alike; the first rule that applies
// wins. It has no side effect: exercising the right is the caller's next step, under the ticket's lock.
func Check(s *Scene, nowMs int64) Verdict {
	if s.Prior != nil {
		if s.Prior.Same {
			return s.Prior.Verdict
		}
		return Verdict{Reason: NonceConflict}
	}
	for _, rule := range []func(*Scene, int64) (Verdict, bool){
		checkDevice, checkCode, checkStatus, checkPlace, checkTime, checkGate, checkHistory, checkCustody,
	} {
		if v, done := rule(s, nowMs); done {
			return v
		}
	}
	return grant(s)
}

func refuse(r Reason) (Verdict, bool) { return Verdict{Reason: r}, true }

func pass() (Verdict, bool) { return Verdict{}, false }

func checkDevice(s *Scene, _ int64) (Verdict, bool) {
	switch {
	case !s.Permitted:
		return refuse(DeviceNotPermitted)
	case !s.Lane.Open:
		return refuse(LaneClosed)
	case s.Kind == RequestExit && !s.Lane.Exit, s.Kind == RequestEntry && !s.Lane.Entry:
		return refuse(WrongDirection)
	}
	return pass()
}

func checkCode(s *Scene, _ int64) (Verdict, bool) {
	switch s.Class {
	case ClassNone:
		return refuse(NotATicket)
	case ClassForeign:
		return refuse(ForeignSignature)
	case ClassBad:
		return refuse(BadSignature)
	case ClassUnknownKey:
		return refuse(UnknownKey)
	case ClassRevoked:
		return refuse(KeyRevoked)
	case ClassExact, ClassSigned:
	}
	switch {
	case s.Unreadable:
		return refuse(NeedsUpdate)
	case s.Ticket == nil && s.Resyncing:
		return refuse(NotYetSynced)
	case s.Ticket == nil && (s.Session == nil || s.Group == nil):
		return refuse(UnknownTicket) // genuine, but of a session or gate that is not this venue's
	case s.Class == ClassSigned && s.Ticket != nil:
		return differing(s)
	case s.Session == nil || s.Group == nil:
		return refuse(NotYetSynced) // the ticket came before its session: keys arrive in any order
	}
	return pass()
}

// differing names why a genuinely signed payload is not the one the station knows.
func differing(s *Scene) (Verdict, bool) {
	switch {
	case s.Cred.Number < s.Ticket.Cred:
		return refuse(CredentialReplaced)
	case s.Cred.Number > s.Ticket.Cred:
		return refuse(NotYetSynced)
	default: // same number, other random bits: made by somebody else who has the key
		return refuse(BadSignature)
	}
}

func checkStatus(s *Scene, _ int64) (Verdict, bool) {
	if s.Ticket != nil {
		switch s.Ticket.Status {
		case StatusRefunded:
			return Verdict{Reason: Refunded, AtMs: s.Ticket.StatusMs}, true
		case StatusBlocked:
			return refuse(Blocked)
		case StatusValid:
		}
	}
	if s.Session.Status == SessionCancelled {
		return refuse(SessionIsCancelled)
	}
	return pass()
}

func checkPlace(s *Scene, _ int64) (Verdict, bool) {
	if s.Session.Hall != s.Lane.Hall {
		return Verdict{Reason: WrongHall, Where: s.Session.HallName}, true
	}
	return pass()
}

func checkTime(s *Scene, nowMs int64) (Verdict, bool) {
	if s.Kind == RequestExit {
		return pass() // people may leave at any time: no window, so no clock either
	}
	se := s.Session
	switch {
	case !s.ClockOK:
		return refuse(ClockUntrusted)
	case nowMs >= se.EndMs:
		return Verdict{Reason: SessionEnded, AtMs: s.Held.LastMs, Where: s.Held.LastAt}, true
	case nowMs < se.AdmitFromMs && s.Lane.Now != 0 && s.Lane.Now != se.ID:
		return Verdict{Reason: WrongSession, AtMs: se.StartMs}, true
	case nowMs < se.AdmitFromMs:
		return Verdict{Reason: TooEarly, AtMs: se.AdmitFromMs}, true
	case nowMs > se.AdmitToMs && s.Held.Used == 0: // who was inside may come back until the end
		return Verdict{Reason: TooLate, AtMs: se.AdmitToMs}, true
	}
	return pass()
}

func checkGate(s *Scene, _ int64) (Verdict, bool) {
	if s.Kind == RequestEntry && !s.Lane.serves(s.Group.ID) {
		return Verdict{Reason: WrongGate, Where: s.Group.Name}, true
	}
	return pass()
}

func checkHistory(s *Scene, _ int64) (Verdict, bool) {
	h, used, most := &s.Held, s.Held.Used, s.max()
	before := Verdict{N: used, Of: most, AtMs: h.LastMs, Where: h.LastAt}
	if s.Kind == RequestExit {
		switch {
		case !h.Inside:
			return refuse(NotInside)
		case h.Passage == PassagePending && !h.Recalling:
			return refuse(GateBusy)
		}
		return pass()
	}
	switch {
	case used >= most && h.Passage == PassageUncertain:
		before.Reason = EntryUncertain
	case used >= most:
		before.Reason = MaxEntries
	case h.Passage == PassagePending && !h.Recalling: // its end says how often the ticket is used
		return refuse(GateBusy)
	case used == 0 || s.Session.Reentry == ReentryFree:
		return pass()
	case s.Session.Reentry == ReentryNone:
		before.Reason = ReentryNotAllowed
	case h.Inside:
		before.Reason = AlreadyInside
	default:
		return pass()
	}
	return before, true
}

// max is how often the ticket may enter; an unknown ticket, admitted by signature, once.
func (s *Scene) max() uint16 {
	if s.Ticket == nil {
		return 1
	}
	return s.Ticket.Entry.Max
}

func checkCustody(s *Scene, _ int64) (Verdict, bool) {
	switch {
	case s.Group.Home != s.Self:
		return Verdict{Reason: AskOtherGate, Where: s.Group.Name}, true
	case s.Session.Mode == CheckModeOnline:
		return refuse(CustodyElsewhere)
	case s.Ticket == nil && s.Held.Gen != 0: // taken out of the feed: not one that was never seen (R9)
		return refuse(CustodyElsewhere)
	case s.Ticket == nil && !(s.Session.SignedEntry && s.CaughtUp && s.Kind == RequestEntry):
		return refuse(NotYetSynced)
	case s.Held.Recalling:
		return refuse(CustodyMoving)
	case s.Ticket == nil:
		return pass()
	case !s.Held.Holds:
		return refuse(CustodyElsewhere)
	}
	return pass()
}

func grant(s *Scene) Verdict {
	v := Verdict{Reason: Admitted, N: s.Held.Used + 1, Of: s.max()}
	switch {
	case s.Kind == RequestExit:
		return Verdict{Reason: ExitRecorded, N: s.Held.Used, Of: s.max()}
	case s.Ticket == nil:
		v.Reason = AdmittedSignature
	case s.Held.Used > 0:
		v.Reason = Readmitted
	case s.Ticket.Type == TypeWork:
		v.Reason = AdmittedWork
	}
	return v
}
