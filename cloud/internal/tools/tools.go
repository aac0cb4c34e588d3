// Package tools is the cloud's interface for programs that an operator runs: state, custody digests,
// one ticket's standing.
//
// It decodes, asks once and encodes. It must not know SQL, rules or pages. Everything needs an
// operator's log-in.
package tools

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/ticket"
)

// deadline bounds one request.
const deadline = 20 * time.Second

// ErrNotFound is returned by a Source for something that does not exist.
var ErrNotFound = errors.New("tools: not found")

// A Source answers with values that encode as JSON.
type Source interface {
	// Status says how the cloud and its stations are.
	Status(ctx context.Context) (any, error)
	// Digests is what a station's own digests are compared with, or ErrNotFound.
	Digests(ctx context.Context, station ticket.StationID) (any, error)
	// Ticket is one ticket's standing, or ErrNotFound.
	Ticket(ctx context.Context, id ticket.TicketID) (any, error)
}

// Auth knows the operators. It is the pages' own.
type Auth interface {
	Login(ctx context.Context, name, password string) (token string, err error)
	Who(token string) (name string, ok bool)
}

// Config is what the interface needs. Locked and Wrong are Auth's errors.
type Config struct {
	Source        Source
	Auth          Auth
	Locked, Wrong error
	Log           *slog.Logger
}

type api struct{ Config }

// Mount registers the routes below /api/v1.
func Mount(app fiber.Router, cfg Config) {
	a := api{cfg}
	v1 := app.Group("/api/v1")
	v1.Post("/login", a.login)
	v1.Get("/status", a.operator(a.status))
	v1.Get("/digests", a.operator(a.digests))
	v1.Get("/tickets/:id", a.operator(a.ticket))
}

func problem(c *fiber.Ctx, status int, code, message string) error {
	return c.Status(status).JSON(fiber.Map{"error": fiber.Map{"code": code, "message": message}})
}

func bearer(c *fiber.Ctx) string {
	token, _ := strings.CutPrefix(c.Get(fiber.HeaderAuthorization), "Bearer ")
	return token
}

// operator admits whoever has logged in.
func (a *api) operator(next fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if _, ok := a.Auth.Who(bearer(c)); !ok {
			return problem(c, fiber.StatusUnauthorized, "login_required", "请先登录 (log in first)")
		}
		return next(c)
	}
}

func (a *api) login(c *fiber.Ctx) error {
	var r struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	dec := json.NewDecoder(strings.NewReader(string(c.Body())))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return problem(c, fiber.StatusBadRequest, "bad_json", "请求不是约定的 JSON (not the agreed JSON): "+err.Error())
	}
	token, err := a.Auth.Login(c.UserContext(), r.Name, r.Password)
	switch {
	case errors.Is(err, a.Locked):
		return problem(c, fiber.StatusTooManyRequests, "locked", "输错 5 次，15 分钟后再试 (locked for 15 minutes)")
	case errors.Is(err, a.Wrong):
		return problem(c, fiber.StatusUnauthorized, "wrong_password", "账号或密码不对 (wrong name or password)")
	case err != nil:
		return err
	}
	return c.JSON(fiber.Map{"token": token})
}

func (a *api) status(c *fiber.Ctx) error {
	return a.answer(c, a.Source.Status)
}

func (a *api) digests(c *fiber.Ctx) error {
	id, err := strconv.ParseUint(c.Query("station"), 10, 32)
	if err != nil {
		return problem(c, fiber.StatusBadRequest, "bad_station", "station：应为驿站编号 (a station's number)")
	}
	return a.answer(c, func(ctx context.Context) (any, error) { return a.Source.Digests(ctx, ticket.StationID(id)) })
}

func (a *api) ticket(c *fiber.Ctx) error {
	id, err := strconv.ParseUint(c.Params("id"), 10, 64)
	if err != nil {
		return problem(c, fiber.StatusBadRequest, "bad_ticket_id", "id：应为票的数字编号 (a ticket's number)")
	}
	return a.answer(c, func(ctx context.Context) (any, error) { return a.Source.Ticket(ctx, ticket.TicketID(id)) })
}

func (a *api) answer(c *fiber.Ctx, ask func(context.Context) (any, error)) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), deadline)
	defer cancel()
	v, err := ask(ctx)
	if errors.Is(err, ErrNotFound) {
		return problem(c, fiber.StatusNotFound, "not_found", "没有找到 (not found)")
	}
	if err != nil {
		return err
	}
	return c.JSON(v)
}
