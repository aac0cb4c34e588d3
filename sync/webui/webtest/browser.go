package webtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// limit ends a browser test that hangs.
const limit = time.Minute

// A Browser is one tab. Everything that the page logs as an error is kept.
type Browser struct {
	t      *testing.T
	ctx    context.Context
	logged *record
}

// record is what the page has reported as errors.
type record struct {
	mu    sync.Mutex
	texts []string
}

// Open starts a browser with an empty profile, which ends with the test. It fails the test if there is
// none: these tests are never skipped.
func Open(t *testing.T) *Browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("no browser. Install it with:\n\tapt-get update; apt-get install -y --no-install-recommends chromium fonts-noto-cjk")
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	ctx, stopBrowser := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stopBrowser)
	ctx, stopTab := chromedp.NewContext(ctx)
	t.Cleanup(stopTab)
	b := &Browser{t: t, ctx: ctx, logged: &record{}}
	if err := chromedp.Listen(ctx, b.logged.listen); err != nil {
		t.Fatalf("browser: %v", err)
	}
	var stop context.CancelFunc
	b.ctx, stop = context.WithTimeout(ctx, limit)
	t.Cleanup(stop)
	return b
}

// listen keeps what the page or the browser reports as an error, such as a blocked style.
func (r *record) listen(ev any) {
	text := ""
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		text = ev.ExceptionDetails.Text
		if ev.ExceptionDetails.Exception != nil {
			text += " " + ev.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		text = fmt.Sprintf("console.%s with %d arguments", ev.Type, len(ev.Args))
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError {
			text = fmt.Sprintf("%s: %s (%s)", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL)
		}
	}
	if text == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts = append(r.texts, text)
}

// Run runs a part of the test in the same tab.
func (b *Browser) Run(name string, f func(t *testing.T, b *Browser)) {
	b.t.Run(name, func(t *testing.T) { f(t, &Browser{t: t, ctx: b.ctx, logged: b.logged}) })
}

// Do runs actions; an error ends the test.
func (b *Browser) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// Eval evaluates an expression of the page into a value.
func Eval[T any](b *Browser, expr string) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](expr))
}

func run[T any](b *Browser, a chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.t.Fatalf("browser: %v", err)
	}
	return v
}

// Await waits until an expression of the page is true; the page itself looks, at every frame.
func (b *Browser) Await(expr string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expr, chromedp.WithPollingTimeout(10*time.Second)))
	if err != nil {
		b.t.Fatalf("browser: waiting for %s: %v\n%s", expr, err, Eval[string](b, "document.body.innerText"))
	}
}

// Click presses the first element that a CSS selector finds.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	b.Do(chromedp.Click(chromedp.CSS(selector)))
}

// Follow presses a link or button that loads a page, and waits for the page.
func (b *Browser) Follow(selector string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// Go loads an address.
func (b *Browser) Go(url string) {
	b.t.Helper()
	b.Do(chromedp.Navigate(url))
}

// Size sets the size of the window.
func (b *Browser) Size(width, height int64) {
	b.t.Helper()
	b.Do(chromedp.EmulateViewport(width, height))
}

// SystemDark sets what the system prefers.
func (b *Browser) SystemDark(dark bool) {
	b.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
	})
	if err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// Login opens a site and logs in.
func (b *Browser) Login(url, name, password string) {
	b.t.Helper()
	b.Do(chromedp.Navigate(url+"/"),
		chromedp.SendKeys(chromedp.CSS(`input[name=name]`), name),
		chromedp.SendKeys(chromedp.CSS(`input[name=password]`), password))
	b.Follow(`button.pri`)
	b.Do(chromedp.WaitVisible(chromedp.CSS(`#bar`)))
}

// Shoots reports whether Shot writes pictures.
func Shoots() bool { return os.Getenv("YIPIAO_SHOTS") != "" }

// Shot writes a picture of the whole page as name.png to the directory that the environment variable
// YIPIAO_SHOTS names, if it is set.
func (b *Browser) Shot(name string) {
	b.t.Helper()
	dir := os.Getenv("YIPIAO_SHOTS")
	if dir == "" {
		return
	}
	png := run(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// NoErrors fails the test if the page has logged errors.
func (b *Browser) NoErrors() {
	b.t.Helper()
	b.logged.mu.Lock()
	defer b.logged.mu.Unlock()
	if len(b.logged.texts) > 0 {
		b.t.Errorf("the page logged:\n%s", strings.Join(b.logged.texts, "\n"))
	}
}
