package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"yipiao/drivers/port"
)

var errWithin = errors.New("bus: a turn within a turn")

// Options are what is known of the line. The zero value is 9600 baud.
type Options struct {
	// Gap is the silence after a turn before the next; 0 is 4 ms, 3.5 characters at 9600 baud.
	Gap time.Duration
	// PerByte is how long a byte takes on the wire; 0 is 1042 µs. Bytes that were written last may still
	// be on their way when a turn ends.
	PerByte time.Duration
	// Overbooked, where set, is told when the line becomes overbooked (a note for technicians, English) and
	// when it no more is (""). It is called from a view's Turn, and must not call the Bus.
	Overbooked func(note string)
}

// At is the options of a line at a speed in bits per second, with ten bits to a byte. The gap is 3.5 characters,
// and no less than 1.75 ms (Modbus over serial line V1.02 §2.5.1.1).
func At(baud int) Options {
	if baud <= 0 {
		return Options{}
	}
	perByte := 10 * time.Second / time.Duration(baud)
	return Options{Gap: max(7*perByte/2, 1750*time.Microsecond), PerByte: perByte}
}

// A Bus is one shared line. Its methods are safe for concurrent use.
type Bus struct {
	port port.Port
	opt  Options

	mu    sync.Mutex // guards the fields below
	views int        // which have not been closed
	turn  *View      // whose turn it is; nil = nobody's
	queue []*waiter  // in the order of their coming
	quiet time.Time  // from then on the line has been silent for long enough
	timer *time.Timer
	dead  error // why the line is no more
	load  load
}

// A waiter is a Turn that has not been granted.
type waiter struct {
	view    *View
	urgent  bool
	since   time.Time
	granted chan struct{} // closed with the grant, or when err is set
	err     error
}

// New shares an open port. The Bus owns it from now on: it closes the port when the line dies or the last view is
// closed.
func New(p port.Port, opt Options) *Bus {
	if opt.Gap <= 0 {
		opt.Gap = 4 * time.Millisecond
	}
	if opt.PerByte <= 0 {
		opt.PerByte = 1042 * time.Microsecond
	}
	if opt.Overbooked == nil {
		opt.Overbooked = func(string) {}
	}
	return &Bus{port: p, opt: opt}
}

// Join hands out another view. ok is false where the line has died or been closed: it has to be opened anew.
func (b *Bus) Join() (v *View, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dead != nil {
		return nil, false
	}
	b.views++
	return &View{bus: b}, true
}

// ask queues for a turn.
func (b *Bus) ask(v *View, urgent bool) (*waiter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case v.closed:
		return nil, os.ErrClosed
	case b.dead != nil:
		return nil, b.dead
	case b.turn == v:
		return nil, errWithin
	}
	w := &waiter{view: v, urgent: urgent, since: time.Now(), granted: make(chan struct{})}
	b.queue = append(b.queue, w)
	b.grant(w.since)
	return w, nil
}

// grant gives the line to the next who waits, if it is free and has been silent. It is called under mu.
func (b *Bus) grant(now time.Time) {
	if b.turn != nil || len(b.queue) == 0 || b.dead != nil {
		return
	}
	if wait := b.quiet.Sub(now); wait > 0 {
		if b.timer == nil {
			b.timer = time.AfterFunc(wait, b.elapsed)
		}
		return
	}
	i := max(slices.IndexFunc(b.queue, func(w *waiter) bool { return w.urgent }), 0)
	w := b.queue[i]
	b.queue = slices.Delete(b.queue, i, i+1)
	b.turn = w.view
	b.load.waited(now, w)
	if err := w.view.arm(); err != nil {
		b.die(err)
		w.err = err
	}
	close(w.granted)
}

// elapsed is called when the silence after a turn is over.
func (b *Bus) elapsed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer = nil
	b.grant(time.Now())
}

// leave takes back what ask did, at whatever stage it is.
func (b *Bus) leave(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.queue, w); i >= 0 {
		b.queue = slices.Delete(b.queue, i, i+1)
		return
	}
	b.release(w.view)
}

// release ends a view's turn, if it has it. It is called under mu.
func (b *Bus) release(v *View) {
	if b.turn != v {
		return
	}
	b.turn = nil
	b.grant(time.Now())
}

// die ends the line for everybody. It is called under mu.
func (b *Bus) die(err error) {
	if b.dead != nil {
		return
	}
	if !errors.Is(err, port.ErrGone) && !errors.Is(err, os.ErrClosed) {
		err = fmt.Errorf("%w: %w", port.ErrGone, err)
	}
	b.dead = err
	for _, w := range b.queue {
		w.err = err
		close(w.granted)
	}
	b.queue = nil
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	_ = b.port.Close() // at once: a device that is plugged in again wants its name back
}

// note tells the load if it has changed.
func (b *Bus) note() {
	b.mu.Lock()
	said, changed := b.load.review(time.Now(), b.queue)
	b.mu.Unlock()
	if changed {
		b.opt.Overbooked(said)
	}
}

// await waits until a turn is granted.
func (b *Bus) await(ctx context.Context, w *waiter) error {
	select {
	case <-w.granted:
		return w.err
	case <-ctx.Done():
		b.leave(w)
		return ctx.Err()
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
