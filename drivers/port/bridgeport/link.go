package bridgeport

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"yipiao/drivers/port"
)

// A link is one connection with one goroutine that reads frames and one that writes them. Each says every beat
// that it is there and gives up after silence without a word.
type link struct {
	conn *tls.Conn
	in   *bufio.Reader
	out  chan []byte   // frames to send, in order
	nod  chan struct{} // has one element when owed or reply has something to say

	reply  atomic.Pointer[[]byte] // payload of a question that is to be answered
	asking atomic.Uint32          // number of our newest question
	word   chan struct{}          // has one element when that one was answered

	once    sync.Once
	done    chan struct{} // closed at the end, after err is set
	err     error
	workers sync.WaitGroup
}

func newLink(conn *tls.Conn) *link {
	return &link{
		conn: conn, in: bufio.NewReaderSize(conn, chunk+headSize), out: make(chan []byte),
		nod: make(chan struct{}, 1), word: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// An end is what is different at the two ends of a link. An error of take or tick ends the link.
type end interface {
	take(kind byte, payload []byte) error // a frame, on the reading goroutine
	tick() error                          // every beat, on the writing one
	owed() []byte                         // a frame that is due, nil for none, on the writing one
}

// start runs the two goroutines.
func (l *link) start(e end) {
	l.workers.Go(func() { l.fail(l.receive(e)) })
	l.workers.Go(func() { l.fail(l.transmit(e)) })
}

// fail ends the link. It closes the socket without a farewell, which a dead network would hold up.
func (l *link) fail(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.done)
		_ = l.conn.NetConn().Close()
	})
}

func (l *link) receive(e end) error {
	for {
		if err := l.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return vanished(err)
		}
		kind, payload, err := readFrame(l.in)
		if err != nil {
			return vanished(err)
		}
		switch kind {
		case kindAlive:
			if n, _, err := split(payload); err == nil && n == l.asking.Load() {
				signal(l.word)
			}
			continue
		case kindAsk:
			l.reply.Store(&payload)
			signal(l.nod)
			continue
		}
		if err := e.take(kind, payload); err != nil {
			return err
		}
	}
}

// signal puts an element into a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// asked asks the far end whether it is there and reports whether it has answered within d; what it had said before
// does not count. One caller at a time.
func (l *link) asked(d time.Duration) bool {
	bound := time.NewTimer(d)
	defer bound.Stop()
	question := frame(kindAsk, number(l.asking.Add(1)))
	select {
	case <-l.word: // of an earlier question
	default:
	}
	out := l.out
	for {
		select {
		case out <- question:
			out = nil
		case <-l.word:
			return true
		case <-l.done:
			return false
		case <-bound.C:
			return false
		}
	}
}

func (l *link) transmit(e end) error {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		var f []byte
		select {
		case f = <-l.out:
		case <-l.nod:
			if o := e.owed(); o != nil {
				if err := l.write(o); err != nil {
					return err
				}
			}
			if r := l.reply.Swap(nil); r != nil {
				f = frame(kindAlive, *r)
			}
		case <-ticker.C:
			if err := e.tick(); err != nil {
				return err
			}
		case <-l.done:
			return nil
		}
		if f == nil {
			f = frame(kindAlive)
		}
		if err := l.write(f); err != nil {
			return err
		}
		if f[0] == kindEnd {
			return errSaid
		}
	}
}

// errSaid ends the bridge's side after it has said why.
var errSaid = errors.New("bridge: the port has ended")

func (l *link) write(f []byte) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return vanished(err)
	}
	if _, err := l.conn.Write(f); err != nil {
		return vanished(err)
	}
	return nil
}

// vanished is what a broken connection means to a port.
func vanished(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: no word for %v, the network or the other side is dead", port.ErrGone, silence)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return fmt.Errorf("%w: the other side ended the connection", port.ErrGone)
	case errors.Is(err, errFrame):
		return err
	}
	return fmt.Errorf("%w: %w", port.ErrGone, err)
}

// alert reports whether the other side has ended the handshake, or the connection, with a TLS alert.
func alert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// send hands a frame to the writing goroutine.
func (l *link) send(f []byte) error {
	select {
	case l.out <- f:
		return nil
	case <-l.done:
		return l.err
	}
}

// close ends the link and waits for its goroutines.
func (l *link) close(err error) {
	l.fail(err)
	l.workers.Wait()
}
