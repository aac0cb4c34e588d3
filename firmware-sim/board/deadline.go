package board

import (
	"sync"
	"time"
)

// A deadline is a channel that closes when a time has passed, and stays the same channel when the
// time is moved before that. The zero deadline never passes.
type deadline struct {
	mu    sync.Mutex // guards the fields below
	timer *time.Timer
	done  chan struct{}
	at    time.Time
}

// passed is closed once the deadline has passed.
func (d *deadline) passed() chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channel()
}

func (d *deadline) channel() chan struct{} {
	if d.done == nil {
		d.done = make(chan struct{})
	}
	return d.done
}

// set moves the deadline; the zero time removes it.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.done // it has fired: let it finish with this channel
	}
	d.timer, d.at = nil, t
	done := d.channel()
	if isClosed(done) {
		done = make(chan struct{})
		d.done = done
	}
	switch wait := time.Until(t); {
	case t.IsZero():
	case wait <= 0:
		close(done)
	default:
		d.timer = time.AfterFunc(wait, func() { close(done) })
	}
}

// time returns what set was told.
func (d *deadline) time() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
