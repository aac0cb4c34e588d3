// Package wan is a stretch of network between a station and the cloud that can be cut, mended and
// slowed down: a TCP relay on one machine.
//
// It knows connections. It must not know what is said over them.
package wan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// maxConns bounds the connections at one time, and with them the goroutines: four for each.
const maxConns = 256

// dialBound is how long reaching the target may take.
const dialBound = 5 * time.Second

// A Relay passes connections on to a target. It is safe for concurrent use.
type Relay struct {
	listen, target string
	bound          chan struct{} // closed once addr is set
	addr           net.Addr
	carried        atomic.Uint64

	mu    sync.Mutex // guards the fields below
	cut   bool
	delay time.Duration
	conns map[*conn]struct{}
}

// New makes a relay, mended and without delay. Nothing is listened on before Run.
func New(listen, target string) *Relay {
	return &Relay{listen: listen, target: target, bound: make(chan struct{}), conns: make(map[*conn]struct{})}
}

// Run listens and relays until ctx is done, and returns after every connection has ended.
func (r *Relay) Run(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", r.listen)
	if err != nil {
		return fmt.Errorf("wan: %w", err)
	}
	r.addr = l.Addr()
	close(r.bound)
	var all sync.WaitGroup
	defer all.Wait()
	defer r.drop()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				hangUp(c)
			}
			return nil
		case err != nil:
			return fmt.Errorf("wan: accept: %w", err)
		}
		if k := r.admit(c); k != nil {
			all.Go(func() { r.carry(ctx, k) })
		}
	}
}

// admit takes a connection in, or resets it while the line is cut or full.
func (r *Relay) admit(c net.Conn) *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut || len(r.conns) >= maxConns {
		hangUp(c)
		return nil
	}
	k := &conn{near: c, ended: make(chan struct{})}
	r.conns[k] = struct{}{}
	return k
}

func (r *Relay) carry(ctx context.Context, k *conn) {
	defer func() {
		k.end()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, k)
	}()
	d := net.Dialer{Timeout: dialBound}
	far, err := d.DialContext(ctx, "tcp", r.target)
	if err != nil || !k.attach(far) {
		return // reset, as a network without a route does
	}
	stop := context.AfterFunc(ctx, k.end)
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { r.pipe(k, k.near, far) })
	both.Go(func() { r.pipe(k, far, k.near) })
	both.Wait()
	k.finish()
}

// Addr is where the relay listens, once it does.
func (r *Relay) Addr(ctx context.Context) (net.Addr, error) {
	select {
	case <-r.bound:
		return r.addr, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Cut resets every connection, and every new one at once, until Mend.
func (r *Relay) Cut() {
	r.mu.Lock()
	r.cut = true
	r.mu.Unlock()
	r.drop()
}

// Mend lets connections through again.
func (r *Relay) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = false
}

// SetDelay adds a delay to each direction, from the next byte on.
func (r *Relay) SetDelay(d time.Duration) error {
	if d < 0 || d > time.Minute {
		return errors.New("wan: delay must be 0 to 60 s")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = d
	return nil
}

func (r *Relay) added() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.delay
}

func (r *Relay) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := range r.conns {
		k.end()
	}
}

// State is how the stretch is.
type State struct {
	Listen  string `json:"listen"`
	Target  string `json:"target"`
	Cut     bool   `json:"cut"`
	Conns   int    `json:"conns"`
	DelayMs int64  `json:"delay_ms"`
	Bytes   uint64 `json:"bytes"` // carried both ways
}

// State reports how the stretch is.
func (r *Relay) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := State{
		Listen: r.listen, Target: r.target, Cut: r.cut, Conns: len(r.conns),
		DelayMs: r.delay.Milliseconds(), Bytes: r.carried.Load(),
	}
	if isClosed(r.bound) {
		s.Listen = r.addr.String()
	}
	return s
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
