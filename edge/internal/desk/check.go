package desk

import (
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"yipiao/sync/ticket"
)

// A Passage says what became of an admission. The numbers are stored.
type Passage int

// Passages.
const (
	PassageNone      Passage = 0 // no gate reports on it
	PassageWaiting   Passage = 1 // the gate has not said yet
	PassagePassed    Passage = 2
	PassageLapsed    Passage = 3 // nobody walked: the entry was given back
	PassageUncertain Passage = 4 // nobody can tell: counted as entered
	PassageAnnulled  Passage = 5 // taken back at the handheld that gave it
)

// endings are the facts that say how an admission ended.
var endings = map[ticket.FactKind]Passage{
	ticket.FactEntryPassed: PassagePassed, ticket.FactEntryLapsed: PassageLapsed,
	ticket.FactEntryUncertain: PassageUncertain, ticket.FactEntryAnnulled: PassageAnnulled,
}

// Counts reports whether an admission stands: it was not given back.
func (p Passage) Counts() bool { return p != PassageLapsed && p != PassageAnnulled }

// A Cursor is a place in a list that runs from the newest to the oldest. The zero Cursor is its beginning.
type Cursor struct {
	AtMs int64
	Seq  uint64
}

// String writes the cursor for an address; "" for the zero Cursor.
func (c Cursor) String() string {
	if c == (Cursor{}) {
		return ""
	}
	return fmt.Sprintf("%d-%d", c.AtMs, c.Seq)
}

// ParseCursor reads what String wrote; anything else is the zero Cursor.
func ParseCursor(s string) Cursor {
	at, seq, _ := strings.Cut(s, "-")
	ms, err1 := strconv.ParseInt(at, 10, 64)
	n, err2 := strconv.ParseUint(seq, 10, 63)
	if err1 != nil || err2 != nil || ms < 0 {
		return Cursor{}
	}
	return Cursor{ms, n}
}

// A Check is one decision with how it ended, or one fact about custody. Texts are masked.
type Check struct {
	Seq     uint64 // of the fact in its journal
	AtMs    int64
	Kind    ticket.FactKind
	Verdict ticket.Verdict // Reason "" for what is no decision
	Ticket  ticket.TicketID
	Session ticket.SessionID
	Lane    string
	Device  string // "" for a lane's own scanner
	Times   int64  // 1, or how many equal refusals were counted
	Passage Passage
	EndedMs int64  // when the passage ended; 0 if it has not
	Seat    string // of the ticket, as known when the fact was read
	Holder  string // masked
	Order   string // last characters of the order number
	Code    string // last characters of the ticket's identifier
	Show    string // name of the session
	Hall    string
	// Station is whose journal it stands in, for what came from the cloud; 0 for this station.
	Station ticket.StationID
}

// newCheck makes a row of a fact about a ticket.
func newCheck(kind ticket.FactKind, f *ticket.Fact) Check {
	c := Check{Kind: kind, Ticket: f.Ticket, Session: f.Session, Lane: f.Lane, Device: f.Device, Times: 1}
	if f.Verdict != nil {
		c.Verdict = *f.Verdict
	}
	if f.Gated && kind == ticket.FactEntryGranted {
		c.Passage = PassageWaiting
	}
	return c
}

// describe fills in what the catalogue knows, masked.
func (c *Check) describe(src Source) {
	if t, _, ok := src.Ticket(c.Ticket); ok && c.Ticket != 0 {
		c.Seat, c.Holder, c.Order, c.Code = t.Seat, t.Holder, tail(t.Order), codeTail(t.Code)
		if c.Session == 0 {
			c.Session = t.Session
		}
	}
	if s, ok := src.Session(c.Session); ok && c.Session != 0 {
		c.Show, c.Hall = s.Name, s.HallName
	}
}

const checkColumns = `seq, at_ms, kind, reason, n, n_of, says_ms, says_at, ticket, session, lane, device, times,
	passage, passage_ms, seat, holder, order_tail, code_tail, show, hall`

func scanCheck(rows *sql.Rows) (Check, error) {
	var c Check
	var id, session sql.NullInt64
	v := &c.Verdict
	err := rows.Scan(&c.Seq, &c.AtMs, &c.Kind, &v.Reason, &v.N, &v.Of, &v.AtMs, &v.Where, &id, &session,
		&c.Lane, &c.Device, &c.Times, &c.Passage, &c.EndedMs, &c.Seat, &c.Holder, &c.Order, &c.Code, &c.Show, &c.Hall)
	c.Ticket, c.Session = ticket.TicketID(id.Int64), ticket.SessionID(session.Int64)
	return c, err
}

// number stores an id; 0 is none.
func number[T ~uint64](id T) sql.NullInt64 { return sql.NullInt64{Int64: int64(id), Valid: id != 0} }
