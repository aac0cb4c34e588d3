package simtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// grid is the distance of an actor's instants; its number is their offset, in nanoseconds. Timers of the
// code under test are whole milliseconds, so they end on the residue of the actor that has begun them.
const grid = 10 * time.Microsecond

// An actor is one line of action. Whatever has woken it, it goes on at an instant of its own.
type actor struct {
	w    *world
	name string
	slot time.Duration
	rand *rand.Rand
}

type actorKey struct{}

// Settle waits until an instant at which only the actor of ctx acts. A Machine calls it after something else
// than the simulation's own waits has woken it.
func Settle(ctx context.Context) {
	if a, ok := ctx.Value(actorKey{}).(*actor); ok {
		a.settle()
	}
}

func actorOf(ctx context.Context) *actor {
	a, ok := ctx.Value(actorKey{}).(*actor)
	if !ok {
		panic("simtest: nobody acts in this context")
	}
	return a
}

// actor makes an actor. It is called at an instant of its maker.
func (w *world) actor(format string, args ...any) *actor {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.actors++
	return &actor{
		w: w, name: fmt.Sprintf(format, args...), slot: time.Duration(w.actors) % grid,
		rand: rand.New(rand.NewPCG(w.seed, uint64(w.actors))),
	}
}

// in returns ctx as the actor's.
func (a *actor) in(ctx context.Context) context.Context { return context.WithValue(ctx, actorKey{}, a) }

// begin lets a new actor act from its next instant on; the world waits for its end.
func (w *world) begin(ctx context.Context, run func(ctx context.Context, a *actor), format string, args ...any) {
	a := w.actor(format, args...)
	w.group.Go(func() {
		a.settle()
		run(a.in(ctx), a)
	})
}

// stray is begin for what nobody waits for, but the end of the simulation.
func (w *world) stray(ctx context.Context, run func(ctx context.Context, a *actor), format string, args ...any) {
	w.strays.Add(1)
	w.begin(ctx, func(ctx context.Context, a *actor) {
		defer w.strays.Add(-1)
		run(ctx, a)
		a.settle()
	}, format, args...)
}

// next is how long it is to the actor's first instant after d.
func (a *actor) next(d time.Duration) time.Duration {
	now := time.Since(a.w.began)
	at := now + d
	at += a.slot - at%grid
	if at <= now {
		at += grid
	}
	return at - now
}

// settle waits for the actor's next instant.
func (a *actor) settle() { time.Sleep(a.next(0)) }

// nap waits about d and goes on at an instant of the actor, also when ctx ends meanwhile; then it returns
// ctx's error.
func (a *actor) nap(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(a.next(d))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		a.settle()
	}
	return ctx.Err()
}

// within is a random time from lo to hi.
func (a *actor) within(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(a.rand.Int64N(int64(hi-lo)))
}

// rest naps from lo to hi.
func (a *actor) rest(ctx context.Context, lo, hi time.Duration) error {
	return a.nap(ctx, a.within(lo, hi))
}

// oneIn is true once in n times.
func (a *actor) oneIn(n int) bool { return a.rand.IntN(n) == 0 }

// fault is oneIn while things go wrong.
func (a *actor) fault(n int) bool {
	hit := a.oneIn(n)
	return hit && a.w.stormy.Load()
}

// say adds a line to the trace.
func (a *actor) say(format string, args ...any) { a.w.say(a.name, format, args...) }

func (w *world) say(who, format string, args ...any) {
	line := fmt.Sprintf("%12.6f %-14s %s", time.Since(w.began).Seconds(), who, fmt.Sprintf(format, args...))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, line)
}

// fail ends the simulation with what it has found; the first finding counts.
func (w *world) fail(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	w.mu.Lock()
	first := w.failed == nil
	if first {
		w.failed = err
	}
	w.mu.Unlock()
	if first {
		w.say("FAILED", "%v", err)
		close(w.broken)
	}
}

func (w *world) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// sum identifies a trace.
func sum(trace []string) uint64 {
	h := fnv.New64a()
	for _, line := range trace {
		_, _ = h.Write([]byte(line))
		_, _ = h.Write([]byte{'\n'})
	}
	return h.Sum64()
}
