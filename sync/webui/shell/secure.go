package shell

import (
	"net/url"

	"github.com/gofiber/fiber/v2"
)

// secure sets the headers of every answer. Referrers stay on this site; "no-referrer" would also make
// browsers send "Origin: null" with our own forms.
func secure(c *fiber.Ctx) {
	c.Set(fiber.HeaderContentSecurityPolicy,
		"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set(fiber.HeaderReferrerPolicy, "same-origin")
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Set(fiber.HeaderCacheControl, "no-store")
}

// sameSite reports whether a form was sent by one of our own pages. Every browser says where a form
// comes from in one of two headers; a program without either carries no cookie by accident.
func sameSite(c *fiber.Ctx) bool {
	if from := c.Get("Sec-Fetch-Site"); from != "" {
		return from == "same-origin" || from == "none"
	}
	origin := c.Get(fiber.HeaderOrigin)
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && u.Host == string(c.Request().Host())
}
