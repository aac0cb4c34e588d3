package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"yipiao/cloud/internal/console"
	"yipiao/cloud/internal/people"
	"yipiao/cloud/internal/tools"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

// Limits of the web listeners.
const (
	readTimeout = 10 * time.Second
	idleTimeout = 2 * time.Minute
	bodyLimit   = 64 << 10
	maxConns    = 4096
)

// web is what people and tools see: the console and the interface for programs, on one Fiber app with
// up to two listeners.
type web struct {
	cloud *Cloud
	app   *fiber.App
	bus   *webui.Bus
	base  context.Context // of every request; replaced by run
	watch
	page pageSource
}

func newWeb(c *Cloud) (*web, error) {
	w := &web{cloud: c, bus: webui.NewBus(), base: context.Background()}
	w.page.web = w
	w.app = fiber.New(fiber.Config{
		Immutable: true, DisableStartupMessage: true, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		BodyLimit: bodyLimit, Concurrency: maxConns, ErrorHandler: w.failed,
	})
	w.app.Use(recover.New())
	w.app.Use(func(f *fiber.Ctx) error {
		f.SetUserContext(w.base)
		return f.Next()
	})
	tools.Mount(w.app, tools.Config{
		Source: toolSource{c}, Auth: logins{c.accounts}, Locked: console.ErrLocked, Wrong: console.ErrWrong, Log: c.log,
	})
	err := console.Mount(w.app, console.Config{Source: &w.page, Auth: logins{c.accounts}, Bus: w.bus, Now: c.clock, Log: c.log})
	if err != nil {
		return nil, err
	}
	missing, err := console.NotFound(c.log)
	if err == nil {
		w.app.Use(missing)
	}
	return w, err
}

// failed is the one place where an error that no handler answered becomes an answer.
func (w *web) failed(f *fiber.Ctx, err error) error {
	var known *fiber.Error
	if errors.As(err, &known) {
		return f.Status(known.Code).JSON(fiber.Map{"error": fiber.Map{
			"code": fmt.Sprintf("http_%d", known.Code), "message": "请求不成立 (" + known.Message + ")",
		}})
	}
	w.cloud.log.Error("web request failed", "path", f.Path(), "err", err)
	return f.Status(fiber.StatusInternalServerError).JSON(fiber.Map{"error": fiber.Map{
		"code": "internal", "message": "云端内部出错，已记入日志 (internal error, logged)",
	}})
}

// run serves the listeners, which it owns, until ctx ends; without any it only waits.
func (w *web) run(ctx context.Context, listeners []net.Listener) error {
	w.base = ctx
	return shell.Serve(ctx, w.app, w.bus, listeners)
}

// logins adapts the accounts to the pages.
type logins struct{ *people.Accounts }

func (l logins) Login(ctx context.Context, name, password string) (string, error) {
	token, err := l.Accounts.Login(ctx, name, password)
	switch {
	case errors.Is(err, people.ErrWrong):
		return "", console.ErrWrong
	case errors.Is(err, people.ErrLocked):
		return "", console.ErrLocked
	}
	return token, err
}

// toolSource adapts the facade to the interface for programs.
type toolSource struct{ c *Cloud }

func (t toolSource) Status(ctx context.Context) (any, error) { return t.c.Status(ctx) }

func (t toolSource) Digests(ctx context.Context, station ticket.StationID) (any, error) {
	d, err := t.c.Digests(ctx, station)
	return d, missing(err)
}

func (t toolSource) Ticket(ctx context.Context, id ticket.TicketID) (any, error) {
	s, err := t.c.Ticket(ctx, id)
	return s, missing(err)
}

func missing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return tools.ErrNotFound
	}
	return err
}
