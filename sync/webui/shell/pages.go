package shell

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/webui"
)

// page shows the overview, or the way to the log-in.
func (s *shell) page(c *fiber.Ctx, v *visit) error {
	if v.user == "" {
		return c.Redirect("/login", fiber.StatusSeeOther)
	}
	f := s.frame(v)
	f.View = s.cfg.View(v.say, s.cfg.Now())
	return s.write(c, "page", f)
}

// doc shows a further document, or the way to the log-in.
func (s *shell) doc(d Doc) func(*fiber.Ctx, *visit) error {
	return func(c *fiber.Ctx, v *visit) error {
		if v.user == "" {
			return c.Redirect("/login", fiber.StatusSeeOther)
		}
		view, err := d.Serve(c, Visit{Say: v.say, User: v.user, Now: s.cfg.Now()})
		if err != nil || view == nil {
			return err
		}
		f := s.frame(v)
		f.View = view
		return s.write(c, "page", f)
	}
}

func (s *shell) loginForm(c *fiber.Ctx, v *visit) error {
	if v.user != "" {
		return c.Redirect("/", fiber.StatusSeeOther)
	}
	return s.write(c, "login", s.frame(v))
}

// login answers a sent form: the page, or the form again with the reason.
func (s *shell) login(c *fiber.Ctx, v *visit) error {
	name := strings.TrimSpace(strings.Clone(c.FormValue("name")))
	token, err := s.cfg.Auth.Login(c.UserContext(), name, strings.Clone(c.FormValue("password")))
	if err == nil {
		setCookie(c, v.site.Cookie, token, 0)
		return c.Redirect("/", fiber.StatusSeeOther)
	}
	f := s.frame(v)
	f.Typed = name
	switch {
	case errors.Is(err, ErrWrong):
		c.Status(fiber.StatusUnauthorized)
		f.Note = v.say.T("login.wrong")
	case errors.Is(err, ErrLocked):
		c.Status(fiber.StatusTooManyRequests)
		f.Note = v.say.T("login.locked")
	default:
		s.cfg.Log.Error("log-in failed", "error", err)
		c.Status(fiber.StatusServiceUnavailable)
		f.Note = v.say.T("login.broken")
	}
	return s.write(c, "login", f)
}

func (s *shell) logout(c *fiber.Ctx, v *visit) error {
	if v.token != "" {
		s.cfg.Auth.Logout(v.token)
	}
	dropCookie(c, v.site.Cookie)
	return c.Redirect("/login", fiber.StatusSeeOther)
}

// asset serves a file. Its address names the state of all files, so it may be kept for good.
func (s *shell) asset(c *fiber.Ctx) error {
	secure(c)
	a, ok := s.assets[c.Params("name")]
	if !ok {
		return s.message(c, s.visit(c), errNotFound)
	}
	if c.Query("v") == s.version {
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	}
	c.Set(fiber.HeaderContentType, a.Type)
	return c.Send(a.Data)
}

// message shows what went wrong and what now.
func (s *shell) message(c *fiber.Ctx, v *visit, p *problem) error {
	f := s.frame(v)
	f.Head, f.Note = v.say.T(p.key), v.say.T(p.key+".now")
	c.Status(p.status)
	return s.write(c, "message", f)
}

func (s *shell) frame(v *visit) *webui.Frame {
	f := &webui.Frame{
		Lang: v.lang, Theme: v.theme, Version: s.version, Name: v.site.Name, Sub: v.site.Sub, User: v.user,
		Title: v.say.T("brand"),
	}
	if s.cfg.Nav != nil {
		f.Nav = s.cfg.Nav(v.say)
	}
	for i := range f.Nav {
		href := f.Nav[i].Href
		f.Nav[i].Here = href == v.path || href != "/" && strings.HasPrefix(v.path, href+"/")
	}
	if v.site.Name != "" {
		f.Title += " · " + v.site.Name
	}
	return f
}

func (s *shell) write(c *fiber.Ctx, name string, f *webui.Frame) error {
	c.Type("html", "utf-8")
	var b strings.Builder
	if err := s.cfg.Page.Write(&b, name, f); err != nil {
		if name == "message" {
			return fmt.Errorf("error page: %w", err)
		}
		return err
	}
	return c.SendString(b.String())
}
