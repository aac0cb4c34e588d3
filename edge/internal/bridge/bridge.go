// Package bridge is the program on a kiosk, window or gate PC that offers its local ports to the station:
// `yipiao bridge`. docs/bridge.md is its manual.
//
// It knows which ports there are, who this machine is, and that only the station of its site may call. It must not
// know what is said over a port, and never opens one by itself: the station calls, again and again.
package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"yipiao/drivers/port"
	"yipiao/drivers/port/bridgeport"
	"yipiao/edge/internal/devices"
	"yipiao/sync/link/identity"
)

const (
	// maxConns bounds the connections at one time; a station has one for each port.
	maxConns = 64
	// askBound is how long an old connection has to say that its station is still there, before another takes
	// the port over.
	askBound = 500 * time.Millisecond
)

// A Server offers ports. Run is called once.
type Server struct {
	cfg   Config
	self  *Self
	log   *slog.Logger
	slots map[string]*slot
	bound func(net.Addr)

	mu      sync.Mutex // guards the field below
	strange string     // why the last caller without a session was refused, to say the same once
}

// A slot is one port that is offered.
type slot struct {
	name string
	line devices.Port
	log  *slog.Logger

	mu      sync.Mutex // held while the port changes hands; guards the fields below
	session *bridgeport.Session
	ended   chan struct{} // closed when the session has, and the local port is closed
	told    string        // the last refusal, to say the same once
}

// New makes a server for a configuration that was loaded. bound, if not nil, is called with the address.
func New(cfg Config, self *Self, log *slog.Logger, bound func(net.Addr)) *Server {
	s := &Server{cfg: cfg, self: self, log: log, slots: make(map[string]*slot), bound: bound}
	for name, line := range cfg.Ports {
		s.slots[name] = &slot{name: name, line: line, log: log.With("port", name)}
	}
	return s
}

// Run serves until ctx ends, and returns after every port is closed. An error is an address that cannot be had.
func (s *Server) Run(ctx context.Context) error {
	l, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen：%s 不能使用 (cannot listen): %w", s.cfg.Listen, err)
	}
	if s.bound != nil {
		s.bound(l.Addr())
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	cfg := identity.DeviceServerTLS(s.self.certificate, s.self.root, s.self.Identity, s.self.now)
	var all sync.WaitGroup
	defer all.Wait()
	places := make(chan struct{}, maxConns)
	for {
		raw, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = raw.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listen: %w", err)
		case err != nil: // out of descriptors: it passes
			s.log.Warn("caller not taken", "error", err)
			pause(ctx, time.Second)
			continue
		}
		select {
		case places <- struct{}{}:
			all.Go(func() {
				s.handle(ctx, raw, cfg)
				<-places
			})
		default:
			_ = raw.Close()
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// handle serves one connection.
func (s *Server) handle(ctx context.Context, raw net.Conn, cfg *tls.Config) {
	session, err := bridgeport.Accept(ctx, raw, cfg)
	if err != nil {
		s.refused(raw.RemoteAddr().String(), err)
		return
	}
	sl, ok := s.slots[session.Name()]
	if !ok {
		s.refused(session.Peer(), fmt.Errorf("%w: %q", bridgeport.ErrUnknownPort, session.Name()))
		session.Refuse(bridgeport.ErrUnknownPort)
		return
	}
	p, ended, err := sl.take(ctx, session)
	if err != nil {
		session.Refuse(err)
		return
	}
	sl.log.Info("station connected", "line", sl.line.String(), "station", session.Peer())
	err = session.Serve(ctx, p, bridgeport.Renewal{Request: s.self.request, Take: s.renewed})
	sl.log.Info("station disconnected", "station", session.Peer(), "why", err)
	close(ended)
}

// renewed takes the answer to a request for a certificate.
func (s *Server) renewed(chain []byte) {
	if err := s.self.renew(chain); err != nil {
		s.log.Error("certificate not renewed", "error", err)
		return
	}
	s.log.Info("certificate renewed", "until", s.self.Until())
}

// refused says that a caller got nothing, and the same of the same caller once.
func (s *Server) refused(peer string, err error) {
	host, _, _ := net.SplitHostPort(peer)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := host + " " + err.Error(); now != s.strange {
		s.strange = now
		s.log.Warn("caller refused", "caller", host, "why", err)
	}
}

// take opens the port for a session. One that another session has it only gets when that one's station is gone.
func (sl *slot) take(ctx context.Context, session *bridgeport.Session) (port.Port, chan struct{}, error) {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	p, err := sl.open(ctx, session)
	if err != nil {
		if why := err.Error(); why != sl.told {
			sl.told = why
			sl.log.Warn("port not opened", "line", sl.line.String(), "why", err)
		}
		return nil, nil, err
	}
	sl.told, sl.session, sl.ended = "", session, make(chan struct{})
	return p, sl.ended, nil
}

func (sl *slot) open(ctx context.Context, session *bridgeport.Session) (port.Port, error) {
	if have := string(sl.line.Type()); have != session.Line() {
		return nil, &bridgeport.LineError{Have: have}
	}
	if sl.session != nil && !isClosed(sl.ended) {
		if sl.session.Alive(askBound) {
			return nil, fmt.Errorf("%w: %s has it", port.ErrBusy, sl.session.Peer())
		}
		sl.session.Close()
		select {
		case <-sl.ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return sl.line.Open(ctx)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
