package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/port/bridgeport"
	"yipiao/edge/internal/bridge"
	"yipiao/edge/internal/devices"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/tape"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
)

// bridgePatience bounds every wait; nothing takes that long unless it is broken.
const bridgePatience = 20 * time.Second

// freeAddress is one that nobody listens on at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// running runs something until the test ends.
func running(t *testing.T, what string, run func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	ended := false
	stop = func() {
		if cancel(); !ended {
			ended = true
			if err := <-done; err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

// A technician asks the station over HTTPS.
type technicianAPI struct {
	t     *testing.T
	http  *http.Client
	url   string
	token string
}

func (a *technicianAPI) call(method, path string, body, out any) int {
	a.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, bytes.NewReader(raw))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	res, err := a.http.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		a.t.Fatalf("%s: %v", path, err)
	}
	return res.StatusCode
}

func (a *technicianAPI) login(s *Station) {
	a.t.Helper()
	password, err := s.fleet.AddAccount(Technician, "technician")
	if err != nil {
		a.t.Fatal(err)
	}
	var out struct {
		Token string `json:"token"`
	}
	if got := a.call(http.MethodPost, "/api/v1/login", map[string]string{"name": Technician, "password": password}, &out); got != 200 {
		a.t.Fatalf("log-in: %d", got)
	}
	a.token = out.Token
}

// stationWithScannerAt starts a station whose only device is behind a bridge.
func stationWithScannerAt(t *testing.T, address string) (*Station, *technicianAPI, string) {
	t.Helper()
	cloud := newTestCloud(t)
	s, err := New(Config{
		Data: cloud.enrol(), Listen: Listen{LAN: "127.0.0.1:0"},
		Devices: []devices.Config{{Name: "scanner-1", Kind: "linescan", Port: devices.Port{Line: bridgeport.Config{Address: address, Name: "window"}}}},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	running(t, "station", s.Run)
	var at string
	select {
	case a := <-s.web.bound:
		at = a.String()
	case <-time.After(bridgePatience):
		t.Fatal("the station does not answer")
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.id.Root)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	api := &technicianAPI{t: t, http: client, url: "https://" + at}
	api.login(s)
	return s, api, at
}

// waitDevice waits for a state of the scanner.
func waitDevice(t *testing.T, s *Station, fits func(devices.Status) bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(bridgePatience); ; <-tick.C {
		st, _ := s.devices.Status("scanner-1")
		if fits(st) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the scanner is %+v", st)
		}
	}
}

// TestABridgeFromItsCodeToItsEnd: a technician makes a code, a kiosk registers with it, its scanner is the
// station's, and revoking it ends that at once (architecture.md section 5, rules 3 and 9).
func TestABridgeFromItsCodeToItsEnd(t *testing.T) {
	dir, address := t.TempDir(), freeAddress(t)
	sim, err := scanner.New(scanner.Settings{}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	plug := board.New(filepath.Join(dir, "scanner"), 0, tape.Recorder{})
	running(t, "scanner", func(ctx context.Context) error { return plug.Run(ctx, sim) })
	s, api, lan := stationWithScannerAt(t, address)
	scans := make(chan drivers.Scan, 10)
	sc, err := s.devices.Scanner("scanner-1")
	if err != nil {
		t.Fatal(err)
	}
	sc.Subscribe(func(s drivers.Scan) { scans <- s })

	var code struct {
		Code  string `json:"code"`
		Error struct{ Code string }
	}
	if got := api.call(http.MethodPost, "/api/v1/bridges/codes", map[string]string{"name": "1号窗口", "address": lan}, &code); got != http.StatusCreated {
		t.Fatalf("code: %d %+v", got, code)
	}
	config := filepath.Join(dir, "bridge.json")
	text := fmt.Sprintf(`{"listen":%q,"ports":{"window":{"path":"scanner"}}}`, address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := LoadBridge(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context(), slog.New(slog.DiscardHandler), nil); !errors.Is(err, bridge.ErrNotEnrolled) {
		t.Errorf("before it is registered: %v", err)
	}
	id, err := b.Enrol(t.Context(), strings.ToLower(code.Code))
	if err != nil || id.Station != s.id.Station || s.fleet.DeviceName(id.Device) != "1号窗口" {
		t.Fatalf("%+v, %v", id, err)
	}
	if _, err := b.Enrol(t.Context(), code.Code); err == nil || !strings.Contains(err.Error(), "bad_code") {
		t.Errorf("the code a second time: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "bridge", "bridge.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	running(t, "bridge", func(ctx context.Context) error { return b.Run(ctx, slog.New(slog.DiscardHandler), nil) })
	waitDevice(t, s, func(st devices.Status) bool { return st.State == drivers.StateOK })
	if err := sim.Scan(t.Context(), "T1:SOMEBODY"); err != nil {
		t.Fatal(err)
	}
	select {
	case scan := <-scans:
		if string(scan.Data) != "T1:SOMEBODY" {
			t.Errorf("%+v", scan)
		}
	case <-time.After(bridgePatience):
		t.Fatal("no scan came")
	}

	var listed struct{ Devices []struct{ ID, Name string } }
	if api.call(http.MethodGet, "/api/v1/devices", nil, &listed); len(listed.Devices) != 1 || listed.Devices[0].ID != id.Device {
		t.Errorf("devices: %+v", listed)
	}
	var revoked struct{ ID string }
	if got := api.call(http.MethodPost, "/api/v1/devices/"+id.Device+"/revoke", nil, &revoked); got != 200 || revoked.ID != id.Device {
		t.Fatalf("revoke: %d %+v", got, revoked)
	}
	waitDevice(t, s, func(st devices.Status) bool {
		return st.State == drivers.StateLost && strings.Contains(st.Note, errRevoked.Error())
	})
}

func TestBridgeCodesAreRefused(t *testing.T) {
	s, api, lan := stationWithScannerAt(t, freeAddress(t))
	dir := t.TempDir()
	config := filepath.Join(dir, "bridge.json")
	if err := os.WriteFile(config, []byte(`{"ports":{"window":{"path":"x"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := LoadBridge(config)
	if err != nil {
		t.Fatal(err)
	}
	site := identity.RootHash(s.id.Site[0])
	code := func(address string, pin ticket.Hash) string {
		c, err := identity.NewDeviceCode(address, pin)
		if err != nil {
			t.Fatal(err)
		}
		return c.String()
	}
	for name, c := range map[string]struct{ code, says string }{
		"nobody has made it": {code(lan, site), "bad_code"},
		"another site's":     {code(lan, identity.RootHash(s.id.Root)), "site"},
		"a station's code":   {"E1" + code(lan, site)[2:], "D1/"},
		"nobody listens":     {code(freeAddress(t), site), "refused"},
	} {
		if _, err := b.Enrol(t.Context(), c.code); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bridge")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is kept of it: %v", err)
	}
	var out struct {
		Error struct{ Code, Field string }
	}
	api.token = "x"
	for _, path := range []string{"/api/v1/bridges/codes", "/api/v1/devices/d1/revoke"} {
		if got := api.call(http.MethodPost, path, map[string]string{"name": "x"}, &out); got != http.StatusUnauthorized {
			t.Errorf("%s without log-in: %d", path, got)
		}
	}
}
