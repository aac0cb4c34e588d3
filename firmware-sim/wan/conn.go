package wan

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// What one direction holds while it is delayed.
const (
	chunkSize = 16 << 10
	chunks    = 32
)

// A conn is one relayed connection.
type conn struct {
	near net.Conn

	mu    sync.Mutex // guards the fields below
	far   net.Conn
	ended chan struct{} // closed once both sides are reset
}

// attach adds the far side, unless the connection has ended meanwhile.
func (k *conn) attach(far net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if isClosed(k.ended) {
		hangUp(far)
		return false
	}
	k.far = far
	return true
}

// end resets both sides. It may be called more than once.
func (k *conn) end() { k.close(hangUp) }

// finish closes both sides after both have said all they had to say, which must still arrive.
func (k *conn) finish() { k.close(func(c net.Conn) { _ = c.Close() }) }

func (k *conn) close(how func(net.Conn)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if isClosed(k.ended) {
		return
	}
	close(k.ended)
	how(k.near)
	if k.far != nil {
		how(k.far)
	}
}

// hangUp closes with a reset, which the peer notices at once.
func hangUp(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// A chunk is bytes on their way.
type chunk struct {
	due  time.Time
	data []byte
}

// pipe carries one direction until its end, which it passes on, or until something fails, which ends
// the connection.
func (r *Relay) pipe(k *conn, from, to net.Conn) {
	way := make(chan chunk, chunks)
	var writer sync.WaitGroup
	writer.Go(func() { r.deliver(k, to, way) })
	defer writer.Wait()
	defer close(way)
	for {
		buf := make([]byte, chunkSize)
		n, err := from.Read(buf)
		if n > 0 {
			select {
			case way <- chunk{time.Now().Add(r.added()), buf[:n]}:
			case <-k.ended:
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				k.end()
			}
			return
		}
	}
}

func (r *Relay) deliver(k *conn, to net.Conn, way <-chan chunk) {
	for c := range way {
		if wait := time.Until(c.due); wait > 0 {
			select {
			case <-time.After(wait):
			case <-k.ended:
			}
		}
		n, err := to.Write(c.data)
		r.carried.Add(uint64(n))
		if err != nil {
			k.end()
			for range way { // the reader may be about to hand over one more
			}
			return
		}
	}
	if t, ok := to.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
}
