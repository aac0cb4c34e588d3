// Package hubtest is the conformance suite of hub.Store: sequential rules, comparison with the
// reference model under seeded random steps, and concurrent writers. It runs on hubmem and on every
// database of the cloud. It must not know how a store keeps anything.
package hubtest

import (
	"errors"
	"fmt"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/hub/hubmem"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A World is a store under test, and what the suite needs to fill it and to look at it. hubmem.Store
// is one. Methods fail the test themselves.
type World interface {
	hub.Store
	// AddStation registers a station with an empty feed; its journal begins epoch with the chain key.
	AddStation(f link.Peer, epoch uint32, chainKey []byte)
	// PutSession creates the session and puts it into the feed.
	PutSession(f link.Peer, s ticket.Session)
	// AddTicket creates a ticket in the feed, with its right in the cloud's custody.
	AddTicket(f link.Peer, t ticket.Ticket)
	DeadLetters(f link.Peer) map[uint64]hub.DeadReason
	Conflicts(f link.Peer) map[uint64]hubmem.Conflict
	Incidents(f link.Peer) []hubmem.Incident
	Digest(f link.Peer, s ticket.SessionID) ticket.Digest
	// ReplaceMachine makes the station another machine's, whose journal begins the next epoch.
	ReplaceMachine(f link.Peer, chainKey []byte)
	// Uncertain lists tickets granted anew although an earlier machine may have used them, with the
	// generation granted.
	Uncertain(f link.Peer) map[ticket.TicketID]uint32
}

var _ World = (*hubmem.Store)(nil)

// Run runs the suite; open returns an empty store for one test and cleans up after it. Tests run in
// parallel, each on its own store.
func Run(t *testing.T, open func(t *testing.T) World) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, World){
		"StampsInOrderAndOnce":         stampsInOrderAndOnce,
		"PagesAreRunsOfPositions":      pagesAreRuns,
		"PagesAreBoundedByBytes":       pagesAreBoundedByBytes,
		"CompactionKeepsTheNewest":     compactionKeepsTheNewest,
		"FeedsAreSeparate":             feedsAreSeparate,
		"RightsFollowTheRules":         rightsFollowTheRules,
		"RefusalsChangeNothing":        refusalsChangeNothing,
		"Hole1_RowPosition":            hole1,
		"Hole2_ReserveBeforeReading":   hole2,
		"Hole3_TakeBackAgainstServe":   hole3,
		"R9_SignedEntryIsNotTakenBack": signedEntry,
		"NewsAndBell":                  newsAndBell,
		"ReceiveIsIdempotent":          receiveIsIdempotent,
		"ReceiveRefusals":              receiveRefusals,
		"FoldMakesNoEcho":              foldMakesNoEcho,
		"FoldGivesBack":                foldGivesBack,
		"FoldNeverBlocks":              foldNeverBlocks,
		"FoldInChunks":                 foldInChunks,
		"DeadLetters":                  deadLetters,
		"DeadLettersRetried":           deadLettersRetried,
		"DeadLettersRetriedLate":       deadLettersRetriedLate,
		"HistoryOfOneTicket":           historyOfOneTicket,
		"Hole6_SecondRelease":          hole6,
		"ReplacedMachine":              replacedMachine,
		"ReplacedMachineComplete":      replacedMachineComplete,
		"ReplacedMachineLost":          replacedMachineLost,
		"ReplacedMachineInChunks":      replacedMachineInChunks,
		"AgainstTheModel":              againstTheModel,
		"ConcurrentWriters":            concurrentWriters,
		"ConcurrentUploads":            concurrentUploads,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// The stations and the session of the suite.
var (
	one   = link.Peer{Tenant: 7, Station: 1}
	two   = link.Peer{Tenant: 7, Station: 2}
	other = link.Peer{Tenant: 8, Station: 1} // the same numbers at another tenant
)

const session = ticket.SessionID(3)

var chainKey = []byte("0123456789abcdef0123456789abcdef")

func setup(w World, stations ...link.Peer) {
	for _, f := range stations {
		w.AddStation(f, 1, chainKey)
		w.PutSession(f, aSession(session, false))
	}
}

func aSession(id ticket.SessionID, signed bool) ticket.Session {
	return ticket.Session{
		ID: id, Code: ticket.SessionCode(fmt.Sprintf("1101010010120261125%02d", id)), Type: "1001", Name: "样例话剧", Hall: 1, HallName: "一厅",
		StartMs: 2000, EndMs: 4000, AdmitFromMs: 1000, AdmitToMs: 3000, Status: ticket.SessionPlanned,
		Mode: ticket.CheckModeLAN, Reentry: ticket.ReentryFree, SignedEntry: signed,
	}
}

func aTicket(id ticket.TicketID, in ticket.SessionID, most uint16) ticket.Ticket {
	return ticket.Ticket{
		ID: id, Session: in, Group: 1, Type: ticket.TypeNormal, Seat: fmt.Sprintf("1排%d座", id), Order: "O1", Status: ticket.StatusValid,
		Code: ticket.TicketCode(fmt.Sprintf("1101010010120261125%02d%06d", in, id)), Holder: "*三", Cred: 1,
		CredHash: ticket.PayloadHash(fmt.Sprint(in, id)), Entry: ticket.Right{Max: most},
	}
}

// sell adds tickets with one use each and grants them.
func sell(t *testing.T, w World, f link.Peer, ids ...ticket.TicketID) {
	t.Helper()
	for _, id := range ids {
		w.AddTicket(f, aTicket(id, session, 1))
		ok(t, w.Grant(t.Context(), f.Tenant, id))
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want %v", err, target)
	}
}

func stamp(t *testing.T, w World, f link.Peer) hub.Head {
	t.Helper()
	h, err := w.Stamp(t.Context(), f)
	ok(t, err)
	return h
}

// serve does what a poll does and returns the page.
func serve(t *testing.T, w World, f link.Peer, after uint64, rows int) ([]wire.Entry, bool, hub.Head) {
	t.Helper()
	stamp(t, w, f)
	h, err := w.Reserve(t.Context(), f)
	ok(t, err)
	if h.Sent != h.Pos {
		t.Fatalf("reserved up to %d, the head is %d", h.Sent, h.Pos)
	}
	entries, more, err := w.Page(t.Context(), f, hub.Span{After: after, UpTo: h.Sent, Rows: rows, Bytes: wire.MaxPageBytes})
	ok(t, err)
	return entries, more, h
}

func row(t *testing.T, w World, tenant ticket.TenantID, id ticket.TicketID) hub.Row {
	t.Helper()
	r, err := w.Row(t.Context(), tenant, id)
	ok(t, err)
	return r
}

// right decodes the right of entry of a ticket's feed entry.
func right(t *testing.T, e wire.Entry) ticket.Right {
	t.Helper()
	var tk ticket.Ticket
	ok(t, e.DecodeBody(&tk))
	return tk.Entry
}

// A fact is one entry of a journal, before it is chained.
type fact struct {
	kind ticket.FactKind
	body any // ticket.Fact, ticket.Note, or the raw []byte
}

func (f *fact) raw() []byte {
	switch b := f.body.(type) {
	case ticket.Fact:
		return b.Append(nil)
	case ticket.Note:
		return b.Append(nil)
	default:
		return b.([]byte)
	}
}

// A logbook is a station's journal as far as the suite writes it.
type logbook struct {
	entries  []journal.Entry
	reported int    // of which report has sent so many
	epoch    uint32 // 0: the first one
}

func (l *logbook) write(t *testing.T, facts ...fact) *logbook {
	t.Helper()
	for _, f := range facts {
		e := journal.Entry{Epoch: l.at(), Seq: uint64(len(l.entries)) + 1, Record: journal.Record{
			Kind: journal.Kind(f.kind), TimeMs: 1000 + int64(len(l.entries)), OffsetMs: -3, Body: f.raw(),
		}}
		var prev journal.Sum
		if n := len(l.entries); n > 0 {
			prev = l.entries[n-1].Sum
		}
		e.Sum = journal.Chain(chainKey, prev, &e)
		l.entries = append(l.entries, e)
	}
	return l
}

func (l *logbook) at() uint32 { return max(l.epoch, 1) }

// from is a batch of everything from seq on.
func (l *logbook) from(seq uint64) *wire.Batch {
	return &wire.Batch{Epoch: l.at(), Entries: l.entries[seq-1:]}
}

// report uploads what the logbook holds, some of it again, and folds all of it.
func report(t *testing.T, w World, f link.Peer, l *logbook) {
	t.Helper()
	_, err := w.Receive(t.Context(), f, &wire.Batch{Epoch: l.at(), Entries: l.entries[max(l.reported-3, 0):]}, 5000)
	ok(t, err)
	l.reported = len(l.entries)
	for more := true; more; {
		_, more, err = w.Fold(t.Context(), f, 100, 5000)
		ok(t, err)
	}
}
