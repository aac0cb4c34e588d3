package lane_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/journal/logtest"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

// fakeGate does what the test says and remembers what it was told.
type fakeGate struct {
	mu       sync.Mutex
	refuse   error // of Release
	silent   error // of Withdraw
	counted  bool  // LastCounters has something
	counters drivers.Counters
	permits  []drivers.Permit
	closed   int // Withdraws
}

var (
	_ drivers.Gate           = (*fakeGate)(nil)
	_ drivers.PassageCounter = (*fakeGate)(nil)
)

func (g *fakeGate) Release(_ context.Context, p drivers.Permit) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.permits = append(g.permits, p)
	return g.refuse
}

func (g *fakeGate) LastCounters() (drivers.Counters, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counters, g.counted
}

func (g *fakeGate) Withdraw(context.Context, drivers.Direction) (drivers.Counters, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed++
	return g.counters, g.silent
}

func (g *fakeGate) set(change func(*fakeGate)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
}

// last is the permit that was released last; n is how many were.
func (g *fakeGate) last() (p drivers.Permit, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n = len(g.permits); n > 0 {
		p = g.permits[n-1]
	}
	return p, n
}

// machineClock is the machine's own, as a ledger's clock; in a bubble that is virtual.
type machineClock struct{}

func (machineClock) Now() (int64, int32, bool) { return time.Now().UnixMilli(), 0, true }

// rig is a lane between a gate that the test plays and a real ledger. It lives in a synctest bubble.
type rig struct {
	t     *testing.T
	dir   string
	disk  *logtest.Disk // the journal's
	world *decisions.World
	gate  *fakeGate
	kind  ticket.RequestKind
	fault lane.OnFault

	*ledger.Ledger
	lane *lane.Lane
	stop func()

	mu    sync.Mutex
	shown []lane.Shown
}

// bubble runs a test in virtual time, at a ticket with so many entries.
func bubble(t *testing.T, entries uint16, test func(*testing.T, *rig)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir)
		r.begin(entries)
		defer r.end() // also after a failure: a bubble must not leave goroutines behind
		test(t, r)
	})
}

func (r *rig) end() {
	r.halt()
	if err := r.Close(); err != nil {
		r.t.Errorf("close: %v", err)
	}
}

func newRig(t *testing.T, dir string) *rig {
	gate := &fakeGate{counted: true, counters: drivers.Counters{Entry: 41, Exit: 7}}
	return &rig{t: t, dir: dir, disk: logtest.NewDisk(1, 64<<20), gate: gate, kind: ticket.RequestEntry}
}

// begin opens the ledger, feeds it and starts the lane.
func (r *rig) begin(entries uint16) {
	r.t.Helper()
	r.newWorld(entries)
	r.open()
	before, _, err := r.world.Feed()
	r.must(err)
	r.must(r.Reset(context.Background(), decisions.Epoch))
	r.must(r.apply(before))
	r.run("door", r.gate)
}

func (r *rig) newWorld(entries uint16) {
	r.t.Helper()
	rows, err := decisions.Table()
	r.must(err)
	row := rows[0]
	row.Max, row.Reentry = entries, ticket.ReentryFree
	r.world, err = decisions.NewWorld(&row, time.Now())
	r.must(err)
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) open() {
	r.t.Helper()
	log, _, err := seglog.Open(seglog.Config{Dir: "/j", Epoch: 1, Key: []byte("chain key of a test"), SegmentSize: 64 << 10, FS: r.disk.Mount()})
	r.must(err)
	r.Ledger, _, err = ledger.Open(ledger.Config{
		Dir: r.dir, Self: decisions.Self, Tenant: decisions.Tenant, DataKey: make([]byte, 32), Clock: machineClock{},
		Log: slog.New(slog.DiscardHandler),
	}, log)
	r.must(err)
}

func (r *rig) apply(entries []wire.Entry) error {
	p := &wire.Page{Version: wire.Version, Epoch: decisions.Epoch, Entries: entries, CaughtUp: true}
	for i := range entries {
		p.Next = max(p.Next, entries[i].Pos)
	}
	return r.Apply(context.Background(), p)
}

// newLane is a lane of the rig; gate may be nil.
func (r *rig) newLane(name string, gate drivers.Gate) *lane.Lane {
	r.t.Helper()
	l, err := lane.New(lane.Config{
		Name: name, Kind: r.kind, Lane: func() ticket.Lane { return r.present(name) }, Gate: gate, PermitFor: 5 * time.Second, OnFault: r.fault,
		Ledger: r.Ledger, Decide: ticket.Check, Now: time.Now, Log: slog.New(slog.DiscardHandler), Show: r.show,
	})
	r.must(err)
	return l
}

func (r *rig) present(name string) ticket.Lane {
	l := r.world.Lanes["both"]
	l.Name = name
	return l
}

func (r *rig) show(s lane.Shown) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown = append(r.shown, s)
}

// run starts the rig's lane; halt ends it.
func (r *rig) run(name string, gate drivers.Gate) {
	r.t.Helper()
	r.lane = r.newLane(name, gate)
	r.stop = start(r.lane)
}

// start runs a lane until the returned function is called, which waits for its end.
func start(l *lane.Lane) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.Run(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}

func (r *rig) halt() {
	r.stop()
	synctest.Wait()
}

// restart ends the process and starts it again; the gate lives on.
func (r *rig) restart(gate drivers.Gate) {
	r.t.Helper()
	r.halt()
	r.must(r.Close())
	r.open()
	r.run("door", gate)
	synctest.Wait()
}

// scan hands a read to the lane and returns what it shows then.
func (r *rig) scan(code string) lane.Shown {
	return r.scanned(drivers.Scan{Data: []byte(code), Bytes: len(code) + 1})
}

func (r *rig) scanned(s drivers.Scan) lane.Shown {
	r.lane.Scan(s)
	synctest.Wait()
	return r.lane.Last()
}

// passage tells how the newest permit ended.
func (r *rig) passage(how drivers.PassageOutcome) lane.Shown {
	p, _ := r.gate.last()
	r.lane.Passage(context.Background(), drivers.Passage{Permit: p.ID, Outcome: how})
	synctest.Wait()
	return r.lane.Last()
}

func (r *rig) gateUp() lane.Shown {
	r.lane.GateUp(context.Background())
	synctest.Wait()
	return r.lane.Last()
}

func (r *rig) gateDown() lane.Shown {
	r.lane.GateDown(context.Background())
	synctest.Wait()
	return r.lane.Last()
}

// later lets virtual time pass.
func later(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (r *rig) used() uint16 {
	_, h, _ := r.Ticket(decisions.TheID)
	return h.Used
}

// facts are the kinds of all facts in the journal, in order, without notes of the station.
func (r *rig) facts() []ticket.FactKind {
	r.t.Helper()
	entries, err := r.Journal(1, 100_000, 64<<20)
	r.must(err)
	var out []ticket.FactKind
	for i := range entries {
		out = append(out, ticket.FactKind(entries[i].Kind))
	}
	return out
}

func (r *rig) wantFacts(want ...ticket.FactKind) {
	r.t.Helper()
	later(time.Millisecond) // refusals are not waited for
	if got := r.facts(); !slices.Equal(got, want) {
		r.t.Fatalf("facts %v, want %v", got, want)
	}
}

func (r *rig) wantShown(s lane.Shown, reason ticket.Reason, passage lane.PassageState) {
	r.t.Helper()
	if s.Verdict.Reason != reason || s.Passage != passage {
		r.t.Fatalf("shows %s, passage %q; want %s, %q", s.Verdict.Reason, s.Passage, reason, passage)
	}
}

// recall offers a recall of the world's ticket; waits says that the page has to come again.
func (r *rig) recall() (waits bool) {
	r.t.Helper()
	tk := r.world.Ticket
	tk.Ver++
	tk.Entry.Custody = ticket.CustodyRecalled
	body, err := json.Marshal(tk)
	r.must(err)
	_, cursor := r.Cursor()
	err = r.apply([]wire.Entry{{Pos: cursor + 1, Kind: wire.KindTicket, Key: wire.Key(tk.ID), Ver: tk.Ver, Body: body}})
	if errors.Is(err, replica.ErrNotYet) {
		return true
	}
	r.must(err)
	return false
}

// notes are the counted refusals in the journal.
func (r *rig) notes() []ticket.Note { return r.notesOf(ticket.FactRefusalsRepeated) }

func (r *rig) notesOf(kind ticket.FactKind) []ticket.Note {
	r.t.Helper()
	entries, err := r.Journal(1, 100_000, 64<<20)
	r.must(err)
	var out []ticket.Note
	for i := range entries {
		if ticket.FactKind(entries[i].Kind) == kind {
			var n ticket.Note
			r.must(n.Decode(entries[i].Body))
			out = append(out, n)
		}
	}
	return out
}

func garbage(i int) string { return fmt.Sprintf("garbage %d", i) }
