package shell

import (
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/webui"
)

// Cookies of the look. They hold no identity; the session cookie's name comes from the Site.
const (
	langCookie  = "yipiao_lang"
	themeCookie = "yipiao_theme"
	keepLook    = 365 * 24 * time.Hour
)

// A visit is one request: who, in which language and theme.
type visit struct {
	lang  webui.Lang
	theme string
	say   webui.Speaker
	site  Site
	token string
	user  string // "" if nobody is logged in
	path  string
}

// A problem is an error that a person reads: a status and the key of its text.
type problem struct {
	status int
	key    string
}

// Error implements error.
func (p *problem) Error() string { return p.key }

var (
	errNotFound = &problem{fiber.StatusNotFound, "error.not_found"}
	errForeign  = &problem{fiber.StatusForbidden, "error.foreign"}
	errFull     = &problem{fiber.StatusServiceUnavailable, "error.full"}
	errFault    = &problem{fiber.StatusInternalServerError, "error.fault"}
)

// handle sets the headers, checks where a form comes from, finds out who asks, and shows errors.
func (s *shell) handle(h func(*fiber.Ctx, *visit) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		secure(c)
		v := s.visit(c)
		err := error(errForeign)
		if c.Method() != fiber.MethodPost || sameSite(c) {
			err = h(c, v)
		}
		if err == nil {
			return nil
		}
		p := errFault
		if !errors.As(err, &p) {
			s.cfg.Log.Error("page failed", "path", c.Path(), "error", err)
		}
		return s.message(c, v, p)
	}
}

func (s *shell) visit(c *fiber.Ctx) *visit {
	v := &visit{lang: s.lang(c), theme: s.theme(c), path: strings.Clone(c.Path())}
	v.say = s.cfg.Page.Speaker(v.lang)
	if s.cfg.Site == nil { // a page of NotFound belongs to nobody
		return v
	}
	v.site = s.cfg.Site(v.say)
	v.token = strings.Clone(c.Cookies(v.site.Cookie))
	if name, ok := s.cfg.Auth.Who(v.token); ok && v.token != "" {
		v.user = name
	}
	return v
}

// lang is the language asked for, which is remembered, or the one remembered, or Chinese.
func (s *shell) lang(c *fiber.Ctx) webui.Lang {
	if l, ok := webui.ParseLang(c.Query("lang")); ok {
		if c.Path() != "/live" {
			setCookie(c, langCookie, string(l), keepLook)
		}
		return l
	}
	l, _ := webui.ParseLang(c.Cookies(langCookie))
	return l
}

func (s *shell) theme(c *fiber.Ctx) string {
	theme := func(s string) string {
		switch s {
		case "light":
			return "light"
		case "dark":
			return "dark"
		}
		return "" // as the system has it
	}
	if t := theme(c.Query("theme")); t != "" {
		setCookie(c, themeCookie, t, keepLook)
		return t
	}
	return theme(c.Cookies(themeCookie))
}

func setCookie(c *fiber.Ctx, name, value string, keep time.Duration) {
	k := &fiber.Cookie{
		Name: name, Value: value, Path: "/", HTTPOnly: true, Secure: c.Secure(),
		SameSite: fiber.CookieSameSiteStrictMode, MaxAge: int(keep / time.Second),
	}
	if keep == 0 {
		k.SessionOnly = true
	}
	c.Cookie(k)
}

func dropCookie(c *fiber.Ctx, name string) {
	c.Cookie(&fiber.Cookie{
		Name: name, Path: "/", HTTPOnly: true, Secure: c.Secure(),
		SameSite: fiber.CookieSameSiteStrictMode, Expires: time.Unix(1, 0),
	})
}
