package lanapi

import (
	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/fleet"
)

// health takes what a handheld says of its battery and network, about once a minute (SHOW-6.3.6.2.1). A field
// that is left out is an error: a battery that nobody read must not look empty.
func (a *api) health(c *fiber.Ctx) error {
	d, ok := a.Registry.Device(bearer(c))
	switch {
	case !ok:
		return errNoDevice.send(c)
	case !d.Permitted(fleet.MayCheck, ""):
		return errNoRight.send(c)
	}
	r := fleet.Report{Battery: -1}
	if err := decodeStrict(c.Body(), &r); err != nil {
		return bad(err).send(c)
	}
	if err := r.Validate(); err != nil {
		return bad(err).send(c)
	}
	a.Changed(a.Registry.Heard(d, r))
	return c.SendStatus(fiber.StatusNoContent)
}
