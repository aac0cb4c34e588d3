// Package bridgeport is both ends of a bridge: the station's, which opens a port of another machine of the site
// as a port.Port, and the other machine's, which offers its local ports. docs/protocols/bridge.md has the wire
// format.
//
// It knows one TLS connection for each open port, frames and deadlines. It must not know who may speak to whom
// (the TLS configurations that it is handed do), which ports there are, when to open one again, or what is said
// over it.
package bridgeport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
	"yipiao/drivers/port/internal/deadline"
)

const (
	// openBound is how long Open takes at most: connecting, greeting, and the other machine's own opening.
	openBound = 5 * time.Second
	// stopBound is how long a Write waits beyond its deadline to hear how much was written.
	stopBound = time.Second
	// eventSize is that of struct input_event: a Read of an evdev line returns whole ones.
	eventSize = 24
)

// A Trust says who may be at the other end. All functions are called from any goroutine.
type Trust struct {
	// TLS returns the configuration for the next connection; it must verify who answers (VerifyConnection).
	TLS func() *tls.Config
	// Allowed is asked every second whether the bridge with this certificate may still serve; an error ends the port.
	Allowed func(bridge *x509.Certificate) error
	// Renew issues a certificate for a signing request (DER) of a bridge whose own ends soon. It returns it and
	// those above it as PEM.
	Renew func(bridge *x509.Certificate, csr []byte) (pem []byte, err error)
}

// A Port is an open port of another machine.
type Port struct {
	config Config
	link   *link
	trust  Trust
	bridge *x509.Certificate

	readBy, writeBy *deadline.Deadline
	more            chan struct{} // has one element when the queue has grown
	closing         chan struct{}
	once            sync.Once

	mu     sync.Mutex // guards the fields below
	queue  [][]byte   // read by the bridge and not yet by Read
	queued int        // bytes of it
	taken  int        // bytes of Read of which the bridge does not know yet
	last   uint32     // number of the newest write
	write  *writing   // the one under way, nil for none
}

// A writing is a Write under way.
type writing struct {
	number uint32
	size   int
	sent   int           // handed to the link; of the Write alone
	news   chan struct{} // has one element when a field below has changed
	done   int           // written by the bridge
	ended  *trouble
}

var _ port.Port = (*Port)(nil)

// Open validates the configuration, connects and asks the bridge to open the port, within 5 s or until ctx ends.
//
// The error is a *port.ConfigError (also for a name or a type of line that the bridge does not have), or wraps
// what a local port would have said: fs.ErrNotExist (not plugged in), fs.ErrPermission, port.ErrBusy or
// port.ErrGone. Otherwise it says, short, why there is no connection.
func Open(ctx context.Context, c Config, t Trust) (*Port, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openBound)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", c.Address, dialError(err))
	}
	conn, err := greet(ctx, raw, c, t)
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("open %s: %w", c, err)
	}
	p := &Port{
		config: c, link: newLink(conn), trust: t, bridge: conn.ConnectionState().PeerCertificates[0],
		readBy: deadline.New(), writeBy: deadline.New(), more: make(chan struct{}, 1), closing: make(chan struct{}),
	}
	p.link.start(p)
	return p, nil
}

// dialError says the same of the same fault each time, so that a supervisor tells it once.
func dialError(err error) error {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("refused: yipiao bridge does not run there: %w", unix.ECONNREFUSED)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, unix.EHOSTUNREACH):
		return fmt.Errorf("no answer: the machine is off, or the network is down: %w", os.ErrDeadlineExceeded)
	}
	return err
}

// greet makes the TLS connection and asks for the port.
func greet(ctx context.Context, raw net.Conn, c Config, t Trust) (*tls.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	cfg := t.TLS().Clone()
	cfg.NextProtos = []string{Protocol}
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, greetError(ctx, err)
	}
	if err := t.Allowed(conn.ConnectionState().PeerCertificates[0]); err != nil {
		return nil, err
	}
	_, werr := conn.Write(message(kindOpen, openRequest{c.Name, c.Speaks()}))
	kind, payload, err := readFrame(conn) // also after a failed write: the bridge may have said why it refuses
	if err != nil && werr != nil && !alert(err) {
		err = werr
	}
	if err != nil {
		return nil, greetError(ctx, err)
	}
	var answer trouble
	if err := json.Unmarshal(payload, &answer); err != nil || kind != kindAnswer {
		return nil, errFrame
	}
	if answer.Code != codeOK {
		return nil, answer.error(c)
	}
	if !stop() {
		return nil, greetError(ctx, ctx.Err())
	}
	return conn, nil
}

// greetError tells a bridge that refuses this station from one that does not answer.
func greetError(ctx context.Context, err error) error {
	switch {
	case alert(err):
		return fmt.Errorf("the bridge refuses this station, it may belong to another one or have a wrong clock: %w", err)
	case ctx.Err() != nil:
		return fmt.Errorf("no answer from the bridge: %w", os.ErrDeadlineExceeded)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return errors.New("the bridge has hung up")
	}
	return err
}

// tick implements end.
func (p *Port) tick() error { return p.trust.Allowed(p.bridge) }

// owed implements end: how much Read has taken.
func (p *Port) owed() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == 0 {
		return nil
	}
	n := p.taken
	p.taken = 0
	return frame(kindTaken, number(uint32(n)))
}

// take implements end.
func (p *Port) take(kind byte, payload []byte) error {
	switch kind {
	case kindData:
		return p.deliver(payload)
	case kindWritten:
		return p.written(payload)
	case kindEnd:
		var t trouble
		if err := json.Unmarshal(payload, &t); err != nil {
			return errFrame
		}
		return t.error(p.config)
	case kindRequest:
		chain, err := p.trust.Renew(p.bridge, payload)
		if err != nil { // it asks again, and its certificate is still good
			return nil
		}
		return p.link.send(frame(kindChain, chain))
	}
	return errFrame
}

func (p *Port) deliver(payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queued > window+maxPayload {
		return errFrame // it sends more than it may
	}
	p.queue = append(p.queue, payload)
	p.queued += len(payload)
	signal(p.more)
	return nil
}

// Read implements port.Port: of a HID line exactly one report, of an evdev line whole events.
func (p *Port) Read(b []byte) (int, error) {
	for {
		expired := p.readBy.Wait()
		if err := p.stopped("read", expired); err != nil || len(b) == 0 {
			return 0, err
		}
		ended := deadline.Closed(p.link.done) // before looking: what came before the end is still delivered
		if n, some, err := p.fetch(b); some || err != nil {
			return n, err
		}
		if ended {
			return 0, p.error("read", p.link.err)
		}
		select {
		case <-p.more:
		case <-p.closing:
		case <-expired:
		case <-p.link.done:
		}
	}
}

// fetch moves what is queued to b; some is false where nothing is.
func (p *Port) fetch(b []byte) (n int, some bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.config.Line == lineEvdev {
		if len(b) < eventSize {
			return 0, false, p.error("read", io.ErrShortBuffer)
		}
		b = b[:len(b)/eventSize*eventSize]
	}
	for len(p.queue) > 0 && n < len(b) {
		first := p.queue[0]
		m := copy(b[n:], first)
		n += m
		switch {
		case p.config.Line == lineHID:
			if m < len(first) {
				err = io.ErrShortBuffer
			}
			m = len(first)
			b = b[:n]
		case m < len(first):
			p.queue[0] = first[m:]
		}
		if m == len(first) {
			p.queue = p.queue[1:]
		}
		p.queued -= m
		p.taken += m
	}
	if p.taken >= window/4 {
		signal(p.link.nod)
	}
	return n, n > 0, err
}

// stopped reports that the port is closed or the deadline over, before anything is done.
func (p *Port) stopped(op string, expired <-chan struct{}) error {
	switch {
	case deadline.Closed(p.closing):
		return p.error(op, os.ErrClosed)
	case deadline.Closed(expired):
		return p.error(op, os.ErrDeadlineExceeded)
	}
	return nil
}

func (p *Port) error(op string, err error) error { return fmt.Errorf("%s %s: %w", op, p.config, err) }

// SetReadDeadline implements port.Port.
func (p *Port) SetReadDeadline(t time.Time) error {
	p.readBy.Set(t)
	return nil
}

// SetWriteDeadline implements port.Port.
func (p *Port) SetWriteDeadline(t time.Time) error {
	p.writeBy.Set(t)
	return nil
}

// Close ends the connection; the bridge then closes its local port. It unblocks Read and Write and may be called
// more than once.
func (p *Port) Close() error {
	p.once.Do(func() { close(p.closing) })
	p.link.close(os.ErrClosed)
	return nil
}
