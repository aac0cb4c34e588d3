package simtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"yipiao/sync/hub"
	"yipiao/sync/journal/memlog"
	"yipiao/sync/link"
	"yipiao/sync/replica"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/replica/replicatest"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

var errSpoilt = errors.New("simtest: the catalogue cannot be written")

// A life is one process of a station.
type life struct {
	replicatest.Station
	ctx   context.Context
	stop  context.CancelFunc
	tape  *tape
	epoch uint32
	at    *place
	open  []uint64 // passages that were found open
}

// A place is a station: its machine, its lines, its clock and what runs on it.
type place struct {
	w      *world
	number int
	peer   link.Peer
	lines  []*line
	clock  watch
	box    atomic.Pointer[box]
	now    atomic.Pointer[life]
	full   atomic.Bool // the disk takes no new facts
	spoilt atomic.Bool
	jolt   chan struct{} // asks for a power cut
	dark   atomic.Bool   // the operator is at work: nobody else switches it on
}

// A box is the machine that stands at a place, and its journal as it is on the disk. It is replaced, never
// changed.
type box struct {
	machine Machine
	epoch   uint32
	log     *memlog.Log
}

// newBox is a machine that has never run.
func (p *place) newBox(epoch uint32) *box {
	return &box{
		machine: p.w.build.Machine(p.peer.Station, tenant), epoch: epoch,
		log: memlog.New(memlog.Options{Epoch: epoch, Key: chainKey(p.number, epoch), Manual: true}),
	}
}

// wound is the box with its journal as a power cut, or an orderly end, has left it.
func (b *box) wound() *box { return &box{machine: b.machine, epoch: b.epoch, log: b.log.Crash()} }

func chainKey(station int, epoch uint32) []byte {
	return fmt.Appendf(nil, "chain key %4d %4d of a simulation", station, epoch)[:32]
}

func newPlace(w *world, by *actor, i int) *place {
	p := &place{w: w, number: i + 1, peer: link.Peer{Tenant: tenant, Station: ticket.StationID(i + 1)}}
	p.box.Store(p.newBox(1))
	p.jolt = make(chan struct{}, 1)
	for n := range 1 + by.rand.IntN(2) {
		p.lines = append(p.lines, newLine(p, n))
	}
	w.cloud.AddStation(p.peer, 1, chainKey(p.number, 1))
	w.model.open(p)
	w.model.tell(p)
	return p
}

// on starts the station's process.
func (p *place) on(ctx context.Context, by *actor) {
	ctx, stop := context.WithCancel(ctx)
	b := p.box.Load()
	t := &tape{Log: b.log, at: p, epoch: b.epoch, clerk: p.w.actor("clerk%d", p.number)}
	st, err := b.machine.Start(Env{Log: t, Clock: &p.clock, Spoil: p.spoil})
	if err != nil {
		stop()
		p.w.fail("station %d does not start: %w", p.number, err)
		return
	}
	l := &life{Station: st, ctx: ctx, stop: stop, tape: t, epoch: b.epoch, at: p, open: st.OpenPassages()}
	p.now.Store(l)
	by.say("station %d starts: epoch %d, fact %d", p.number, b.epoch, b.log.End())
	p.w.begin(ctx, p.disk, "disk%d", p.number)
	p.w.begin(ctx, l.keep, "keeper%d", p.number)
	for _, u := range p.lines {
		r, err := replica.New(replica.Config{
			Store: slow{l}, Cloud: u, Epoch: b.epoch, Rows: 2 + by.rand.IntN(30), WaitMs: 1000 + by.rand.IntN(20_000),
			Pause: func(ctx context.Context, d time.Duration) error { return actorOf(ctx).nap(ctx, d) },
		})
		if err != nil {
			p.w.fail("runner: %w", err)
			return
		}
		p.w.begin(ctx, func(ctx context.Context, _ *actor) { _ = r.RunDown(ctx) }, "down%d.%d", p.number, u.number)
		p.w.begin(ctx, func(ctx context.Context, _ *actor) { _ = r.RunUp(ctx) }, "up%d.%d", p.number, u.number)
	}
}

// spoil is asked before the catalogue is written.
func (p *place) spoil() error {
	if p.spoilt.Load() {
		return errSpoilt
	}
	return nil
}

// off ends the station in an orderly way.
func (p *place) off(by *actor) {
	l := p.now.Swap(nil)
	if l == nil {
		return
	}
	by.say("station %d stops", p.number)
	l.stop()
	l.tape.closing.Store(true)
	by.settle()
	b := p.box.Load()
	if err := b.log.Flush(); err != nil {
		p.w.fail("station %d: flush at the end: %w", p.number, err)
	}
	by.settle()
	if err := b.machine.Stop(by.in(context.Background())); err != nil {
		p.w.fail("station %d does not stop: %w", p.number, err)
	}
	by.settle()
	l.tape.dead.Store(true)
	p.box.Store(b.wound())
	by.settle()
}

// cut takes the station's power away.
func (p *place) cut(by *actor) {
	l := p.now.Swap(nil)
	if l == nil {
		return
	}
	b := p.box.Load()
	if end, durable := b.log.End(), b.log.Durable().Seq; end > durable && by.oneIn(2) { // some of it was on its way
		_ = b.log.FlushTo(durable + by.rand.Uint64N(end-durable+1))
	}
	l.tape.dead.Store(true)
	l.stop()
	lost := b.log.End() - b.log.Durable().Seq
	p.box.Store(b.wound())
	by.say("station %d loses its power, and %d facts", p.number, lost)
	p.w.model.crashed(p)
	by.settle()
	b.machine.PowerCut(by.in(context.Background()))
	by.settle()
}

// write is told of everything that is written. Some of it is followed at once by a power cut.
func (p *place) write(what uint64, often int) {
	h := (what + p.w.seed<<20 + uint64(p.number)<<50) * 0x9e3779b97f4a7c15
	if h>>33%uint64(often) == 0 {
		select {
		case p.jolt <- struct{}{}:
		default:
		}
	}
}

// jolted waits for the next power cut: soon after something was written, or any time. It returns false at
// the end of the load.
func (p *place) jolted(load context.Context, a *actor) bool {
	if load.Err() != nil {
		return false
	}
	t := time.NewTimer(a.next(a.within(4*time.Second, 40*time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.jolt:
		a.settle()
		return a.rest(load, 0, 20*time.Millisecond) == nil
	case <-load.Done():
		a.settle()
		return false
	}
}

// power cuts the station off, or restarts it.
func (p *place) power(ctx, load context.Context, a *actor) {
	for p.jolted(load, a) {
		if p.dark.Swap(true) {
			continue
		}
		if a.oneIn(3) {
			p.off(a)
		} else {
			p.cut(a)
		}
		long := 2 * time.Second
		if a.oneIn(4) {
			long = 20 * time.Second
		}
		_ = a.rest(load, 10*time.Millisecond, long)
		p.on(ctx, a)
		p.dark.Store(false)
	}
}

// trouble fills the disk, spoils the catalogue and sets the clock wrong, for a while.
func (p *place) trouble(_, load context.Context, a *actor) {
	for a.rest(load, 2*time.Second, 30*time.Second) == nil {
		switch a.rand.IntN(3) {
		case 0:
			a.say("disk of station %d is full", p.number)
			p.full.Store(true)
			_ = a.rest(load, 100*time.Millisecond, 6*time.Second)
			p.full.Store(false)
		case 1:
			a.say("catalogue of station %d cannot be written", p.number)
			p.spoilt.Store(true)
			_ = a.rest(load, 100*time.Millisecond, 3*time.Second)
			p.spoilt.Store(false)
		case 2:
			p.clock.ahead.Store(int64(a.rand.IntN(3)-1) * time.Hour.Milliseconds())
			a.say("clock of station %d is %d ms ahead", p.number, p.clock.ahead.Load())
		}
	}
	p.clock.ahead.Store(0)
}

// keep ends what was open when the process before ended, and writes checkpoints.
func (l *life) keep(ctx context.Context, a *actor) {
	for _, grant := range l.open {
		if l.at.w.model.told(l.at, l.epoch, grant) {
			continue // somebody stands at the gate and will say how it ends
		}
		how := replicamem.Lapsed // the gate never heard of it
		if a.oneIn(5) || l.bySignature(grant) {
			how = replicamem.Uncertain
		}
		a.say("passage of fact %d: nobody was let in, %d", grant, how)
		for l.EndPassage(ctx, grant, how) != nil {
			if a.rest(ctx, 10*time.Millisecond, time.Second) != nil {
				return
			}
		}
		a.settle()
	}
	for a.rest(ctx, 500*time.Millisecond, 12*time.Second) == nil {
		err := l.Checkpoint(ctx)
		a.settle()
		a.say("checkpoint: %v", err)
	}
}

// bySignature reports whether a grant in the journal was given on the signature alone; see unlapsing.
func (l *life) bySignature(grant uint64) bool {
	list, err := l.Journal(grant, 1, 1)
	if err != nil || len(list) == 0 {
		return false
	}
	f, _, err := hub.Read(&list[0])
	return err == nil && f != nil && f.Verdict != nil && unlapsing(f.Verdict.Reason)
}

// late applies a page that comes over another line, later, if the process is still the same.
func (p *place) late(by *actor, page wire.Page) {
	l := p.now.Load()
	if l == nil {
		return
	}
	long := 300 * time.Millisecond
	if by.oneIn(3) {
		long = 10 * time.Second
	}
	p.w.stray(l.ctx, func(ctx context.Context, a *actor) {
		for a.rest(ctx, 0, long) == nil {
			if err := (slow{l}).Apply(ctx, &page); err == nil || a.oneIn(3) {
				return
			}
		}
	}, "late%d", p.number)
}

// slow is the station as its runners see it: every step is an event of its own.
type slow struct{ *life }

var _ replica.Store = slow{}

// Apply implements replica.Store.
func (s slow) Apply(ctx context.Context, page *wire.Page) error {
	a := actorOf(ctx)
	if err := a.rest(ctx, 0, 3*time.Millisecond); err != nil {
		return err
	}
	actx, leave := context.WithCancel(ctx)
	if a.fault(8) { // the line that has brought it dies meanwhile
		s.at.w.begin(actx, func(ctx context.Context, a *actor) {
			_ = a.rest(ctx, 0, 15*time.Millisecond)
			leave()
		}, "fuse%d", s.at.number)
		a.settle()
	}
	err := s.life.Apply(actx, page)
	leave()
	a.settle()
	epoch, cursor := s.Cursor()
	a.say("applies %d rows up to %d: %s %d, %v", len(page.Entries), page.Next, epoch, cursor, err)
	if err == nil && len(page.Entries) > 0 {
		s.at.write(cursor, 60)
	}
	s.at.w.model.applied(s.life, page, err)
	return err
}

// Reset implements replica.Store.
func (s slow) Reset(ctx context.Context, epoch string) error {
	a := actorOf(ctx)
	if err := a.rest(ctx, 0, 3*time.Millisecond); err != nil {
		return err
	}
	err := s.life.Reset(ctx, epoch)
	a.settle()
	a.say("begins feed %s: %v", epoch, err)
	return err
}
