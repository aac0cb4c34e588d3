package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"yipiao/edge/internal/backup"
	"yipiao/edge/internal/fleet"
	"yipiao/edge/internal/lanapi"
	"yipiao/edge/internal/maint"
	"yipiao/edge/internal/supervise"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

// Limits of the LAN listener: a handheld that dies or dawdles must not hold anything.
const (
	readTimeout = 10 * time.Second
	idleTimeout = 2 * time.Minute
	bodyLimit   = 64 << 10
	maxConns    = 4096
)

// web is the station's HTTP side: LAN API and pages on one Fiber app, two listeners.
type web struct {
	st   *Station
	app  *fiber.App
	bus  *webui.Bus
	base context.Context // of every request; replaced by run
	// bound is sent the LAN listener's address once it listens.
	bound chan net.Addr
}

func (s *Station) assembleWeb() error {
	w := &web{st: s, bus: webui.NewBus(), base: context.Background(), bound: make(chan net.Addr, 1)}
	s.web = w
	w.app = fiber.New(fiber.Config{
		Immutable: true, DisableStartupMessage: true, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		BodyLimit: bodyLimit, Concurrency: maxConns, ErrorHandler: w.failed,
	})
	w.app.Use(recover.New())
	w.app.Use(func(c *fiber.Ctx) error {
		c.SetUserContext(w.base)
		return c.Next()
	})
	lanapi.Mount(w.app, lanapi.Config{
		Registry: s.fleet, Checker: s.ledger, Decide: ticket.Check, Board: s.board, Log: s.log,
		Lane: func(name string) (ticket.Lane, bool) {
			u, ok := s.lane(name)
			if !ok {
				return ticket.Lane{}, false
			}
			return u.present(), true
		},
		CloudAge: s.cloudAge,
		Status:   func() any { return s.Status() },
		Digests:  func(context.Context) (any, error) { return s.digests(), nil },
		Ticket:   s.ticketState,
		Backups:  backupDesk{s},
		Bridges:  s.bridges,
		Tests:    s.tests,
		Changed:  s.handheldHealth,
		Acted: func(who, what, about string) {
			s.note(ticket.FactOperatorAction, ticket.Note{Subject: about, State: what, Text: who})
		},
	})
	err := maint.Mount(w.app, maint.Config{
		Source: pageSource{s}, Auth: people{s.fleet}, Bus: w.bus, Now: s.now, Log: s.log, Desk: s.deskPages(),
		Backup: func(by string, stick bool) {
			if err := s.backup.Ask(by, stick); err != nil {
				s.log.Info("backup not begun", "code", string(backup.CodeOf(err)))
			}
		},
	})
	if err != nil {
		return err
	}
	missing, err := maint.NotFound(s.log)
	if err == nil {
		w.app.Use(missing)
	}
	return err
}

// now is the station's corrected clock.
func (s *Station) now() time.Time {
	ms, _, _ := s.clock.Now()
	return time.UnixMilli(ms)
}

// failed is the one place where an error that no handler answered becomes an answer.
func (w *web) failed(c *fiber.Ctx, err error) error {
	var f *fiber.Error
	if errors.As(err, &f) {
		return c.Status(f.Code).JSON(fiber.Map{"error": fiber.Map{"code": fmt.Sprintf("http_%d", f.Code), "message": "请求不成立 (" + f.Message + ")"}})
	}
	w.st.log.Error("request failed", "path", c.Path(), "error", err)
	return c.Status(fiber.StatusInternalServerError).JSON(fiber.Map{"error": fiber.Map{"code": "internal", "message": "驿站内部出错，已记入日志 (internal error, logged)"}})
}

// changed says that something on the page may have changed.
func (w *web) changed(ev webui.Event) { w.bus.Publish(ev) }

// people adapts the registry to the pages.
type people struct{ f *fleet.Fleet }

func (p people) Login(ctx context.Context, name, password string) (string, error) {
	token, err := p.f.Login(ctx, name, password)
	switch {
	case errors.Is(err, fleet.ErrWrong):
		return "", maint.ErrWrong
	case errors.Is(err, fleet.ErrLocked):
		return "", maint.ErrLocked
	}
	return token, err
}

func (p people) Who(token string) (string, bool) { return p.f.Who(token) }

func (p people) Logout(token string) { p.f.Logout(token) }

// run listens until ctx ends. An address that cannot be had is permanent: somebody must look.
func (w *web) run(ctx context.Context) error {
	w.base = ctx
	cert, err := w.certificate()
	if err != nil {
		return supervise.Permanent(err)
	}
	lan, err := listen("listen.lan", w.st.cfg.Listen.LAN)
	if err != nil {
		return supervise.Permanent(err)
	}
	listeners := []net.Listener{tls.NewListener(lan, &tls.Config{
		Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	})}
	if w.st.cfg.Listen.Plain != "" {
		plain, err := listen("listen.plain", w.st.cfg.Listen.Plain)
		if err != nil {
			return supervise.Permanent(errors.Join(err, lan.Close()))
		}
		listeners = append(listeners, plain)
	}
	select {
	case w.bound <- lan.Addr():
	default:
	}
	w.st.log.Info("station answers", "lan", lan.Addr().String(), "plain", w.st.cfg.Listen.Plain)
	return shell.Serve(ctx, w.app, w.bus, listeners)
}

func listen(field, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s：%s 不能使用 (cannot listen): %w", field, address, err)
	}
	return l, nil
}

// certificate is the LAN server's, issued by the site authority at every start.
func (w *web) certificate() (*tls.Certificate, error) {
	key, err := identity.NewKey()
	if err != nil {
		return nil, err
	}
	csr, err := identity.NewCSR(key)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(w.st.cfg.Listen.LAN)
	if err != nil {
		return nil, err
	}
	hosts := append([]string{"localhost", "127.0.0.1", "::1"}, w.st.cfg.Listen.Hosts...)
	if host != "" && host != "0.0.0.0" && host != "::" {
		hosts = append(hosts, host)
	}
	site := &identity.Authority{Cert: w.st.id.Site[0], Key: w.st.id.SiteKey}
	cert, err := site.IssueLAN(csr, hosts, time.Now())
	if err != nil {
		return nil, fmt.Errorf("certificate for the LAN: %w", err)
	}
	return identity.Keypair(key, append([]*x509.Certificate{cert}, w.st.id.Site...)...), nil
}
