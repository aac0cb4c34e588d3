package hidport

import (
	"sync"
	"time"
)

// A deadline may be moved while somebody waits for it, as those of net.Pipe.
type deadline struct {
	mu    sync.Mutex // guards the fields below
	timer *time.Timer
	come  chan struct{} // closed when the deadline has come; renewed when it is moved after that
}

func newDeadline() deadline { return deadline{come: make(chan struct{})} }

// set moves the deadline; the zero time removes it.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.come // its function runs, and needs no lock
	}
	d.timer = nil
	if closed(d.come) {
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

// wait returns a channel that is closed when the deadline has come.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.come
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
