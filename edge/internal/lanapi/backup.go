package lanapi

import (
	"github.com/gofiber/fiber/v2"
)

// Backups makes backups for those who have logged in.
type Backups interface {
	// Ask has one made, in the folder or on the stick, for a person; it returns at once.
	Ask(by string, stick bool) (code, message string)
	// State is what is going on and what is kept, as JSON.
	State() any
}

// backups answers what is going on and what is kept.
func (a *api) backups(c *fiber.Ctx) error {
	if _, ok := a.Registry.Who(bearer(c)); !ok {
		return errNoLogin.send(c)
	}
	return c.JSON(a.Backups.State())
}

// addBackup has a backup made; the answer does not wait for it.
func (a *api) addBackup(c *fiber.Ctx) error {
	who, ok := a.Registry.Who(bearer(c))
	if !ok {
		return errNoLogin.send(c)
	}
	var r struct {
		Stick bool `json:"stick"`
	}
	if err := decodeStrict(c.Body(), &r); err != nil {
		return bad(err).send(c)
	}
	if code, message := a.Backups.Ask(who, r.Stick); code != "" {
		return (&problem{status: fiber.StatusConflict, Code: code, Message: message}).send(c)
	}
	return c.Status(fiber.StatusAccepted).JSON(a.Backups.State())
}
