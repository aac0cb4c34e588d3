package lanapi

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/fleet"
	"yipiao/edge/internal/lane"
	"yipiao/sync/ticket"
)

func (a *api) status(c *fiber.Ctx) error { return c.JSON(a.Status()) }

func (a *api) digests(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), 10*deadline)
	defer cancel()
	d, err := a.Digests(ctx)
	if err != nil {
		return errFault.send(c)
	}
	return c.JSON(d)
}

func (a *api) ticket(c *fiber.Ctx) error {
	id, err := strconv.ParseUint(c.Params("id"), 10, 64)
	if err != nil {
		return bad(&ticket.FieldError{Field: "id", Want: "票的数字编号 (a ticket's number)", Code: "bad_ticket_id"}).send(c)
	}
	t, ok := a.Ticket(ticket.TicketID(id))
	if !ok {
		return (&problem{status: fiber.StatusNotFound, Code: "unknown_ticket", Message: "没有这张票 (no such ticket)"}).send(c)
	}
	return c.JSON(t)
}

// A shownBody is something that a lane has shown.
type shownBody struct {
	N       uint64            `json:"n"`
	Lane    string            `json:"lane"`
	Verdict verdictBody       `json:"verdict"`
	Seat    string            `json:"seat,omitempty"`
	Holder  string            `json:"holder,omitempty"`
	Session string            `json:"session,omitempty"`
	Ticket  ticket.TicketID   `json:"ticket,omitempty"`
	Seq     uint64            `json:"seq,omitempty"`
	EndSeq  uint64            `json:"end_seq,omitempty"`
	Passage lane.PassageState `json:"passage,omitempty"`
	Repeat  bool              `json:"repeat,omitempty"`
	Bytes   int               `json:"bytes,omitempty"`
	AtMs    int64             `json:"at_ms"`
}

// events answers what the lanes have shown after ?since=N, waiting up to ?wait_ms= for something.
func (a *api) events(c *fiber.Ctx) error {
	since, err := strconv.ParseUint(c.Query("since", "0"), 10, 64)
	wait, errWait := strconv.Atoi(c.Query("wait_ms", "0"))
	if err != nil || errWait != nil || wait < 0 || wait > 30_000 {
		return bad(&ticket.FieldError{Field: "since, wait_ms", Want: "非负整数，wait_ms 不超过 30000 (numbers)", Code: "bad_query"}).send(c)
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), time.Duration(wait)*time.Millisecond)
	defer cancel()
	posts, newest := a.Board.Since(ctx, c.Query("lane"), since)
	out := make([]shownBody, 0, len(posts))
	for _, p := range posts {
		out = append(out, shownBody{
			N: p.N, Lane: p.Lane, Verdict: verdict(p.Verdict), Seat: p.Seat, Holder: p.Holder, Session: p.Session,
			Ticket: p.Ticket, Seq: p.Seq, EndSeq: p.EndSeq, Passage: p.Passage, Repeat: p.Repeat, Bytes: p.Bytes,
			AtMs: p.At.UnixMilli(),
		})
	}
	return c.JSON(fiber.Map{"newest": newest, "events": out})
}

func (a *api) login(c *fiber.Ctx) error {
	var r struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if err := decodeStrict(c.Body(), &r); err != nil {
		return bad(err).send(c)
	}
	token, err := a.Registry.Login(c.UserContext(), r.Name, r.Password)
	switch {
	case errors.Is(err, fleet.ErrLocked):
		return (&problem{status: fiber.StatusTooManyRequests, Code: "locked", Message: "输错 5 次，15 分钟后再试 (locked for 15 minutes)"}).send(c)
	case errors.Is(err, fleet.ErrWrong):
		return (&problem{status: fiber.StatusUnauthorized, Code: "wrong_password", Message: "账号或密码不对 (wrong name or password)"}).send(c)
	case err != nil:
		return errFault.send(c)
	}
	return c.JSON(fiber.Map{"token": token})
}

// addDevice registers a device for somebody who has logged in; the token is in the answer only.
func (a *api) addDevice(c *fiber.Ctx) error {
	who, ok := a.Registry.Who(bearer(c))
	if !ok {
		return errNoLogin.send(c)
	}
	var r struct {
		Name  string             `json:"name"`
		Lanes []string           `json:"lanes"`
		May   []fleet.Permission `json:"may"`
	}
	if err := decodeStrict(c.Body(), &r); err != nil {
		return bad(err).send(c)
	}
	for _, l := range r.Lanes {
		if _, ok := a.Lane(l); !ok {
			return bad(&ticket.FieldError{Field: "lanes", Want: "本站的通道 (lanes of this station)", Code: "unknown_lane"}).send(c)
		}
	}
	d, token, err := a.Registry.AddDevice(r.Name, r.Lanes, r.May)
	var f *ticket.FieldError
	switch {
	case errors.As(err, &f):
		return bad(err).send(c)
	case err != nil:
		a.Log.Error("device not registered", "error", err)
		return errFault.send(c)
	}
	a.Acted(who, "device_added", d.ID)
	return c.Status(fiber.StatusCreated).JSON(fiber.Map{"id": d.ID, "name": d.Name, "token": token})
}
