// Package deadline gives ports that are made of channels the deadlines of port.Port. It knows nothing else.
package deadline

import (
	"sync"
	"time"
)

// A Deadline may be moved while somebody waits for it, as those of net.Pipe. It is safe for concurrent use.
type Deadline struct {
	mu    sync.Mutex // guards the fields below
	timer *time.Timer
	come  chan struct{} // closed when the deadline has come; renewed when it is moved after that
}

// New returns a deadline that does not come.
func New() *Deadline { return &Deadline{come: make(chan struct{})} }

// Set moves the deadline; the zero time removes it.
func (d *Deadline) Set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.come // its function runs, and needs no lock
	}
	d.timer = nil
	if Closed(d.come) {
		d.come = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	if left := time.Until(t); left > 0 {
		come := d.come
		d.timer = time.AfterFunc(left, func() { close(come) })
		return
	}
	close(d.come)
}

// Wait returns a channel that is closed when the deadline has come.
func (d *Deadline) Wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.come
}

// Closed reports whether a channel that nothing is sent on is closed.
func Closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
