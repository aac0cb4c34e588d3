package shell_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

// accounts has one person; five wrong passwords lock the name.
type accounts struct {
	mu     sync.Mutex
	wrong  int
	broken bool
	open   map[string]bool
}

func (a *accounts) Login(_ context.Context, name, password string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.broken:
		return "", errors.New("disk is gone")
	case a.wrong >= 5:
		return "", shell.ErrLocked
	case name != "ops" || password != "right":
		a.wrong++
		return "", shell.ErrWrong
	}
	token := "token" + strconv.Itoa(len(a.open))
	a.open[token] = true
	return token, nil
}

func (a *accounts) Who(token string) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return "ops", a.open[token]
}

func (a *accounts) Logout(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, token)
}

// site is a page with one part, a number.
type site struct {
	t    *testing.T
	app  *fiber.App
	bus  *webui.Bus
	auth *accounts

	mu    sync.Mutex
	value string
	panic bool
	big   int // size of the values that viewers publishes
}

func (s *site) set(value string) {
	s.mu.Lock()
	s.value = value
	s.mu.Unlock()
	s.bus.Publish("value")
}

func newSite(t *testing.T, patience time.Duration) *site {
	t.Helper()
	page, err := webui.NewPage(fstest.MapFS{"p.html": {Data: []byte(
		`{{define "bar"}}{{end}}{{define "main"}}<p id="value">{{template "value" .}}</p>{{end}}{{define "value"}}{{.}}{{end}}`,
	)}}, []byte(`{}`), "value")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, bus: webui.NewBus(), auth: &accounts{open: map[string]bool{}}, value: "one", big: 64 << 10}
	s.app = fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute})
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	err = shell.Mount(s.app, shell.Config{
		Page: page, Bus: s.bus, Auth: s.auth, Log: log, Now: time.Now, Patience: patience,
		Site: func(webui.Speaker) shell.Site {
			return shell.Site{Name: "示例大剧院", Sub: "S-0017", Cookie: "yipiao_s-0017"}
		},
		View: s.view,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.app.Get("/api/known", func(c *fiber.Ctx) error { return c.SendString("fine") })
	s.app.Use(shell.NotFound(page, log))
	return s
}

func (s *site) view(webui.Speaker, time.Time) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panic {
		panic("view")
	}
	return s.value
}

// get asks without a network.
func (s *site) get(path string, cookies ...string) *http.Response {
	s.t.Helper()
	return s.do(httptest.NewRequest(http.MethodGet, path, nil), cookies...)
}

func (s *site) post(path string, form url.Values, headers map[string]string, cookies ...string) *http.Response {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	return s.do(r, cookies...)
}

func (s *site) do(r *http.Request, cookies ...string) *http.Response {
	s.t.Helper()
	if len(cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(cookies, "; "))
	}
	res, err := s.app.Test(r, -1)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// login returns the session cookie.
func (s *site) login() string {
	s.t.Helper()
	res := s.post("/login", url.Values{"name": {"ops"}, "password": {"right"}}, nil)
	for _, c := range res.Cookies() {
		if c.Name == "yipiao_s-0017" {
			return c.Name + "=" + c.Value
		}
	}
	s.t.Fatalf("log-in: %d without a cookie", res.StatusCode)
	return ""
}

// listen serves the site; stop shuts it down within the time and reports how long that took.
func (s *site) listen() (addr string, stop func(time.Duration) (time.Duration, error)) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.app.Listener(l) }()
	stop = func(limit time.Duration) (time.Duration, error) {
		began := time.Now()
		err := s.app.ShutdownWithTimeout(limit)
		return time.Since(began), errors.Join(err, <-ended)
	}
	return l.Addr().String(), stop
}
