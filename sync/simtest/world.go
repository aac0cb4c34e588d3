package simtest

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/sync/hub/hubtest"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/replica/replicatest"
	"yipiao/sync/ticket"
)

// A Cloud is the database behind all nodes of the cloud. One that is an io.Closer is closed at the end.
type Cloud interface {
	hubtest.World
	PutGateGroup(f link.Peer, g ticket.GateGroup)
	PutSignKey(f link.Peer, k ticket.SignKey)
	// Facts returns what was stored of a station's journals, in the order in which it came.
	Facts(f link.Peer) []journal.Entry
}

// A Machine is the hardware of a station: what is on its disk outlasts the processes that it runs.
type Machine interface {
	// Start runs the station on the disk and the journal.
	Start(env Env) (replicatest.Station, error)
	// Stop ends the running station in an orderly way, without closing its log.
	Stop(ctx context.Context) error
	// PowerCut ends it without; its log has been closed before.
	PowerCut(ctx context.Context)
}

// An Env is what a Machine runs a station with.
type Env struct {
	Log   journal.Log // as it was found at this start
	Clock replicamem.Clock
	// Spoil is asked before the catalogue is written: its error should fail the write.
	Spoil func() error
}

// A Build says what a simulation is made of.
type Build struct {
	Cloud   func() Cloud
	Machine func(self ticket.StationID, tenant ticket.TenantID) Machine
	// Light asks for less load, for components that use a real disk.
	Light bool
}

// A Result is what became of one run of a seed.
type Result struct {
	Seed  uint64
	Trace []string // one line for each event
	Sum   uint64   // of the trace
	Err   error    // the first finding, nil for none
	Tally Tally
}

// Tenant of every simulation.
const tenant ticket.TenantID = 7

// A world is one run.
type world struct {
	seed   uint64
	build  *Build
	plan   plan
	began  time.Time
	stormy atomic.Bool  // things go wrong
	strays atomic.Int64 // requests and pages that are on their way a second time
	group  sync.WaitGroup
	broken chan struct{} // closed at the first finding
	cloud  Cloud
	nodes  []*node
	places []*place
	model  *model
	tally  Tally

	mu     sync.Mutex // guards the fields below
	actors int
	trace  []string
	failed error
}

// A plan is what the seed decides before anything happens.
type plan struct {
	stations, nodes, desks, scanners int
	tickets                          int // of a station, at the beginning
	load                             time.Duration
	replace                          bool
	storm                            bool
}

func newPlan(seed uint64, light bool) plan {
	r := rand.New(rand.NewPCG(seed, 0))
	p := plan{
		stations: 1 + r.IntN(2), nodes: 1 + r.IntN(3), desks: 2 + r.IntN(2), scanners: 2, tickets: 4 + r.IntN(8),
		load: time.Duration(30+r.IntN(60)) * time.Second, replace: r.IntN(3) == 0, storm: r.IntN(20) > 0,
	}
	switch n := r.IntN(200); {
	case light:
		p.load /= 2
	case n == 0:
		p.stations, p.tickets, p.load = 50, 3, 20*time.Second
	case n < 4:
		p.stations, p.load = 10+r.IntN(15), 30*time.Second
	case n < 40:
		p.stations = 3 + r.IntN(4)
	}
	return p
}

// Run runs one seed once. It must not be called within a bubble.
func Run(t *testing.T, seed uint64, b Build) Result {
	t.Helper()
	w := &world{seed: seed, build: &b, plan: newPlan(seed, b.Light)}
	synctest.Test(t, func(*testing.T) { w.run() })
	return Result{Seed: seed, Trace: w.trace, Sum: sum(w.trace), Err: w.failed, Tally: w.tally}
}

// calmWithin is how long everything may take to be equal once nothing goes wrong any more (I5).
const calmWithin = 3 * time.Minute

func (w *world) run() {
	w.began, w.broken = time.Now(), make(chan struct{}) // of the bubble
	w.stormy.Store(w.plan.storm)
	ctx, stop := context.WithCancel(context.Background())
	main := w.actor("main")
	main.settle()
	w.found(ctx, main)
	load, calm := context.WithCancel(ctx)
	var people sync.WaitGroup
	w.populate(ctx, load, main, &people)
	w.until(main, w.plan.load)
	calm()
	main.settle()
	main.say("the load ends, nothing goes wrong any more")
	w.stormy.Store(false)
	w.mend(ctx, main)
	served := make(chan struct{})
	go func() { people.Wait(); close(served) }()
	select {
	case <-served:
	case <-w.broken:
	case <-time.After(10 * time.Minute):
		w.fail("somebody is still waiting 10 minutes after the load has ended (I5)")
	}
	main.settle()
	w.settleDown(ctx, main)
	stop()
	w.group.Wait()
	people.Wait()
	for _, p := range w.places {
		main.settle()
		p.off(main)
	}
	if c, ok := w.cloud.(io.Closer); ok {
		if err := c.Close(); err != nil {
			w.fail("close the cloud: %w", err)
		}
	}
}

// until waits for the end of a time, or for the first finding.
func (w *world) until(a *actor, d time.Duration) {
	t := time.NewTimer(a.next(d))
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.broken:
		a.settle()
	}
}

// found makes nodes, stations, sessions and the first tickets.
func (w *world) found(ctx context.Context, main *actor) {
	w.cloud = w.build.Cloud()
	w.model = newModel(w)
	main.say("seed %d: %+v", w.seed, w.plan)
	for i := range w.plan.nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	for i := range w.plan.stations {
		w.places = append(w.places, newPlace(w, main, i))
	}
	for _, n := range w.nodes {
		n.up(ctx, main)
	}
	for _, p := range w.places {
		p.on(ctx, main)
	}
}

// populate lets everybody act.
func (w *world) populate(ctx, load context.Context, main *actor, people *sync.WaitGroup) {
	person := func(run func(ctx, load context.Context, a *actor), format string, args ...any) {
		main.settle()
		people.Add(1)
		w.begin(ctx, func(ctx context.Context, a *actor) {
			defer people.Done()
			run(ctx, load, a)
		}, format, args...)
	}
	for i := range w.plan.desks {
		person(w.desk, "desk%d", i)
	}
	for _, p := range w.places {
		for i := range w.plan.scanners {
			person(p.scan, "gate%d.%d", p.number, i)
		}
		if !w.plan.storm {
			continue
		}
		person(p.power, "power%d", p.number)
		person(p.trouble, "trouble%d", p.number)
		for _, u := range p.lines {
			person(u.weather, "line%d.%d", p.number, u.number)
		}
	}
	if w.plan.storm {
		for _, n := range w.nodes {
			person(n.fate, "fate%d", n.number)
		}
	}
	if w.plan.replace {
		person(w.places[0].replace, "operator")
	}
	person(w.race, "race")
}

// mend ends what is broken.
func (w *world) mend(ctx context.Context, main *actor) {
	for _, n := range w.nodes {
		n.up(ctx, main)
	}
	for _, p := range w.places {
		for _, u := range p.lines {
			u.restore(main)
		}
		p.full.Store(false)
		p.spoilt.Store(false)
	}
}
