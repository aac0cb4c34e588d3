package shell

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/webui"
)

// Errors of Auth.Login.
var (
	// ErrWrong is returned for an unknown name or a wrong password, without saying which.
	ErrWrong = errors.New("log-in: name or password not right")
	// ErrLocked is returned while a name is locked after five wrong passwords.
	ErrLocked = errors.New("log-in: locked for 15 minutes")
)

// Auth is the accounts that a shell needs. Implementations are safe for concurrent use.
type Auth interface {
	// Login returns a new session's token, ErrWrong, ErrLocked, or another error for a fault.
	Login(ctx context.Context, name, password string) (token string, err error)
	// Who names the person of a token; ok is false when the session is unknown or has ended.
	Who(token string) (name string, ok bool)
	// Logout ends a session. An unknown token is no error.
	Logout(token string)
}

// A Site says whom one talks to.
type Site struct {
	Name   string // for example the station's name
	Sub    string // for example 驿站维护 · S-0017
	Cookie string // name of the session cookie, different for every site that may share a host
}

// A Doc is a further document. It is shown by the page's templates, with what Serve returns as their view.
type Doc struct {
	Method, Path string // as Fiber writes them
	// Serve returns the view of the document. It may also answer by itself, as with a file or a redirect,
	// and returns nil then. ErrNoDoc is answered as an unknown address, any other error as a fault.
	Serve func(c *fiber.Ctx, v Visit) (view any, err error)
}

// A Visit is who asks for a document, and how it is said.
type Visit struct {
	Say  webui.Speaker
	User string // never ""
	Now  time.Time
}

// ErrNoDoc is returned by Doc.Serve for an address that leads to nothing.
var ErrNoDoc error = errNotFound

// Config is what a shell needs. All fields but Docs, Nav and Patience are required.
type Config struct {
	Page *webui.Page
	Bus  *webui.Bus
	Auth Auth
	Log  *slog.Logger
	Now  func() time.Time
	// Site is asked for every document.
	Site func(webui.Speaker) Site
	// View builds the page's content from what is known now. It is called from many goroutines.
	View func(webui.Speaker, time.Time) any
	// Docs are further documents of the site, in the same frame and behind the same log-in.
	Docs []Doc
	// Nav names the site's documents in order; nil where there is only one.
	Nav func(webui.Speaker) []webui.Link
	// Patience is how long an open page may take to accept a message before it is given up; 0 means
	// 15 seconds.
	Patience time.Duration
}

type shell struct {
	cfg     Config
	assets  map[string]webui.Asset
	version string
	recent  map[webui.Lang]*recent
}

// Mount registers the page's routes at the root of app: /, /login, /logout, /live and /assets/.
func Mount(app fiber.Router, cfg Config) error {
	if cfg.Page == nil || cfg.Bus == nil || cfg.Auth == nil || cfg.Log == nil || cfg.Now == nil ||
		cfg.Site == nil || cfg.View == nil {
		return errors.New("shell: page, bus, accounts, log, time, site and view are required")
	}
	if cfg.Patience <= 0 {
		cfg.Patience = 15 * time.Second
	}
	s := &shell{
		cfg: cfg, assets: webui.Assets(), version: webui.Version(),
		recent: map[webui.Lang]*recent{webui.Zh: {}, webui.En: {}},
	}
	app.Get("/", s.handle(s.page))
	for _, d := range cfg.Docs {
		app.Add(d.Method, d.Path, s.handle(s.doc(d)))
	}
	app.Get("/login", s.handle(s.loginForm))
	app.Post("/login", s.handle(s.login))
	app.Post("/logout", s.handle(s.logout))
	app.Get("/live", s.handle(s.live))
	app.Get("/assets/:name", s.asset)
	return nil
}

// NotFound answers whatever no other route has taken: register it last. It tells a person where to go
// and leaves paths under /api/ to the error handler of the app.
func NotFound(page *webui.Page, log *slog.Logger) fiber.Handler {
	s := &shell{cfg: Config{Page: page, Log: log}, version: webui.Version()}
	return func(c *fiber.Ctx) error {
		if len(c.Path()) >= 5 && c.Path()[:5] == "/api/" {
			return fiber.ErrNotFound
		}
		return s.handle(func(*fiber.Ctx, *visit) error { return errNotFound })(c)
	}
}
