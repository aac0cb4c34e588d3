package maint

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/desk"
	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

// Events to publish on the page's bus: what has happened.
const (
	EventVerdict webui.Event = "verdict" // a lane shows something new
	EventLane    webui.Event = "lane"    // a lane was opened or closed
	EventDevice  webui.Event = "device"  // a device's health
	EventUplink  webui.Event = "uplink"  // the cloud answered, or does no longer
	EventQueue   webui.Event = "queue"   // facts were recorded or taken over by the cloud
	EventFeed    webui.Event = "feed"    // news from the cloud was applied
	EventBackup  webui.Event = "backup"  // a backup goes on, was made or failed
)

// Errors of Auth.Login.
var (
	// ErrWrong is returned for an unknown name or a wrong password, without saying which.
	ErrWrong = shell.ErrWrong
	// ErrLocked is returned while a name is locked after five wrong passwords.
	ErrLocked = shell.ErrLocked
)

// A Source tells what the page shows.
type Source interface {
	// Overview returns the present state. It is called from many goroutines, at most about four times a
	// second and language, and must not wait for devices, disks or the network.
	Overview() Overview
}

// Auth is the accounts of those who may look. Implementations are safe for concurrent use.
type Auth interface {
	// Login returns a new session's token, ErrWrong, ErrLocked, or another error for a fault.
	Login(ctx context.Context, name, password string) (token string, err error)
	// Who names the person of a token; ok is false when the session is unknown or has ended.
	Who(token string) (name string, ok bool)
	// Logout ends a session. An unknown token is no error.
	Logout(token string)
}

// Config is what the page needs. All fields but Desk and Backup are required.
type Config struct {
	Source Source
	Auth   Auth
	Bus    *webui.Bus       // close it before the app shuts down
	Now    func() time.Time // the station's corrected clock
	Log    *slog.Logger
	Desk   *Desk // nil leaves the pages of history out
	Backup Asker // nil leaves the button out
}

// A Desk is what the pages of history need. All fields are required.
type Desk struct {
	*desk.Desk
	// Lanes are the station's lanes, in the order in which people know them.
	Lanes func() []Lane
	// DeviceName is a registered device's name, "" for none of that id.
	DeviceName func(id string) string
	// Shift records that who has opened or closed the shift of a lane ("" for the whole station). It
	// returns the fact's sequence when that is durable.
	Shift func(ctx context.Context, who, lane string, open bool) (seq uint64, err error)
}

//go:embed templates/*.html
var templates embed.FS

//go:embed texts.json
var texts []byte

// Mount registers the page at the root of app: /, /login, /logout, /live and /assets/, and with a desk
// /checks, /shifts and /events.
func Mount(app fiber.Router, cfg Config) error {
	if cfg.Source == nil {
		return fmt.Errorf("maint: source is required")
	}
	page, err := newPage()
	if err != nil {
		return err
	}
	docs := office{cfg: &cfg}
	err = shell.Mount(app, shell.Config{
		Docs: append(docs.docs(), backupDocs(cfg.Backup)...), Nav: docs.nav(), Page: page, Bus: cfg.Bus, Auth: cfg.Auth, Log: cfg.Log, Now: cfg.Now,
		Site: func(s webui.Speaker) shell.Site { return site(s, cfg.Source.Overview()) },
		View: func(s webui.Speaker, now time.Time) any { return newView(s, cfg.Source.Overview(), now) },
	})
	if err != nil {
		return fmt.Errorf("maint: %w", err)
	}
	return nil
}

// NotFound answers what no other route has taken, as a page. Register it last. Paths under /api/ are
// left to the app's error handler.
func NotFound(log *slog.Logger) (fiber.Handler, error) {
	page, err := newPage()
	if err != nil {
		return nil, err
	}
	return shell.NotFound(page, log), nil
}

func newPage() (*webui.Page, error) {
	files, err := fs.Sub(templates, "templates")
	if err != nil {
		return nil, fmt.Errorf("maint: %w", err)
	}
	page, err := webui.NewPage(files, texts, "bar", "say", "lanes", "sessions", "devices", "uplink", "queue", "feed", "backup")
	if err != nil {
		return nil, fmt.Errorf("maint: %w", err)
	}
	return page, nil
}

func site(s webui.Speaker, o Overview) shell.Site {
	venue := o.Venue
	if venue == o.Name {
		venue = ""
	}
	sub := s.Join(s.T("site"), o.Station.String(), venue)
	return shell.Site{Name: o.Name, Sub: sub, Cookie: "yipiao_" + strings.ToLower(o.Station.String())}
}
