package lanapi

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/fleet"
	"yipiao/sync/ticket"
)

// Bridges registers bridges by a one-time code, and tells and revokes devices of all sorts.
type Bridges interface {
	// Invite makes a code for a bridge that is to be called name, under which it finds the station at address
	// (host:port; "" is where the station listens).
	Invite(name, address, by string) (code string, until time.Time, err error)
	// Join uses a code up and answers the certificate and those above it as PEM. It returns
	// fleet.ErrInvitation for a code that is not open.
	Join(code string, proof, csr []byte) (device string, pem []byte, err error)
	Devices() []fleet.Device
	Revoke(id, by string) error
}

func (a *api) mountBridges(v1 fiber.Router) {
	v1.Post("/bridges/codes", a.operator(a.addCode))
	v1.Post("/bridges/enrol", a.join)
	v1.Get("/devices", a.operator(a.devices))
	v1.Post("/devices/:id/revoke", a.operator(a.revoke))
}

var errCode = &problem{
	status: fiber.StatusForbidden, Code: "bad_code",
	Message: "登记码不对、已用过或已过期，请在驿站重新生成 (the code is wrong, used or too old: make a new one)",
}

// operator admits people who have logged in; their name is in the locals.
func (a *api) operator(next func(c *fiber.Ctx, who string) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		who, ok := a.Registry.Who(bearer(c))
		if !ok {
			return errNoLogin.send(c)
		}
		return next(c, who)
	}
}

// addCode makes a one-time code; it is in the answer only.
func (a *api) addCode(c *fiber.Ctx, who string) error {
	var r struct {
		Name    string `json:"name"`
		Address string `json:"address"`
	}
	if err := decodeStrict(c.Body(), &r); err != nil {
		return bad(err).send(c)
	}
	code, until, err := a.Bridges.Invite(r.Name, r.Address, who)
	if err != nil {
		return a.refused(c, err, "code not made")
	}
	return c.Status(fiber.StatusCreated).JSON(fiber.Map{"code": code, "until_ms": until.UnixMilli()})
}

// join is asked by a program that has nothing but a code.
func (a *api) join(c *fiber.Ctx) error {
	var r struct {
		Code  string `json:"code"` // the public half
		Proof []byte `json:"proof"`
		CSR   []byte `json:"csr"`
	}
	if err := decodeStrict(c.Body(), &r); err != nil {
		return bad(err).send(c)
	}
	id, pem, err := a.Bridges.Join(r.Code, r.Proof, r.CSR)
	if err != nil {
		return a.refused(c, err, "bridge not registered")
	}
	return c.Status(fiber.StatusCreated).JSON(fiber.Map{"id": id, "certificate": string(pem)})
}

// refused answers what is the asker's fault as such, and logs the rest.
func (a *api) refused(c *fiber.Ctx, err error, what string) error {
	var f *ticket.FieldError
	switch {
	case errors.Is(err, fleet.ErrInvitation):
		return errCode.send(c)
	case errors.As(err, &f):
		return bad(err).send(c)
	}
	a.Log.Error("request about devices failed", "what", what, "error", err)
	return errFault.send(c)
}

// A deviceBody is a registered device. Nothing in it helps to pass for the device.
type deviceBody struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	Lanes     []string           `json:"lanes"`
	May       []fleet.Permission `json:"may"`
	CreatedMs int64              `json:"created_ms"`
	RevokedMs int64              `json:"revoked_ms,omitempty"`
}

func (a *api) devices(c *fiber.Ctx, _ string) error {
	out := []deviceBody{}
	for _, d := range a.Bridges.Devices() {
		out = append(out, deviceBody{d.ID, d.Name, d.Lanes, d.May, d.CreatedMs, d.RevokedMs})
	}
	return c.JSON(fiber.Map{"devices": out})
}

func (a *api) revoke(c *fiber.Ctx, who string) error {
	id := c.Params("id")
	if err := a.Bridges.Revoke(id, who); err != nil {
		return a.refused(c, err, "device not revoked")
	}
	return c.JSON(fiber.Map{"id": id, "revoked": true})
}
