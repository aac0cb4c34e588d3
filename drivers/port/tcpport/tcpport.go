// Package tcpport opens a raw TCP connection as a port.Port: printers on port 9100 and serial device servers.
//
// It knows sockets. It must not know what is said over them, when to connect again, or who asked. A peer that
// was switched off says nothing; it is told from one that is only slow, such as a printer without paper that takes
// no more bytes for an hour: that one still answers the kernel's questions.
package tcpport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
)

// Notice is the longest time after which a peer that has vanished without a word ends Read and Write. Before Linux
// 6.15 it is longer where the peer had not taken any bytes for minutes before it vanished: up to twice that long.
const Notice = 12 * time.Second

const (
	dialBound = 3 * time.Second
	// A silent line is probed by the kernel after keepIdle and then every keepEvery; keepTries without an answer end it.
	keepIdle  = 4 * time.Second
	keepEvery = time.Second
	keepTries = 4
	// While bytes of ours are unanswered or not taken there are no keep-alives. Every watchEvery the socket is asked
	// instead: with so many repetitions or questions unanswered, and nothing heard for quiet, the peer is gone.
	// TCP_USER_TIMEOUT would do it for us, but it also ends a connection to a peer that answers and takes nothing.
	watchEvery = time.Second
	unanswered = 3
	quiet      = 7 * time.Second
	// rtoMax, the socket option TCP_RTO_MAX_MS (Linux 6.15), keeps the kernel's questions from becoming rare.
	rtoMax   = 44
	rtoMaxMs = 1000
)

// Config says where to connect.
type Config struct {
	Address string `json:"address"` // host:port, such as 192.168.1.20:9100
}

// Validate reports the first field which cannot be used as a *port.ConfigError. It does no I/O.
func (c Config) Validate() error {
	bad := &port.ConfigError{Field: "address", Got: c.Address, Want: "host:port, such as 192.168.1.20:9100"}
	host, number, err := net.SplitHostPort(c.Address)
	if err != nil || host == "" || strings.ContainsAny(host, " /") {
		return bad
	}
	if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 {
		return bad
	}
	return nil
}

// String is the line as a technician writes it, such as "tcp 192.168.1.20:9100".
func (c Config) String() string { return "tcp " + c.Address }

// A Port is an open connection.
type Port struct {
	address string
	conn    *net.TCPConn

	dead    atomic.Bool // watch has ended the connection
	closing chan struct{}
	watcher sync.WaitGroup

	once     sync.Once
	closeErr error
}

var _ port.Port = (*Port)(nil)

// Open validates the configuration and connects, within 3 s or until ctx ends. The error is a
// *port.ConfigError or says, short, why there is no connection.
func Open(ctx context.Context, c Config) (*Port, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	d := net.Dialer{
		Timeout:         dialBound,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepIdle, Interval: keepEvery, Count: keepTries},
		Control: func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, rtoMax, rtoMaxMs) })
		},
	}
	conn, err := d.DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, dialError(c.Address, err)
	}
	p := &Port{address: c.Address, conn: conn.(*net.TCPConn), closing: make(chan struct{})}
	p.watcher.Go(p.watch)
	return p, nil
}

// watch ends the connection when bytes of ours stay unanswered.
func (p *Port) watch() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-p.closing:
			return
		}
		if gone, err := p.vanished(); err != nil {
			return
		} else if gone {
			p.dead.Store(true)
			_ = p.conn.SetLinger(0)
			_ = p.conn.Close()
			return
		}
	}
}

// vanished asks the kernel whether the peer has stopped answering.
func (p *Port) vanished() (bool, error) {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return false, err
	}
	var info *unix.TCPInfo
	var inner error
	if err := raw.Control(func(fd uintptr) { info, inner = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil {
		return false, err
	}
	if inner != nil {
		return false, inner
	}
	heard := time.Duration(info.Last_ack_recv) * time.Millisecond
	return heard >= quiet && max(info.Retransmits, info.Probes) >= unanswered, nil
}

// dialError says the same of the same fault each time, so that a supervisor tells it once.
func dialError(address string, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("connect %s: refused: nothing listens there, or another program is connected: %w", address, unix.ECONNREFUSED)
	case errors.As(err, &dns):
		return fmt.Errorf("connect %s: no such name: %w", address, err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("connect %s: no answer: %w", address, os.ErrDeadlineExceeded)
	}
	return fmt.Errorf("connect %s: %w", address, err)
}

// Read implements port.Port.
func (p *Port) Read(b []byte) (int, error) {
	n, err := p.conn.Read(b)
	return n, p.mapError("read", err)
}

// Write implements port.Port.
func (p *Port) Write(b []byte) (int, error) {
	n, err := p.conn.Write(b)
	return n, p.mapError("write", err)
}

// mapError turns every end of a connection into port.ErrGone. ETIMEDOUT is one of them although it calls
// itself a time-out: it comes from keep-alive, not from a deadline.
func (p *Port) mapError(op string, err error) error {
	var no unix.Errno
	switch {
	case err == nil:
		return nil
	case p.dead.Load():
		return fmt.Errorf("%s %s: %w (no answer)", op, p.address, port.ErrGone)
	case errors.Is(err, net.ErrClosed):
		return fmt.Errorf("%s %s: %w", op, p.address, os.ErrClosed)
	case errors.As(err, &no):
		return fmt.Errorf("%s %s: %w (%w)", op, p.address, port.ErrGone, no)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s %s: %w", op, p.address, port.ErrGone)
	}
	return err // os.ErrDeadlineExceeded
}

// SetReadDeadline implements port.Port.
func (p *Port) SetReadDeadline(t time.Time) error { return p.conn.SetReadDeadline(t) }

// SetWriteDeadline implements port.Port.
func (p *Port) SetWriteDeadline(t time.Time) error { return p.conn.SetWriteDeadline(t) }

// Close ends the connection. It unblocks Read and Write and may be called more than once.
func (p *Port) Close() error {
	p.once.Do(func() {
		close(p.closing)
		p.closeErr = p.conn.Close()
		p.watcher.Wait()
		if p.dead.Load() {
			p.closeErr = nil
		}
	})
	return p.closeErr
}
