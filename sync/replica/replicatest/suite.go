package replicatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"yipiao/sync/journal"
	"yipiao/sync/journal/memlog"
	"yipiao/sync/replica"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Self and Tenant are who a store under test is.
const (
	Self   ticket.StationID = 1
	Tenant ticket.TenantID  = 7
)

// A Rig is a station's machine: what is on its disk outlasts the stations that it opens.
type Rig interface {
	// Open starts the station on its disk and on log. Its journal is never closed by it.
	Open(log journal.Log, clock replicamem.Clock) (Station, error)
	// Crash ends the open station as a power cut does. Nobody is using it.
	Crash()
}

// Run runs the suite; fresh returns a machine with an empty disk and cleans up after it.
func Run(t *testing.T, fresh func(t *testing.T) Rig) {
	t.Helper()
	for name, test := range map[string]func(*desk){
		"CursorMovesWithThePage":   cursorMoves,
		"PagesOfAnotherEpoch":      otherEpoch,
		"R1_WithdrawnRecall":       withdrawn,
		"R3_AnswerBeforeCursor":    answerFirst,
		"R3_AnotherUplinksAnswer":  othersAnswer,
		"R4_NothingBeforeDurable":  nothingEarly,
		"R4_OlderGeneration":       olderGeneration,
		"R5_RecallMeetsPassage":    meetsPassage,
		"R5_UncertainIsUsed":       uncertain,
		"R6_UsesGoAlong":           usesGoAlong,
		"R9_Signature":             signature,
		"R12_NonceOverACrash":      nonceOverCrash,
		"Hole5_GrantNeverSeen":     neverSeen,
		"CrashAtEveryFact":         crashAtEveryFact,
		"UploadReadsWhatIsDurable": uploadReads,
		"ConcurrentWriters":        concurrentWriters,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newDesk(t, fresh(t)))
		})
	}
}

const epoch = "suite"

// A desk is a station under test and the cloud that feeds it.
type desk struct {
	t    *testing.T
	rig  Rig
	log  *memlog.Log
	st   Station
	keep sync.Mutex // guards pos
	pos  uint64
	vers map[ticket.TicketID]uint64
}

// Now implements replicamem.Clock: it stands still.
func (d *desk) Now() (int64, int32, bool) { return 100_000, 0, true }

func newDesk(t *testing.T, rig Rig) *desk {
	d := &desk{t: t, rig: rig, log: memlog.New(memlog.Options{Epoch: 1, Key: make([]byte, 32)}), vers: make(map[ticket.TicketID]uint64)}
	d.open()
	d.ok(d.st.Reset(context.Background(), epoch))
	d.ok(d.apply(
		d.entry(wire.KindSignKey, "1", ticket.SignKey{ID: 1, Alg: "Ed25519", Public: public}),
		d.entry(wire.KindGateGroup, "1", ticket.GateGroup{ID: 1, Hall: 1, HallName: "一厅", Name: "1号门", Home: Self}),
		d.entry(wire.KindSession, "1", aSession(1, false)),
		d.entry(wire.KindSession, "2", aSession(2, true)),
	))
	t.Cleanup(func() {
		d.log.Crash()
		d.rig.Crash()
	})
	return d
}

func (d *desk) ok(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// still is the journal as a station gets it: only the suite ends it.
type still struct{ *memlog.Log }

func (still) Close() error { return nil }

func (d *desk) open() {
	d.t.Helper()
	var err error
	d.st, err = d.rig.Open(still{d.log}, d)
	d.ok(err)
}

// crash cuts the power and starts again: of the journal there is what was durable.
func (d *desk) crash() {
	d.t.Helper()
	d.log = d.log.Crash()
	d.rig.Crash()
	d.open()
}

func (d *desk) entry(kind wire.EntryKind, key string, body any) wire.Entry {
	raw, err := json.Marshal(body)
	d.ok(err)
	d.keep.Lock()
	defer d.keep.Unlock()
	d.pos++
	return wire.Entry{Pos: d.pos, Kind: kind, Key: key, Ver: d.pos, Body: raw}
}

// right is a ticket's next entry, with its right as given.
func (d *desk) right(id ticket.TicketID, c ticket.Custody, gen uint32, used, most uint16) wire.Entry {
	d.keep.Lock()
	d.vers[id]++
	ver := d.vers[id]
	d.keep.Unlock()
	return d.entry(wire.KindTicket, wire.Key(id), aTicket(id, 1, ver, ticket.Right{Custody: c, Gen: gen, Used: used, Max: most}))
}

func (d *desk) page(entries ...wire.Entry) *wire.Page {
	p := &wire.Page{Version: wire.Version, Epoch: epoch, Entries: entries, CaughtUp: true}
	_, p.Next = d.st.Cursor()
	for i := range entries {
		p.Next = max(p.Next, entries[i].Pos)
	}
	return p
}

func (d *desk) apply(entries ...wire.Entry) error {
	return d.st.Apply(context.Background(), d.page(entries...))
}

// ask lets somebody come with a ticket; n is the nonce, 0 for none.
func (d *desk) ask(id ticket.TicketID, n byte, gated bool) replicamem.Answer {
	d.t.Helper()
	a, err := d.st.Do(context.Background(), request(id, n, gated))
	d.ok(err)
	return a
}

func request(id ticket.TicketID, n byte, gated bool) *replicamem.Request {
	session := ticket.SessionID(1)
	if id >= signedFrom {
		session = 2
	}
	q := &replicamem.Request{
		Kind: ticket.RequestEntry, Payload: payload(id, session), Device: "h1", Gated: gated,
		Lane: ticket.Lane{Name: "1", Open: true, Entry: true, Exit: true, Hall: 1, Groups: []ticket.GateGroupID{1}},
	}
	if n > 0 {
		q.Nonce = ticket.Nonce{n}
	}
	return q
}

func (d *desk) wantReason(a replicamem.Answer, want ticket.Reason) {
	d.t.Helper()
	if a.Verdict.Reason != want {
		d.t.Fatalf("answered %s, want %s", a.Verdict.Reason, want)
	}
}

// facts are the durable facts of a kind.
func (d *desk) facts(kind ticket.FactKind) []ticket.Fact {
	d.t.Helper()
	entries, err := d.st.Journal(1, 10_000, 1<<20)
	if err != nil && d.log.End() > 0 {
		d.t.Fatal(err)
	}
	var out []ticket.Fact
	for i := range entries {
		if ticket.FactKind(entries[i].Kind) == kind {
			var f ticket.Fact
			d.ok(f.Decode(entries[i].Body))
			out = append(out, f)
		}
	}
	return out
}

func (d *desk) wantCursor(pos uint64) {
	d.t.Helper()
	if e, c := d.st.Cursor(); e != epoch || c != pos {
		d.t.Fatalf("cursor %s %d, want %d", e, c, pos)
	}
}

// wantStuck waits until a call has begun to wait for the journal, and sees that it has not returned.
func (d *desk) wantStuck(done <-chan error, end uint64) {
	d.t.Helper()
	for tries := 0; d.log.End() < end; tries++ {
		if tries > 100_000 { // at least 10 s
			d.t.Fatalf("the journal ends at %d, want %d", d.log.End(), end)
		}
		time.Sleep(100 * time.Microsecond)
	}
	select {
	case err := <-done:
		d.t.Fatalf("returned before the fact was durable: %v", err)
	default:
	}
}

var errWant = errors.New("replicatest: want an error")

func isNotYet(err error) error {
	if !errors.Is(err, replica.ErrNotYet) {
		return fmt.Errorf("%w: got %v, want ErrNotYet", errWant, err)
	}
	return nil
}
