package shell

import (
	"bufio"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/webui"
)

// live answers with the stream of changes. A HEAD request only asks whether one would get it.
func (s *shell) live(c *fiber.Ctx, v *visit) error {
	if v.user == "" {
		return c.SendStatus(fiber.StatusUnauthorized)
	}
	if c.Method() == fiber.MethodHead {
		return c.SendStatus(fiber.StatusOK)
	}
	if s.cfg.Bus.Full() {
		return errFull
	}
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no")
	c.Context().SetConnectionClose() // nothing else will come over it
	conn := c.Context().Conn()
	viewing := webui.Viewing{
		Parts:   func() ([]webui.Part, error) { return s.parts(v.lang) },
		Allowed: func() bool { _, ok := s.cfg.Auth.Who(v.token); return ok },
		Now:     s.cfg.Now,
		// Fasthttp does not see a client leave: a write that is not accepted in time ends the stream.
		Extend: func() { _ = conn.SetWriteDeadline(time.Now().Add(s.cfg.Patience)) },
	}
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) { s.stream(w, viewing) })
	return nil
}

// stream runs on its own goroutine, outside every middleware: a panic in it must not end the process.
func (s *shell) stream(w *bufio.Writer, of webui.Viewing) {
	defer func() {
		if r := recover(); r != nil {
			s.cfg.Log.Error("live stream panicked", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	err := s.cfg.Bus.Serve(w, of)
	if err != nil && !errors.Is(err, webui.ErrClosed) {
		s.cfg.Log.Debug("live stream ended", "error", err)
	}
}

// fresh is how long rendered parts serve all pages of a language when nothing has happened.
const fresh = 200 * time.Millisecond

// recent is the last rendering in a language: many open pages cost one.
type recent struct {
	mu    sync.Mutex
	gen   uint64
	at    time.Time
	parts []webui.Part
}

func (s *shell) parts(lang webui.Lang) ([]webui.Part, error) {
	r := s.recent[lang]
	gen := s.cfg.Bus.Generation() // before the view is read: what happens after it is rendered again
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.parts != nil && r.gen == gen && time.Since(r.at) < fresh {
		return r.parts, nil
	}
	view := s.cfg.View(s.cfg.Page.LiveSpeaker(lang), s.cfg.Now())
	parts, err := s.cfg.Page.Parts(lang, view)
	if err != nil {
		return nil, err
	}
	r.gen, r.at, r.parts = gen, time.Now(), parts
	return parts, nil
}
