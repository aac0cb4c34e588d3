package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yipiao/drivers/port/serialport"
	"yipiao/edge/internal/devices"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
)

// firstWorld is the world of the table's first row around now.
func firstWorld(t *testing.T) *decisions.World {
	t.Helper()
	rows, err := decisions.Table()
	if err != nil {
		t.Fatal(err)
	}
	w, err := decisions.NewWorld(&rows[0], time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestStation_PortThatDoesNotExist: the device is lost and its note says why; the rest of
// the station works.
func TestStation_PortThatDoesNotExist(t *testing.T) {
	cloud := newTestCloud(t)
	missing := filepath.Join(t.TempDir(), "tty-nowhere")
	cfg := Config{
		Data: cloud.enrol(), Listen: Listen{LAN: "127.0.0.1:0"}, segment: 64 << 10,
		Devices: []devices.Config{{Name: "scan-1", Kind: "linescan", Port: devices.Port{Line: serialport.Config{Path: missing}}}},
		Lanes:   []LaneConfig{{Name: "L1", Groups: []ticket.GateGroupID{1}, Entry: true, Scanner: "scan-1"}},
	}
	st, err := assemble(cfg, slog.New(slog.DiscardHandler), &handTime{at: time.Now(), trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	s := &runningStation{t: t, Station: st}
	s.until("the device is lost", func() bool {
		d := st.Status().Devices
		return len(d) == 1 && d[0].State == "lost" && d[0].Note == "not plugged in"
	})
	if got := st.Status(); got.Ready || !strings.Contains(strings.Join(got.Attention, " "), "device_lost:scan-1") {
		t.Errorf("ready %v, attention %v", got.Ready, got.Attention)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// TestStation_BodyBeyondTheLimit is answered 413 in JSON from its announced length alone, and the station goes on.
// Only the head is sent: the server closes without reading the rest, and a client still writing may see the reset before
// it sees the answer.
func TestStation_BodyBeyondTheLimit(t *testing.T) {
	w := firstWorld(t)
	s := startStation(t, newTestCloud(t), w)
	cfg := s.client.Transport.(*http.Transport).TLSClientConfig.Clone()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	head := fmt.Sprintf("POST /api/v1/check HTTP/1.1\r\nHost: station\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", s.token, bodyLimit+1)
	if _, err = io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(raw), "http_413") {
		t.Fatalf("%s %s", res.Status, raw)
	}
	got := s.check(s.token, map[string]any{"nonce": ticket.Nonce{1}, "code": "x", "kind": "entry", "lane": "door"})
	if got.Verdict.Reason != ticket.NotATicket {
		t.Fatalf("got %s", got.Verdict.Reason)
	}
}

// TestStation_RevokedDeviceIsRefusedAtOnce.
func TestStation_RevokedDeviceIsRefusedAtOnce(t *testing.T) {
	w := firstWorld(t)
	cloud := newTestCloud(t)
	cloud.put(w)
	s := startStation(t, cloud, w)
	s.synced()
	if err := s.fleet.Revoke(s.device); err != nil {
		t.Fatal(err)
	}
	got := s.check(s.token, map[string]any{"nonce": ticket.Nonce{1}, "code": w.Payload, "kind": "entry", "lane": "door"})
	if got.Verdict.Reason != ticket.DeviceNotPermitted {
		t.Fatalf("got %s", got.Verdict.Reason)
	}
}

// TestStation_TokenIsNowhereOnTheDisk.
func TestStation_TokenIsNowhereOnTheDisk(t *testing.T) {
	w := firstWorld(t)
	s := startStation(t, newTestCloud(t), w)
	err := filepath.WalkDir(s.cfg.Data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(s.token)) || bytes.Contains(raw, []byte("手持1")) {
			t.Errorf("%s holds a token or a device's name in the clear", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStation_AddressInUseEndsTheProgram with the field and the address, instead of trying for ever.
func TestStation_AddressInUseEndsTheProgram(t *testing.T) {
	cloud := newTestCloud(t)
	cfg := Config{Data: cloud.enrol(), Listen: Listen{LAN: cloud.wire.Addr().String()}, segment: 64 << 10}
	st, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = st.Run(ctx)
	if err == nil || !strings.Contains(err.Error(), "listen.lan") || !strings.Contains(err.Error(), cfg.Listen.LAN) {
		t.Fatalf("got %v", err)
	}
}

// TestStation_TwoOnOneDirectory: the second says so and leaves the first alone.
func TestStation_TwoOnOneDirectory(t *testing.T) {
	w := firstWorld(t)
	s := startStation(t, newTestCloud(t), w)
	_, err := New(s.cfg, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Fatalf("got %v", err)
	}
	got := s.check(s.token, map[string]any{"nonce": ticket.Nonce{1}, "code": "x", "kind": "entry", "lane": "door"})
	if got.Verdict.Reason != ticket.NotATicket {
		t.Fatalf("got %s", got.Verdict.Reason)
	}
}
