package drivertest

import (
	"os"
	"sync"
	"time"

	"yipiao/drivers/port"
)

// A relay is a port between a driver and its line that hands what the device sends over in another way. It keeps the
// device's own division: what was sent at once is one piece.
type relay struct {
	port.Port // writes go through

	treat func(piece []byte) []piece // nil for as it is; called by one goroutine
	join  time.Duration              // how long a read waits for more to hand over with it
	most  int                        // bytes that a read hands over; 0 for no limit
	step  func()                     // after each read and each write

	mu       sync.Mutex // guards the fields below
	queue    []piece
	sent     [][]byte // by the device so far, as it was, each once
	err      error
	deadline time.Time
	changed  chan struct{} // closed at the next change
}

// A piece is bytes and when they arrive.
type piece struct {
	at   time.Time
	wire []byte
}

// now is a piece that arrives as it was sent.
func now(wire []byte) []piece { return []piece{{time.Now(), wire}} }

// begin lets the relay read the line, until that ends.
func (r *relay) begin(line port.Port) port.Port {
	r.Port, r.changed = line, make(chan struct{})
	_ = line.SetReadDeadline(time.Time{})
	go r.pump()
	return r
}

func (r *relay) pump() {
	buf := make([]byte, 4096)
	for {
		n, err := r.Port.Read(buf)
		if n > 0 {
			wire := append([]byte(nil), buf[:n]...)
			pieces := now(wire)
			if r.treat != nil {
				pieces = r.treat(wire)
			}
			r.change(func() {
				r.remember(wire)
				for _, x := range pieces {
					if len(x.wire) > 0 {
						r.queue = append(r.queue, x)
					}
				}
			})
		}
		if err != nil {
			r.change(func() { r.err = err })
			return
		}
	}
}

// remember keeps a few different pieces.
func (r *relay) remember(wire []byte) {
	for _, old := range r.sent {
		if string(old) == string(wire) {
			return
		}
	}
	if len(r.sent) < 32 {
		r.sent = append(r.sent, wire)
	}
}

// seen are the pieces that the device has sent.
func (r *relay) seen() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([][]byte(nil), r.sent...)
}

func (r *relay) change(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
	close(r.changed)
	r.changed = make(chan struct{})
}

// SetReadDeadline bounds what the driver waits; the line's own reads have no bound.
func (r *relay) SetReadDeadline(t time.Time) error {
	r.change(func() { r.deadline = t })
	return nil
}

func (r *relay) Write(p []byte) (int, error) {
	n, err := r.Port.Write(p)
	r.stepped()
	return n, err
}

func (r *relay) Read(p []byte) (int, error) {
	defer r.stepped()
	for {
		n, wait, changed, err := r.take(p)
		if n > 0 || err != nil {
			return n, err
		}
		var due <-chan time.Time
		if !wait.IsZero() {
			due = time.After(time.Until(wait))
		}
		select {
		case <-changed:
		case <-due:
		}
	}
}

func (r *relay) stepped() {
	if r.step != nil {
		r.step()
	}
}

// take hands over what has arrived, or says until when to wait.
func (r *relay) take(p []byte) (n int, wait time.Time, changed <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clock := time.Now()
	if !r.deadline.IsZero() && !clock.Before(r.deadline) {
		return 0, wait, nil, os.ErrDeadlineExceeded
	}
	if wait = r.deadline; len(r.queue) > 0 {
		ready := r.queue[0].at.Add(r.join)
		if !clock.Before(ready) {
			return r.give(p, clock), wait, nil, nil
		}
		if wait.IsZero() || ready.Before(wait) {
			wait = ready
		}
	} else if r.err != nil {
		return 0, wait, nil, r.err
	}
	return 0, wait, r.changed, nil
}

// give copies the next piece, or with join all that have come.
func (r *relay) give(p []byte, clock time.Time) (n int) {
	if r.most > 0 {
		p = p[:min(len(p), r.most)]
	}
	for len(r.queue) > 0 && n < len(p) && !clock.Before(r.queue[0].at) {
		next := &r.queue[0]
		k := copy(p[n:], next.wire)
		n += k
		if next.wire = next.wire[k:]; len(next.wire) == 0 {
			r.queue = r.queue[1:]
		}
		if r.join == 0 {
			break
		}
	}
	return n
}
