package board

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// maxWaiting is how many hosts may wait for their turn; more are turned away.
const maxWaiting = 4

// A hub is the device's end of a line which hosts come to and leave: one at a time, in the order in which they
// came, as a network printer serves them.
type hub struct {
	stop func() // no more hosts come
	read deadline
	done chan struct{}
	once sync.Once

	mu      sync.Mutex // guards the fields below
	host    Conn
	waiting []Conn
	came    chan struct{} // closed when a host comes
}

var _ socket = (*hub)(nil)

func newHub() *hub {
	return &hub{stop: func() {}, done: make(chan struct{}), came: make(chan struct{})}
}

// arrive lets a host in, or turns it away; false is that.
func (h *hub) arrive(c Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if isClosed(h.done) || len(h.waiting) == maxWaiting {
		_ = c.Close()
		return false
	}
	h.waiting = append(h.waiting, c)
	close(h.came)
	h.came = make(chan struct{})
	return true
}

// current is the host whose turn it is, or nil and what closes when one comes.
func (h *hub) current() (Conn, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.host == nil && len(h.waiting) > 0 {
		h.host, h.waiting = h.waiting[0], h.waiting[1:]
		_ = h.host.SetReadDeadline(h.read.time())
	}
	return h.host, h.came
}

// leave forgets a host that is gone.
func (h *hub) leave(c Conn) {
	h.mu.Lock()
	if h.host == c {
		h.host = nil
	}
	h.mu.Unlock()
	_ = c.Close()
}

// Read waits for a host and for its bytes.
func (h *hub) Read(p []byte) (int, error) {
	for {
		expired := h.read.passed()
		switch {
		case isClosed(h.done):
			return 0, os.ErrClosed
		case isClosed(expired):
			return 0, os.ErrDeadlineExceeded
		}
		host, came := h.current()
		if host == nil {
			select {
			case <-came:
			case <-expired:
			case <-h.done:
			}
			continue
		}
		n, err := host.Read(p)
		if n > 0 || err == nil || Quiet(err) {
			return n, quietOnly(err)
		}
		h.leave(host)
	}
}

// quietOnly drops the error of a host that left after its last bytes: the next Read meets it again.
func quietOnly(err error) error {
	if Quiet(err) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Write sends bytes to the host whose turn it is, or loses them where there is none.
func (h *hub) Write(p []byte) (int, error) {
	host, _ := h.current()
	switch {
	case isClosed(h.done):
		return 0, os.ErrClosed
	case host == nil:
		return 0, ErrNobody
	}
	n, err := host.Write(p)
	if err != nil && !Quiet(err) { // Read finds out too, and lets the next one in
		return n, fmt.Errorf("%w: %w", ErrNobody, err)
	}
	return n, err
}

func (h *hub) opened() bool {
	host, _ := h.current()
	return host != nil
}

func (h *hub) SetReadDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read.set(t)
	if h.host != nil {
		_ = h.host.SetReadDeadline(t) // one that is gone is found out by Read
	}
	return nil
}

func (h *hub) SetWriteDeadline(t time.Time) error {
	if host, _ := h.current(); host != nil {
		_ = host.SetWriteDeadline(t)
	}
	return nil
}

// Close pulls the plug: the host sees its line end, and nobody can come any more.
func (h *hub) Close() error {
	h.once.Do(func() {
		close(h.done)
		h.stop()
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, c := range append(h.waiting, h.host) {
			if c != nil {
				_ = c.Close()
			}
		}
		h.waiting = nil
	})
	return nil
}

// listen opens a hub on a TCP address.
func listen(addr string) (*hub, string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, "", fmt.Errorf("listen: %w", err)
	}
	h := newHub()
	var accepting sync.WaitGroup
	h.stop = func() {
		_ = l.Close()
		accepting.Wait()
	}
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			switch {
			case err == nil:
				h.arrive(c)
			case errors.Is(err, net.ErrClosed):
				return
			default: // out of descriptors, say: not for ever
				time.Sleep(lookEvery)
			}
		}
	})
	return h, l.Addr().String(), nil
}
