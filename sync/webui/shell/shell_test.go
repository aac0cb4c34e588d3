package shell_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// expect checks a status and texts that stand in the answer.
func expect(t *testing.T, what string, r *http.Response, status int, texts ...string) {
	t.Helper()
	got := body(t, r)
	if r.StatusCode != status {
		t.Errorf("%s: status %d, want %d", what, r.StatusCode, status)
	}
	for _, text := range texts {
		if !strings.Contains(got, text) {
			t.Errorf("%s: no %q in %s", what, text, got)
		}
	}
}

func TestLogin(t *testing.T) {
	s := newSite(t, 0)
	r := s.get("/")
	if expect(t, "nobody", r, 303); r.Header.Get("Location") != "/login" {
		t.Errorf("to %s", r.Header.Get("Location"))
	}
	expect(t, "form", s.get("/login"), 200, "示例大剧院", "S-0017", `name="password" type="password"`, "登录")
	wrong := url.Values{"name": {"ops\"><i>"}, "password": {"x"}}
	for range 5 {
		expect(t, "wrong", s.post("/login", wrong, nil), 401, "账号或密码不对", `value="ops&#34;&gt;&lt;i&gt;"`)
	}
	right := url.Values{"name": {"ops"}, "password": {"right"}}
	expect(t, "locked", s.post("/login", right, nil), 429, "输错 5 次，15 分钟后再试")
	expect(t, "locked, English", s.post("/login?lang=en", right, nil), 429, "Wrong 5 times. Try again in 15 minutes")
	s.auth.wrong = 0
	cookie := s.login()
	expect(t, "logged in", s.get("/", cookie), 200, "示例大剧院", `<p id="value">one</p>`, `action="/logout"`)
	expect(t, "no second log-in", s.get("/login", cookie), 303)
	expect(t, "log out", s.post("/logout", nil, nil, cookie), 303)
	expect(t, "logged out", s.get("/", cookie), 303)
	s.auth.broken = true
	expect(t, "fault", s.post("/login", right, nil), 503, "现在不能登录")
}

func TestCookies(t *testing.T) {
	s := newSite(t, 0)
	right := url.Values{"name": {"ops"}, "password": {"right"}}
	for _, c := range s.post("/login?lang=en&theme=dark", right, nil).Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" {
			t.Errorf("%+v", c)
		}
		if isSession := c.Name == "yipiao_s-0017"; isSession != (c.MaxAge == 0) {
			t.Errorf("%s is kept for %d s", c.Name, c.MaxAge)
		}
	}
	srv := httptest.NewUnstartedServer(nil) // for its certificate only
	srv.StartTLS()
	t.Cleanup(srv.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.app.Listener(tls.NewListener(l, &tls.Config{Certificates: srv.TLS.Certificates})) }()
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport.(*http.Transport).TLSClientConfig.ServerName = "example.com"
	res, err := client.PostForm("https://"+l.Addr().String()+"/login", right)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if cs := res.Cookies(); len(cs) != 1 || !cs[0].Secure {
		t.Errorf("over TLS: %v", cs)
	}
	client.CloseIdleConnections()
	if err := s.app.ShutdownWithTimeout(5 * time.Second); err != nil || <-ended != nil {
		t.Error(err)
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	s := newSite(t, 0)
	right := url.Values{"name": {"ops"}, "password": {"right"}}
	for _, c := range []struct {
		name    string
		headers map[string]string
		status  int
	}{
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"another port", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"another origin", map[string]string{"Origin": "https://evil.example"}, 403},
		{"no origin", map[string]string{"Origin": "null"}, 403},
		{"our form", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://example.com"}, 303},
		{"our origin, old browser", map[string]string{"Origin": "http://example.com"}, 303},
		{"a program", nil, 303},
	} {
		r := s.post("/login", right, c.headers)
		if r.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", c.name, r.StatusCode, c.status)
		}
	}
	expect(t, "text", s.post("/logout", nil, map[string]string{"Sec-Fetch-Site": "cross-site"}), 403, "这个请求来自别的网站，没有执行")
}

func TestHeaders(t *testing.T) {
	s := newSite(t, 0)
	for _, path := range []string{"/login", "/", "/live", "/nothing", "/assets/live.js", "/assets/nothing.js"} {
		h := s.get(path).Header
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'self'; ") ||
			strings.Contains(h.Get("Content-Security-Policy"), "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, h)
		}
	}
	if s.get("/login").Header.Get("Cache-Control") != "no-store" {
		t.Error("pages are kept by browsers")
	}
	kept := s.get("/assets/yipiao.css?v=" + webui.Version()).Header
	if !strings.Contains(kept.Get("Cache-Control"), "immutable") || !strings.HasPrefix(kept.Get("Content-Type"), "text/css") {
		t.Errorf("asset: %v", kept)
	}
	page := body(t, s.get("/login"))
	if strings.Contains(page, "<style") || strings.Contains(page, "style=") || strings.Contains(page, "<script>") || strings.Contains(page, "onclick") {
		t.Error("inline style or script")
	}
}

func TestLanguageAndThemeAreRemembered(t *testing.T) {
	s := newSite(t, 0)
	expect(t, "first", s.get("/login"), 200, `<html lang="zh-CN">`)
	r := s.get("/login?lang=en&theme=dark")
	var cookies []string
	for _, c := range r.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	expect(t, "asked", r, 200, `<html lang="en" data-theme="dark">`)
	expect(t, "remembered", s.get("/login", cookies...), 200, `<html lang="en" data-theme="dark">`, "Log in")
	expect(t, "back", s.get("/login?lang=zh", cookies...), 200, `<html lang="zh-CN" data-theme="dark">`)
	expect(t, "nonsense", s.get("/login?lang=%22x&theme=%22x"), 200, `<html lang="zh-CN">`)
}

func TestErrorsArePages(t *testing.T) {
	s := newSite(t, 0)
	expect(t, "unknown", s.get("/nothing"), 404, "没有这个页面", "请核对地址")
	expect(t, "unknown, English", s.get("/nothing?lang=en"), 404, "There is no such page")
	expect(t, "unknown asset", s.get("/assets/x"), 404, "没有这个页面")
	expect(t, "API is not touched", s.get("/api/known"), 200, "fine")
	if got := body(t, s.get("/api/unknown")); strings.Contains(got, "<html") {
		t.Errorf("a program got a page: %s", got)
	}
}

func TestMount_requires(t *testing.T) {
	if err := shell.Mount(newSite(t, 0).app, shell.Config{}); err == nil {
		t.Error("an empty configuration was accepted")
	}
}

// TestDocs are further documents: behind the log-in, in the page's frame, named in its links.
func TestDocs(t *testing.T) {
	s := newSite(t, 0)
	asked := ""
	page, err := webui.NewPage(fstest.MapFS{"p.html": {Data: []byte(`{{define "bar"}}{{end}}{{define "main"}}<i>{{.}}</i>{{end}}`)}}, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	s.app = fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true})
	err = shell.Mount(s.app, shell.Config{
		Page: page, Bus: s.bus, Auth: s.auth, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
		Site: func(webui.Speaker) shell.Site { return shell.Site{Name: "x", Cookie: "yipiao_s-0017"} }, View: s.view,
		Nav: func(webui.Speaker) []webui.Link {
			return []webui.Link{{Href: "/", Text: "first"}, {Href: "/more", Text: "second"}}
		},
		Docs: []shell.Doc{
			{Method: "GET", Path: "/more/:id", Serve: func(c *fiber.Ctx, v shell.Visit) (any, error) {
				asked = v.User
				if c.Params("id") == "file" {
					return nil, c.SendString("by itself")
				}
				if c.Params("id") == "none" {
					return nil, shell.ErrNoDoc
				}
				return "view of " + c.Params("id"), nil
			}},
			{Method: "POST", Path: "/more", Serve: func(*fiber.Ctx, shell.Visit) (any, error) { return "sent", nil }},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "without a log-in", s.get("/more/1"), 303)
	cookie := s.login()
	expect(t, "a document", s.get("/more/1", cookie), 200, "<i>view of 1</i>", `<a href="/">first</a><a href="/more" aria-current="page">second</a>`)
	expect(t, "a file", s.get("/more/file", cookie), 200, "by itself")
	expect(t, "nothing there", s.get("/more/none", cookie), 404, "没有这个页面")
	expect(t, "the first", s.get("/", cookie), 200, `<a href="/" aria-current="page">first</a><a href="/more">second</a>`)
	expect(t, "a form", s.post("/more", url.Values{}, nil, cookie), 200, "<i>sent</i>")
	expect(t, "a form of another site", s.post("/more", url.Values{}, map[string]string{"Sec-Fetch-Site": "cross-site"}, cookie), 403)
	if asked != "ops" {
		t.Errorf("asked by %q", asked)
	}
}
