package lane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// decideFor bounds one decision: a disk that stalls must not open a gate after the person has left.
const decideFor = 3 * time.Second

// lastWord bounds what is still written when a decision or the lane itself has ended.
const lastWord = time.Second

// passageGrace is how long after its permit a passage may stay unknown before a waiting recall makes
// it uncertain (R5).
const passageGrace = 5 * time.Second

// A Ledger is what a lane needs of the station's memory.
type Ledger interface {
	Do(ctx context.Context, req *ledger.Request, decide ledger.Decide) (ledger.Answer, error)
	EndPassage(ctx context.Context, grant uint64, how ledger.End) (uint64, error)
	OpenPassages(lane string) []ledger.Grant // oldest first
	Note(ctx context.Context, kind ticket.FactKind, n ticket.Note) (uint64, error)
	Ticket(id ticket.TicketID) (ticket.Ticket, ticket.Held, bool)
}

// An OnFault says what a lane with a gate does when the station cannot record (sync.md section 3).
type OnFault string

// What a lane does on a fault.
const (
	Closed OnFault = "closed" // nobody passes
	Free   OnFault = "free"   // everybody passes who holds up a code; counted, never an entry
)

// Config describes a lane. Lane is asked at every scan, because halls come from the feed.
type Config struct {
	Name      string
	Kind      ticket.RequestKind
	Lane      func() ticket.Lane
	Gate      drivers.Gate // nil: granted counts as passed
	PermitFor time.Duration
	OnFault   OnFault // when the station cannot record; default Closed
	Ledger    Ledger
	Decide    ledger.Decide
	Now       func() time.Time // for double reads, waiting and shown times
	Log       *slog.Logger
	// Show is told everything that the lane shows, in order. It must not block.
	Show func(Shown)
}

// A PassageState is how far the last admission has come.
type PassageState string

// Passage states.
const (
	PassageNone      PassageState = ""
	PassageWaiting   PassageState = "waiting" // the gate is open for the person
	PassagePassed    PassageState = "passed"
	PassageLapsed    PassageState = "lapsed"    // nobody walked; the entry was given back
	PassageUncertain PassageState = "uncertain" // counted as used
	PassageSettling  PassageState = "settling"  // the gate is lost; its counter will decide
)

// Shown is what the lane shows: the last verdict and its passage.
type Shown struct {
	Lane    string
	Verdict ticket.Verdict
	Seat    string
	Session string
	Holder  string // masked
	Ticket  ticket.TicketID
	Seq     uint64 // journal position of the decision
	EndSeq  uint64 // journal position of the passage's end
	Passage PassageState
	Repeat  bool // the same scan again: nothing was decided
	Bytes   int  // as read from the scanner
	At      time.Time
}

// A Lane is a channel at work. Its exported methods but Run are safe for concurrent use.
type Lane struct {
	cfg     Config
	events  chan any
	m       machine
	bursts  bursts
	permits uint64
	grant   uint64 // journal position of the open grant, 0 for none or an exit
	permit  drivers.PermitID
	before  *uint32   // the gate's counter before the open permit
	until   time.Time // when the open passage must have ended
	began   time.Time // when Run did: passages of an earlier run count from then
	unsaid  bool      // the gate did not answer how the passage ended: ask again
	freeing bool      // the open permit is a free passage
	freed   int64     // free passages that are not in the journal yet

	mu   sync.Mutex
	last Shown
}

type (
	gateUp   struct{}
	gateDown struct{}
)

// New checks the configuration. It does no I/O.
func New(cfg Config) (*Lane, error) {
	if cfg.Name == "" || cfg.Ledger == nil || cfg.Decide == nil || cfg.Lane == nil || cfg.Now == nil {
		return nil, errors.New("lane: name, ledger, decision, lane and time are required")
	}
	if cfg.Gate != nil && (cfg.PermitFor < time.Second || cfg.PermitFor > time.Minute) {
		return nil, fmt.Errorf("lane %s: permit_seconds: want 1 to 60", cfg.Name)
	}
	if cfg.Show == nil {
		cfg.Show = func(Shown) {}
	}
	return &Lane{cfg: cfg, events: make(chan any, 64)}, nil
}

// Scan hands a read to the lane. When the lane is far behind, it is dropped: the person scans again.
func (l *Lane) Scan(s drivers.Scan) {
	select {
	case l.events <- s:
	default:
		l.cfg.Log.Warn("scan dropped: lane is behind", "lane", l.cfg.Name)
	}
}

// Passage hands over the end of a permit. GateUp says that the gate's device runs (again), GateDown
// that it does not: a passage in progress will be settled by the gate's counter. They wait for room
// in the lane's queue, or for ctx.
func (l *Lane) Passage(ctx context.Context, p drivers.Passage) { l.tell(ctx, p) }

// GateUp is described at Passage.
func (l *Lane) GateUp(ctx context.Context) { l.tell(ctx, gateUp{}) }

// GateDown is described at Passage.
func (l *Lane) GateDown(ctx context.Context) { l.tell(ctx, gateDown{}) }

func (l *Lane) tell(ctx context.Context, ev any) {
	select {
	case l.events <- ev:
	case <-ctx.Done():
	}
}

// Last is what the lane shows now.
func (l *Lane) Last() Shown {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Run handles events one by one until ctx ends. Passages left open by an earlier run are settled as
// soon as the gate is up.
func (l *Lane) Run(ctx context.Context) error {
	l.began = l.cfg.Now()
	if l.cfg.Gate == nil {
		l.settleWithoutGate(ctx)
	}
	// Until the gate has told how a passage of an earlier run ended, nobody is let in on top of it: two
	// open passages could not be told apart by one counter.
	l.unsaid = l.cfg.Gate != nil && len(l.cfg.Ledger.OpenPassages(l.cfg.Name)) > 0
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.count(ctx, true)
			return nil
		case <-tick.C:
			l.count(ctx, false)
			if l.unsaid {
				l.settle(ctx)
			}
			l.overdue(ctx)
		case ev := <-l.events:
			l.handle(ctx, ev)
		}
	}
}

func (l *Lane) handle(ctx context.Context, ev any) {
	switch ev := ev.(type) {
	case drivers.Scan:
		l.scanned(ctx, ev)
	case drivers.Passage:
		l.ended(ctx, ev)
	case gateUp:
		l.settle(ctx)
	case gateDown:
		l.lost()
	}
}

func (l *Lane) scanned(ctx context.Context, s drivers.Scan) {
	l.count(ctx, false)
	p := l.m.scan(s, l.cfg.Now())
	if !p.decide {
		p.show.Bytes = s.Bytes
		l.show(p.show)
		return
	}
	if l.unsaid { // an earlier passage is not settled: no new permit on top of it
		if l.settle(ctx); l.unsaid {
			l.m.forget()
			l.show(Shown{Verdict: ticket.Verdict{Reason: ticket.GateFault}, Bytes: s.Bytes, At: l.cfg.Now()})
			return
		}
	}
	if s.Fault != drivers.ScanOK {
		s.Data = nil // not one of our codes, whatever it is; the fact keeps nothing of it
	}
	l.before = l.counter()
	if _, counts := l.cfg.Gate.(drivers.PassageCounter); counts && l.before == nil {
		// The gate has not told its counters yet: a passage could not be settled after a power cut.
		l.m.forget()
		l.show(Shown{Verdict: ticket.Verdict{Reason: ticket.GateFault}, Bytes: s.Bytes, At: l.cfg.Now()})
		return
	}
	req := &ledger.Request{
		Kind: l.cfg.Kind, Payload: string(s.Data), Device: l.cfg.Name, Permitted: true, Lane: l.cfg.Lane(), Face: true,
		Gated: l.cfg.Gate != nil, Counter: l.before, PermitFor: l.cfg.PermitFor,
		Counted: func(r ticket.Reason) bool { return l.bursts.refused(r, l.cfg.Now()) },
	}
	bounded, cancel := context.WithTimeout(ctx, decideFor)
	a, err := l.cfg.Ledger.Do(bounded, req, l.cfg.Decide)
	cancel()
	if err != nil {
		l.giveBack(ctx, a.Seq)
		a.Verdict = ticket.Verdict{Reason: ticket.StationFault}
		l.cfg.Log.Error("decision failed", "lane", l.cfg.Name, "error", err)
	}
	shown := l.shown(a, s.Bytes)
	if err != nil && l.cfg.OnFault == Free && l.cfg.Gate != nil && ctx.Err() == nil {
		shown.Verdict, shown.Seq, l.freeing = ticket.Verdict{Reason: ticket.FreePassage}, 0, true
		l.open(ctx, ledger.Answer{}, shown)
		return
	}
	out := a.Verdict.Outcome()
	if err != nil || l.cfg.Gate == nil || out != ticket.OutcomeAdmit && out != ticket.OutcomeExit {
		l.m.decided(shown, false)
		l.show(shown)
		return
	}
	l.open(ctx, a, shown)
}

// giveBack returns the entry of a grant that may or may not become durable: nobody was let in on it.
func (l *Lane) giveBack(ctx context.Context, grant uint64) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
	defer cancel()
	l.end(bounded, grant, ledger.Lapsed)
}

// count writes the counts of repeated refusals that are due, and of free passages. One that cannot be
// written is kept.
func (l *Lane) count(ctx context.Context, all bool) {
	if l.freed > 0 {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		n := l.freed
		seq, err := l.cfg.Ledger.Note(bounded, ticket.FactFreePassage, ticket.Note{Subject: l.cfg.Name, State: "on_fault", Count: n})
		cancel()
		if seq != 0 {
			l.freed -= n
		}
		if err != nil && all {
			l.cfg.Log.Error("count of free passages not recorded", "lane", l.cfg.Name, "count", n, "error", err)
		}
	}
	for _, r := range l.bursts.due(l.cfg.Now(), all) {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		note := ticket.Note{Subject: l.cfg.Name, State: string(r.reason), Count: r.count}
		seq, err := l.cfg.Ledger.Note(bounded, ticket.FactRefusalsRepeated, note)
		cancel()
		if seq != 0 { // in the journal, even if it was not waited for
			l.bursts.written(r)
		}
		if err != nil {
			l.cfg.Log.Error("count of refusals not recorded", "lane", l.cfg.Name, "error", err)
		}
	}
}

func (l *Lane) shown(a ledger.Answer, bytes int) Shown {
	s := Shown{Verdict: a.Verdict, Seq: a.Seq, Bytes: bytes, At: l.cfg.Now()}
	s.Seat, s.Holder, s.Ticket = a.Seat, a.Holder, a.Ticket
	if a.Session != nil {
		s.Session = a.Session.Name
	}
	return s
}

// counter is the gate's own counter before the passage, where it has one.
func (l *Lane) counter() *uint32 {
	pc, ok := l.cfg.Gate.(drivers.PassageCounter)
	if !ok {
		return nil
	}
	c, ok := pc.LastCounters()
	if !ok {
		return nil
	}
	n := l.pick(c)
	return &n
}

func (l *Lane) pick(c drivers.Counters) uint32 {
	if l.direction() == drivers.Exit {
		return c.Exit
	}
	return c.Entry
}

func (l *Lane) direction() drivers.Direction {
	if l.cfg.Kind == ticket.RequestExit {
		return drivers.Exit
	}
	return drivers.Entry
}

func (l *Lane) show(s Shown) {
	s.Lane = l.cfg.Name
	l.mu.Lock()
	l.last = s
	l.mu.Unlock()
	l.cfg.Show(s)
}
