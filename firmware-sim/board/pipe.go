package board

import (
	"errors"
	"os"
	"sync"
	"time"
)

// A Conn is one end of a line.
type Conn interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	Close() error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// ErrUnplugged is what the device's end says after the line was pulled out.
var ErrUnplugged = errors.New("board: line is unplugged")

// pipeRoom is how much a direction holds before Write blocks, about what a tty does.
const pipeRoom = 12 << 10

// A PipeEnd is one end of a line inside the process, with deadlines. It uses nothing but channels
// and timers, so that it works in a testing/synctest bubble.
type PipeEnd struct {
	in, out *half
	gone    error // what a call says once the far end has closed

	read, write deadline

	once   sync.Once
	closed chan struct{}
	far    *PipeEnd
}

var _ Conn = (*PipeEnd)(nil)

// Pipe makes a line. host is the station's end: after the device's end has closed, its calls return gone.
func Pipe(gone error) (host, device *PipeEnd) {
	down, up := newHalf(), newHalf()
	host = &PipeEnd{in: up, out: down, gone: gone, closed: make(chan struct{})}
	device = &PipeEnd{in: down, out: up, gone: ErrUnplugged, closed: make(chan struct{})}
	host.far, device.far = device, host
	return host, device
}

// Read blocks for at least one byte.
func (e *PipeEnd) Read(p []byte) (int, error) {
	for {
		expired := e.read.passed()
		switch {
		case isClosed(e.closed):
			return 0, os.ErrClosed
		case isClosed(expired):
			return 0, os.ErrDeadlineExceeded
		}
		farClosed := isClosed(e.far.closed) // before looking: what was sent before still arrives
		n, changed := e.in.take(p)
		switch {
		case n > 0 || len(p) == 0:
			return n, nil
		case farClosed:
			return 0, e.gone
		}
		select {
		case <-changed:
		case <-expired:
		case <-e.closed:
		case <-e.far.closed:
		}
	}
}

// Write blocks until all bytes are in the line.
func (e *PipeEnd) Write(p []byte) (n int, err error) {
	for {
		expired := e.write.passed()
		switch {
		case isClosed(e.closed):
			return n, os.ErrClosed
		case isClosed(expired):
			return n, os.ErrDeadlineExceeded
		case isClosed(e.far.closed):
			return n, e.gone
		}
		k, changed := e.out.put(p[n:])
		if n += k; n == len(p) {
			return n, nil
		}
		select {
		case <-changed:
		case <-expired:
		case <-e.closed:
		case <-e.far.closed:
		}
	}
}

// Close ends both directions.
func (e *PipeEnd) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

// SetReadDeadline bounds blocked and future reads.
func (e *PipeEnd) SetReadDeadline(t time.Time) error { return e.setDeadline(&e.read, t) }

// SetWriteDeadline bounds blocked and future writes.
func (e *PipeEnd) SetWriteDeadline(t time.Time) error { return e.setDeadline(&e.write, t) }

func (e *PipeEnd) setDeadline(d *deadline, t time.Time) error {
	if isClosed(e.closed) {
		return os.ErrClosed
	}
	d.set(t)
	return nil
}

// A half is one direction of a line.
type half struct {
	mu      sync.Mutex // guards the fields below
	buf     []byte
	changed chan struct{} // closed at the next change
}

func newHalf() *half { return &half{changed: make(chan struct{})} }

func (h *half) take(p []byte) (n int, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n = copy(p, h.buf)
	h.buf = h.buf[n:]
	if n > 0 {
		h.signal()
	}
	return n, h.changed
}

func (h *half) put(p []byte) (n int, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n = min(len(p), pipeRoom-len(h.buf))
	h.buf = append(h.buf, p[:n]...)
	if n > 0 {
		h.signal()
	}
	return n, h.changed
}

func (h *half) signal() {
	close(h.changed)
	h.changed = make(chan struct{})
}
