// Package lanapi is the station's interface for devices and tools on the LAN: checks with a nonce, and
// for tools state, digests and what the lanes show.
//
// It decodes, asks once and encodes. It must not know rules, storage or device protocols.
package lanapi

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/fleet"
	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// MaxPayload is the longest code in bytes that a request may carry; a longer one is refused as not one
// of our codes, without keeping it.
const MaxPayload = 512

// deadline bounds one request: longer than any healthy disk, shorter than a person's patience.
const deadline = 3 * time.Second

// A Registry knows devices and people.
type Registry interface {
	Device(token string) (*fleet.Device, bool)
	AddDevice(name string, lanes []string, may []fleet.Permission) (fleet.Device, string, error)
	Heard(d *fleet.Device, r fleet.Report) []fleet.Change
	Login(ctx context.Context, name, password string) (string, error)
	Who(token string) (string, bool)
}

// A Checker decides requests durably.
type Checker interface {
	Do(ctx context.Context, req *ledger.Request, decide ledger.Decide) (ledger.Answer, error)
	Annul(ctx context.Context, req *ledger.AnnulRequest) (ledger.Answer, error)
}

// Config is what the interface needs.
type Config struct {
	Registry Registry
	Checker  Checker
	Decide   ledger.Decide
	Lane     func(name string) (ticket.Lane, bool)
	Lanes    func() []string
	Board    *lane.Board
	CloudAge func() time.Duration // since the cloud's newest word; negative for never
	Status   func() any           // for tools
	Digests  func(ctx context.Context) (any, error)
	Ticket   func(id ticket.TicketID) (any, bool)
	Acted    func(who, what, about string) // an operator did something: journal it
	Changed  func([]fleet.Change)          // a handheld's state: journal it
	Backups  Backups
	Bridges  Bridges
	Tests    DeviceTests
	Log      *slog.Logger
}

type api struct{ Config }

// Mount registers the routes below /api/v1.
func Mount(app fiber.Router, cfg Config) {
	a := api{cfg}
	v1 := app.Group("/api/v1")
	v1.Post("/check", a.check)
	v1.Post("/annul", a.annul)
	v1.Post("/device/health", a.health)
	v1.Post("/login", a.login)
	v1.Post("/devices", a.addDevice)
	v1.Post("/backups", a.addBackup)
	v1.Get("/backups", a.backups)
	v1.Get("/status", a.reader(a.status))
	v1.Get("/digests", a.reader(a.digests))
	v1.Get("/events", a.reader(a.events))
	v1.Get("/tickets/:id", a.reader(a.ticket))
	a.mountBridges(v1)
	a.mountDeviceTests(v1)
}

// A problem is an answer that is not the one asked for.
type problem struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"` // Chinese first
	Field   string `json:"field,omitempty"`
}

func (p *problem) send(c *fiber.Ctx) error {
	return c.Status(p.status).JSON(fiber.Map{"error": p})
}

var (
	errNoDevice = &problem{status: fiber.StatusUnauthorized, Code: "unknown_device", Message: "本机未登记 (device is not registered)"}
	errNoRight  = &problem{status: fiber.StatusForbidden, Code: "not_permitted", Message: "本机无此权限 (not permitted)"}
	errNoLogin  = &problem{status: fiber.StatusUnauthorized, Code: "login_required", Message: "请先登录 (log in first)"}
	errFault    = &problem{status: fiber.StatusServiceUnavailable, Code: "station_fault", Message: "驿站不能记账，暂停 (station cannot record)"}
)

// bad turns an input error into a problem that names the field.
func bad(err error) *problem {
	var f *ticket.FieldError
	if errors.As(err, &f) {
		return &problem{status: fiber.StatusBadRequest, Code: f.Code, Field: f.Field, Message: f.Error()}
	}
	return &problem{status: fiber.StatusBadRequest, Code: "bad_json", Message: "请求不是约定的 JSON (not the agreed JSON): " + err.Error()}
}

// decodeStrict refuses unknown keys, so that a typing mistake is not silently ignored.
func decodeStrict(body []byte, v any) error {
	return json.Unmarshal(body, v, json.RejectUnknownMembers(true))
}

func bearer(c *fiber.Ctx) string {
	token, _ := strings.CutPrefix(c.Get(fiber.HeaderAuthorization), "Bearer ")
	return token
}

// reader admits devices that may read.
func (a *api) reader(next fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		d, ok := a.Registry.Device(bearer(c))
		switch {
		case !ok:
			return errNoDevice.send(c)
		case !d.Permitted(fleet.MayRead, ""):
			return errNoRight.send(c)
		}
		return next(c)
	}
}
