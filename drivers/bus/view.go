package bus

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"yipiao/drivers/port"
)

// ErrNoTurn is returned by Read and Write between turns, which is a driver's error.
var ErrNoTurn = errors.New("bus: it is not this device's turn")

// A View is one device's port on a shared line. As a Port it may be used only during a turn; deadlines may be set at
// any time and count for that view alone. Close may be called from any goroutine and ends the view's turn.
type View struct {
	bus *Bus

	// guarded by the bus's mu
	closed      bool
	flying      int // calls of Read and Write which have not returned
	read, write time.Time
}

var (
	_ port.Port  = (*View)(nil)
	_ port.Turns = (*View)(nil)
)

// Turn implements port.Turns.
func (v *View) Turn(ctx context.Context, urgent bool) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w, err := v.bus.ask(v, urgent)
	if err != nil {
		return nil, err
	}
	err = v.bus.await(ctx, w)
	v.bus.note()
	if err != nil {
		return nil, err
	}
	var once sync.Once
	return func() {
		once.Do(func() {
			v.bus.mu.Lock()
			defer v.bus.mu.Unlock()
			v.bus.release(v)
		})
	}, nil
}

// arm sets the port's deadlines to the view's, whose turn begins. It is called under the bus's mu.
func (v *View) arm() error {
	if err := v.bus.port.SetReadDeadline(v.read); err != nil {
		return err
	}
	return v.bus.port.SetWriteDeadline(v.write)
}

// Read implements port.Port.
func (v *View) Read(p []byte) (int, error) { return v.call(p, v.bus.port.Read, v.heard) }

// Write implements port.Port.
func (v *View) Write(p []byte) (int, error) { return v.call(p, v.bus.port.Write, v.sent) }

// heard notes bytes that came: the last of them has just gone over the wire.
func (v *View) heard(now time.Time, _ int) {
	v.bus.quiet = later(v.bus.quiet, now.Add(v.bus.opt.Gap))
}

// sent notes bytes that were handed over: they still have to go over the wire.
func (v *View) sent(now time.Time, n int) {
	v.bus.quiet = now.Add(time.Duration(n)*v.bus.opt.PerByte + v.bus.opt.Gap)
}

// call does one Read or Write of the port during the view's turn, and notices when the line has died.
func (v *View) call(p []byte, do func([]byte) (int, error), moved func(time.Time, int)) (int, error) {
	b := v.bus
	if err := v.begin(); err != nil {
		return 0, err
	}
	n, err := do(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	v.flying--
	if n > 0 {
		moved(time.Now(), n)
	}
	switch {
	case v.closed:
		err = os.ErrClosed
		if v.flying == 0 {
			b.release(v)
		}
	case b.dead != nil:
		err = b.dead
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		b.die(err)
		err = b.dead
	}
	return n, err
}

func (v *View) begin() error {
	b := v.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case v.closed:
		return os.ErrClosed
	case b.dead != nil:
		return b.dead
	case b.turn != v:
		return ErrNoTurn
	}
	v.flying++
	return nil
}

// SetReadDeadline implements port.Port.
func (v *View) SetReadDeadline(t time.Time) error {
	return v.bound(t, &v.read, v.bus.port.SetReadDeadline)
}

// SetWriteDeadline implements port.Port.
func (v *View) SetWriteDeadline(t time.Time) error {
	return v.bound(t, &v.write, v.bus.port.SetWriteDeadline)
}

func (v *View) bound(t time.Time, own *time.Time, set func(time.Time) error) error {
	b := v.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case v.closed:
		return os.ErrClosed
	case b.dead != nil:
		return b.dead
	}
	*own = t
	if b.turn != v {
		return nil
	}
	return set(t)
}

// Close implements port.Port. It closes the line if this was its last view.
func (v *View) Close() error {
	b := v.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if v.closed {
		return nil
	}
	v.closed = true
	for _, w := range b.queue {
		if w.view == v {
			w.err = os.ErrClosed
			close(w.granted)
		}
	}
	b.queue = without(b.queue, v)
	if b.turn == v {
		past := time.Unix(1, 0)
		_ = b.port.SetReadDeadline(past) // wakes a call that is blocked; release comes after it
		_ = b.port.SetWriteDeadline(past)
		if v.flying == 0 {
			b.release(v)
		}
	}
	if b.views--; b.views == 0 {
		b.die(os.ErrClosed)
	}
	return nil
}

func without(queue []*waiter, v *View) []*waiter {
	var rest []*waiter
	for _, w := range queue {
		if w.view != v {
			rest = append(rest, w)
		}
	}
	return rest
}
