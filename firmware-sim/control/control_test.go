package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/control"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/turnstile"
)

const patience = 5 * time.Second

// A site is a bench under control, with a client.
type site struct {
	*control.Client
	dir string
	log *lockedBuffer
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{dir: dir, log: &lockedBuffer{}, Client: control.NewClient(filepath.Join(dir, "sim.sock"))}
	b, err := bench.New(bench.Config{
		Devices: []bench.DeviceConfig{
			{Name: "scanner-1", PTY: filepath.Join(dir, "scanner-1"), Settings: scanner.Settings{}},
			{Name: "gate-1", PTY: filepath.Join(dir, "gate-1"), Settings: turnstile.Settings{Visitor: turnstile.Manual}},
		},
		WAN: &bench.WANConfig{Listen: "127.0.0.1:0", Target: "127.0.0.1:1"},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Errorf("bench: %v", err)
		}
	})
	all.Go(func() {
		server := control.NewServer(b, slog.New(slog.NewTextHandler(s.log, nil)))
		if err := server.Run(ctx, filepath.Join(dir, "sim.sock")); err != nil {
			t.Errorf("control: %v", err)
		}
	})
	t.Cleanup(func() {
		s.Close()
		cancel()
		all.Wait()
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	wait, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if err := s.WaitReady(wait); err != nil {
		t.Fatal(err)
	}
	return s
}

// station opens a device's line.
func (s *site) station(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	_ = f.SetDeadline(time.Now().Add(patience))
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func failsWith(t *testing.T, err error, status int, says string) {
	t.Helper()
	var e *control.Error
	if !errors.As(err, &e) || e.Status != status || !strings.Contains(e.Message, says) {
		t.Errorf("%v, want status %d with %q", err, status, says)
	}
}

func TestScanAndEvents(t *testing.T) {
	s := newSite(t)
	failsWith(t, s.Scan(t.Context(), "scanner-1", "T1:SECRET-0001"), http.StatusConflict, "nobody")
	line := s.station(t, "scanner-1")
	must(t, s.Scan(t.Context(), "scanner-1", "T1:SECRET-0001"))
	must(t, s.Raw(t.Context(), "scanner-1", []byte{0xFF, '\r'}))
	want := "T1:SECRET-0001\r\xFF\r"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(line, got); err != nil || string(got) != want {
		t.Errorf("on the wire %q, %v", got, err)
	}
	events, last, err := s.Events(t.Context(), "scanner-1", 0, 0)
	if err != nil || len(events) != 2 || last != events[1].Seq || events[1].Hex != "ff0d" {
		t.Errorf("%+v, %d, %v", events, last, err)
	}
	if d, err := s.Device(t.Context(), "scanner-1"); err != nil || !d.Line.Open || d.Scanner.Scans != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if log := s.log.String(); !strings.Contains(log, "…0001") || strings.Contains(log, "SECRET") {
		t.Errorf("log %q: want the last four characters of the code and no more", log)
	}
}

func TestEventsWaitForNews(t *testing.T) {
	s := newSite(t)
	_, last, err := s.Events(t.Context(), "", 0, 0)
	must(t, err)
	type news struct {
		kind string
		err  error
	}
	got := make(chan news, 1)
	go func() {
		events, _, err := s.Events(context.Background(), "gate-1", last, patience)
		if len(events) == 0 {
			got <- news{"", err}
			return
		}
		got <- news{events[0].Kind, err}
	}()
	must(t, s.SetFault(t.Context(), "gate-1", 4))
	if n := <-got; n.kind != "fault" || n.err != nil {
		t.Errorf("%+v, want the fault", n)
	}
	events, after, err := s.Events(t.Context(), "scanner-1", last, time.Millisecond)
	if err != nil || len(events) != 0 || after != last {
		t.Errorf("%+v, %d, %v; want nothing after a short wait", events, after, err)
	}
}

func TestTurnstileOperations(t *testing.T) {
	s := newSite(t)
	failsWith(t, s.Pass(t.Context(), "gate-1", turnstile.Entry), http.StatusConflict, "closed")
	must(t, s.Force(t.Context(), "gate-1", turnstile.Exit))
	failsWith(t, s.Force(t.Context(), "gate-1", turnstile.Exit), http.StatusConflict, "somebody is in the lane")
	must(t, s.SetVisitor(t.Context(), "gate-1", turnstile.Walk, 40*time.Millisecond))
	failsWith(t, s.SetVisitor(t.Context(), "gate-1", "run", 0), http.StatusBadRequest, "walk, stay, manual")
	must(t, s.SetFire(t.Context(), "gate-1", true))
	must(t, s.SetFault(t.Context(), "gate-1", 0x10))
	d, err := s.Device(t.Context(), "gate-1")
	must(t, err)
	if ts := d.Turnstile; ts.Visitor != turnstile.Walk || ts.WalkMs != 40 || !ts.Fire || ts.FaultBits != 0x10 {
		t.Errorf("%+v", ts)
	}
	must(t, s.SetFire(t.Context(), "gate-1", false))
	must(t, s.SetBlocked(t.Context(), "gate-1", true))
	for since := uint64(0); ; { // the one who forced the exit gets counted
		events, last, err := s.Events(t.Context(), "gate-1", since, patience)
		must(t, err)
		if len(events) == 0 {
			t.Fatal("nobody was counted")
		}
		since = last
		d, err = s.Device(t.Context(), "gate-1")
		must(t, err)
		if d.Turnstile.ExitCount == 1 {
			break
		}
	}
	if !d.Turnstile.Blocked || d.Turnstile.Fire {
		t.Errorf("%+v", d.Turnstile)
	}
}

func TestPlugsAndFaults(t *testing.T) {
	s := newSite(t)
	must(t, s.Unplug(t.Context(), "scanner-1"))
	if d, err := s.Device(t.Context(), "scanner-1"); err != nil || d.Line.Plugged {
		t.Errorf("%+v, %v", d, err)
	}
	failsWith(t, s.Scan(t.Context(), "scanner-1", "X"), http.StatusConflict, "")
	must(t, s.Replug(t.Context(), "scanner-1"))
	must(t, s.WaitReady(t.Context()))
	must(t, s.SetFaults(t.Context(), "scanner-1", board.Faults{Mute: true, DelayMs: 3}))
	if d, err := s.Device(t.Context(), "scanner-1"); err != nil || d.Line.Faults != (board.Faults{Mute: true, DelayMs: 3}) {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestWAN(t *testing.T) {
	s := newSite(t)
	must(t, s.CutWAN(t.Context()))
	if st, err := s.WAN(t.Context()); err != nil || !st.Cut || st.Target != "127.0.0.1:1" {
		t.Errorf("%+v, %v", st, err)
	}
	must(t, s.MendWAN(t.Context()))
	must(t, s.DelayWAN(t.Context(), 30*time.Millisecond))
	if st, err := s.WAN(t.Context()); err != nil || st.Cut || st.DelayMs != 30 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestWhatCannotBe(t *testing.T) {
	s := newSite(t)
	failsWith(t, s.Scan(t.Context(), "scanner-9", "X"), http.StatusNotFound, "scanner-9")
	failsWith(t, s.Unplug(t.Context(), "a/b"), http.StatusNotFound, "a/b")
	failsWith(t, s.Scan(t.Context(), "gate-1", "X"), http.StatusBadRequest, "turnstile")
	failsWith(t, s.SetFire(t.Context(), "scanner-1", true), http.StatusBadRequest, "scanner")
	_, _, err := s.Events(t.Context(), "scanner-9", 0, 0)
	failsWith(t, err, http.StatusNotFound, "scanner-9")
	_, err = s.Device(t.Context(), "scanner-9")
	failsWith(t, err, http.StatusNotFound, "scanner-9")

	unixClient := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.dir, "sim.sock"))
	}}}
	defer unixClient.CloseIdleConnections()
	for _, body := range []string{`{"text":"X","speed":1}`, `nonsense`} {
		resp, err := unixClient.Post("http://sim/devices/scanner-1/scan", "application/json", strings.NewReader(body))
		must(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", body, resp.StatusCode)
		}
	}
}

func TestSocketOfAnotherSimulatorIsLeftAlone(t *testing.T) {
	s := newSite(t)
	b, err := bench.New(bench.Config{}, slog.New(slog.DiscardHandler))
	must(t, err)
	err = control.NewServer(b, slog.New(slog.DiscardHandler)).Run(t.Context(), filepath.Join(s.dir, "sim.sock"))
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v, want an error that says it is in use", err)
	}
	if _, err := s.Devices(t.Context()); err != nil {
		t.Errorf("the first simulator: %v", err)
	}
}
