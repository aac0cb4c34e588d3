package bridgeport

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"yipiao/drivers/port"
)

// settleBound is how long a refusal may take to go out.
const settleBound = time.Second

// A Renewal lets a bridge change its certificate over an open connection. Its functions are called from any
// goroutine; nil ones are not.
type Renewal struct {
	// Request returns a signing request (DER) when it is time for one, otherwise nil. It is asked every second.
	Request func() []byte
	// Take is given the answer (PEM).
	Take func(chain []byte)
}

// A Session is the bridge's end of one connection.
type Session struct {
	link    *link
	request openRequest
	renewal Renewal

	credit chan int // bytes of kindData which the station has taken
	jobs   chan job

	mu      sync.Mutex // guards the fields below
	local   port.Port
	stopped uint32 // writes up to this number are not to go on
}

// A job is a piece of a write, or its end.
type job struct {
	number uint32
	data   []byte
	stop   bool
}

// maxJobs is how many pieces of a write may wait: a whole window and its end, with room.
const maxJobs = 2 * window / chunk

// Accept makes the TLS connection on the bridge's side and hears which port is wanted, within 5 s. It owns raw;
// the caller must Refuse or Serve what it returns.
func Accept(ctx context.Context, raw net.Conn, cfg *tls.Config) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, openBound)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	cfg = cfg.Clone()
	cfg.NextProtos = []string{Protocol}
	conn := tls.Server(raw, cfg)
	s := &Session{link: newLink(conn), credit: make(chan int, 8), jobs: make(chan job, maxJobs)}
	err := conn.HandshakeContext(ctx)
	if err == nil && conn.ConnectionState().NegotiatedProtocol != Protocol {
		err = errFrame
	}
	if err == nil {
		err = s.hear(conn)
	}
	if err == nil && !stop() {
		err = os.ErrDeadlineExceeded
	}
	if err != nil {
		linger(raw)
		return nil, fmt.Errorf("greet: %w", err)
	}
	return s, nil
}

// linger closes a connection so that what was said last still arrives: closing it with bytes unread would reset it.
func linger(raw net.Conn) {
	if tcp, ok := raw.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
		_ = raw.SetReadDeadline(time.Now().Add(settleBound))
		_, _ = io.Copy(io.Discard, io.LimitReader(raw, window))
	}
	_ = raw.Close()
}

func (s *Session) hear(conn *tls.Conn) error {
	kind, payload, err := readFrame(conn)
	if err != nil {
		return err
	}
	if kind != kindOpen || json.Unmarshal(payload, &s.request) != nil {
		return errFrame
	}
	return nil
}

// Name is the port that is wanted.
func (s *Session) Name() string { return s.request.Name }

// Line is the type of line that it is wanted as.
func (s *Session) Line() string { return s.request.Line }

// Peer is the address of the station, for a log.
func (s *Session) Peer() string { return s.link.conn.RemoteAddr().String() }

// Refuse tells the station why there is no port and ends the connection.
func (s *Session) Refuse(err error) {
	_ = s.link.conn.SetWriteDeadline(time.Now().Add(settleBound))
	_, _ = s.link.conn.Write(message(kindAnswer, troubleOf(err)))
	linger(s.link.conn.NetConn())
	s.link.fail(err)
}

// Serve tells the station that the port is open and moves bytes until either ends or ctx does. It closes the port
// and the connection, and returns why it ended. It is called once.
func (s *Session) Serve(ctx context.Context, p port.Port, r Renewal) error {
	s.mu.Lock()
	s.local, s.renewal = p, r
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { s.link.fail(os.ErrClosed) })
	defer stop()
	if err := s.link.write(message(kindAnswer, trouble{Code: codeOK})); err != nil {
		s.link.fail(err)
	}
	s.link.start(s)
	var local sync.WaitGroup
	local.Go(s.readLocal)
	local.Go(s.writeLocal)
	<-s.link.done
	cerr := p.Close()
	local.Wait()
	s.link.close(nil)
	if errors.Is(s.link.err, errSaid) {
		return errors.Join(s.link.err, cerr)
	}
	return s.link.err
}

// Alive asks the station whether it is still there and reports whether it has answered within d. It is for a
// session that Serve works on.
func (s *Session) Alive(d time.Duration) bool { return s.link.asked(d) }

// Close ends the session; Serve then returns.
func (s *Session) Close() { s.link.fail(os.ErrClosed) }

// owed implements end.
func (s *Session) owed() []byte { return nil }

// tick implements end.
func (s *Session) tick() error {
	if s.renewal.Request == nil {
		return nil
	}
	if csr := s.renewal.Request(); csr != nil {
		return s.link.write(frame(kindRequest, csr))
	}
	return nil
}

// take implements end.
func (s *Session) take(kind byte, payload []byte) error {
	if kind == kindChain {
		if s.renewal.Take != nil {
			s.renewal.Take(payload)
		}
		return nil
	}
	n, rest, err := split(payload)
	if err != nil {
		return err
	}
	switch kind {
	case kindWrite:
		return s.queue(job{number: n, data: rest})
	case kindStop:
		s.mu.Lock()
		s.stopped = n
		_ = s.local.SetWriteDeadline(time.Unix(1, 0)) // a write that has begun ends
		s.mu.Unlock()
		return s.queue(job{number: n, stop: true})
	case kindTaken:
		select {
		case s.credit <- int(n):
			return nil
		case <-s.link.done:
			return nil
		}
	}
	return errFrame
}

func (s *Session) queue(j job) error {
	select {
	case s.jobs <- j:
		return nil
	default:
		return errFrame // it sends more than it may
	}
}

// readLocal moves what the port reads to the station, as far as it has room.
func (s *Session) readLocal() {
	size := chunk
	if s.request.Line == lineEvdev {
		size = chunk / eventSize * eventSize
	}
	buf, room := make([]byte, size), window
	for {
		ok := false
		if room, ok = s.room(room); !ok {
			return
		}
		n, err := s.local.Read(buf)
		if n > 0 {
			room -= n
			if s.link.send(frame(kindData, buf[:n])) != nil {
				return
			}
		}
		if err != nil {
			_ = s.link.send(message(kindEnd, troubleOf(err)))
			return
		}
	}
}

// room adds what the station has taken, and waits for it where there is no room; it reports false at the end.
func (s *Session) room(left int) (int, bool) {
	for {
		select {
		case n := <-s.credit:
			left += n
			continue
		default:
		}
		if left > 0 {
			return left, true
		}
		select {
		case n := <-s.credit:
			left += n
		case <-s.link.done:
			return 0, false
		}
	}
}

// writeLocal moves what the station writes to the port, and says how far it is.
func (s *Session) writeLocal() {
	var current uint32
	var done int
	failed := false
	for {
		var j job
		select {
		case j = <-s.jobs:
		case <-s.link.done:
			return
		}
		if j.number != current {
			current, done, failed = j.number, 0, false
		}
		var ended *trouble
		switch {
		case failed:
			continue
		case j.stop:
			ended, failed = &trouble{Code: codeStopped}, true
		default:
			n, err := s.writePiece(j)
			done += n
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t := troubleOf(err)
				ended, failed = &t, true
			}
		}
		if s.say(current, done, ended) != nil {
			return
		}
	}
}

// writePiece writes unless the write has been stopped.
func (s *Session) writePiece(j job) (int, error) {
	s.mu.Lock()
	if j.number <= s.stopped {
		s.mu.Unlock()
		return 0, nil
	}
	err := s.local.SetWriteDeadline(time.Time{})
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return s.local.Write(j.data)
}

func (s *Session) say(which uint32, done int, ended *trouble) error {
	pieces := [][]byte{number(which), number(uint32(done))}
	if ended != nil {
		pieces = append(pieces, message(0, *ended)[headSize:])
	}
	return s.link.send(frame(kindWritten, pieces...))
}
