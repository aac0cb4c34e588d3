package webui

import (
	"bufio"
	"errors"
	"sync"
	"time"
)

// An Event names something that happened and that open pages should show. Pages define their events.
type Event string

// Pace of a stream.
const (
	gap        = 250 * time.Millisecond // at most four messages a second
	beat       = 5 * time.Second        // at least one message in this time
	maxViewers = 64
)

// Errors of Serve.
var (
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("live stream: closed")
	// ErrFull is returned when as many pages are open as the bus serves.
	ErrFull = errors.New("live stream: too many open pages")
)

// A Bus tells open pages that something has changed. Events that come faster than pages are told are
// joined into one message. It starts no goroutine of its own, and a slow or vanished page holds up
// neither Publish nor another page. All methods are safe for concurrent use.
type Bus struct {
	done    chan struct{}
	version string // of the assets

	mu      sync.Mutex // guards what follows
	gen     uint64     // raised by every event
	viewers map[*viewer]struct{}
	closed  bool
}

// A viewer is one open page.
type viewer struct {
	wake   chan struct{}   // holds one token while events wait
	events map[Event]bool  // since the last message; guarded by Bus.mu
	sent   map[string]Part // as last sent
	seq    uint64
}

// NewBus returns a bus without viewers.
func NewBus() *Bus {
	return &Bus{done: make(chan struct{}), version: Version(), viewers: make(map[*viewer]struct{})}
}

// Publish tells all open pages that something has happened. It never blocks; after Close it does nothing.
func (b *Bus) Publish(ev Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gen++
	for v := range b.viewers {
		v.events[ev] = true
		select {
		case v.wake <- struct{}{}:
		default: // it is awake already
		}
	}
}

// Generation rises with every event.
func (b *Bus) Generation() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gen
}

// Viewers is the number of open pages.
func (b *Bus) Viewers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.viewers)
}

// Full reports whether as many pages are open as the bus serves.
func (b *Bus) Full() bool { return b.Viewers() >= maxViewers }

// Close ends all streams, now and for good, so that the server they run on can shut down. It may be
// called more than once.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		close(b.done)
	}
}

func (b *Bus) join() (*viewer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, ErrClosed
	case len(b.viewers) >= maxViewers:
		return nil, ErrFull
	}
	v := &viewer{wake: make(chan struct{}, 1), events: make(map[Event]bool), sent: make(map[string]Part)}
	b.viewers[v] = struct{}{}
	return v, nil
}

func (b *Bus) leave(v *viewer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.viewers, v)
}

// take returns the events since the last message.
func (b *Bus) take(v *viewer) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Event, 0, len(v.events))
	for ev := range v.events {
		out = append(out, ev)
	}
	clear(v.events)
	return out
}

// A Viewing is what Serve needs to know of the page it serves.
type Viewing struct {
	// Parts returns the page's present parts. It is called at most four times a second, and at least
	// every five seconds.
	Parts func() ([]Part, error)
	// Allowed reports whether the person may still look. It is asked before every message.
	Allowed func() bool
	// Now is the clock by which the page counts ages.
	Now func() time.Time
	// Extend is called before every write: the viewer gets a fresh time limit to accept it.
	Extend func()
}

// Serve writes a stream of server-sent events until the person may no longer look or the bus is closed
// (nil), or a write fails (the error). The first message holds every part; each later one what has
// changed since, so that nothing is lost by a broken connection: the next stream begins with everything.
func (b *Bus) Serve(w *bufio.Writer, of Viewing) error {
	v, err := b.join()
	if err != nil {
		return err
	}
	defer b.leave(v)
	for quiet := true; of.Allowed(); {
		if err := b.send(w, v, of, quiet); err != nil {
			return err
		}
		var open bool
		if quiet, open = b.wait(v); !open {
			return nil
		}
	}
	return nil
}

// wait blocks until the next message is due. quiet means that nothing has happened for a while.
func (b *Bus) wait(v *viewer) (quiet, open bool) {
	beats := time.NewTimer(beat)
	defer beats.Stop()
	rest := time.NewTimer(gap)
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-b.done:
		return false, false
	}
	select {
	case <-v.wake:
		return false, true
	case <-beats.C:
		return true, true
	case <-b.done:
		return false, false
	}
}
