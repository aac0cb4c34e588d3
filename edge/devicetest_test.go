package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yipiao/drivers/port/plug"
	"yipiao/drivers/port/plug/plugtest"
	"yipiao/drivers/port/serialport"
	"yipiao/edge/internal/devices"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
)

// A testedStation is a station with a lane on ptys, and a technician who has logged in over HTTPS.
type testedStation struct {
	*Station
	t       *testing.T
	api     *technicianAPI
	scanner *scanner.Scanner
	gate    *turnstile.Turnstile
}

func newTestedStation(t *testing.T, w *decisions.World, groups ...ticket.GateGroupID) *testedStation {
	t.Helper()
	dir := t.TempDir()
	s := &testedStation{t: t}
	var err error
	if s.scanner, err = scanner.New(scanner.Settings{}, tape.Recorder{}); err != nil {
		t.Fatal(err)
	}
	if s.gate, err = turnstile.New(turnstile.Settings{Walk: 50 * time.Millisecond}, tape.Recorder{}); err != nil {
		t.Fatal(err)
	}
	port := func(name string, sim board.Device) devices.Port {
		b := board.New(filepath.Join(dir, name), 0, tape.Recorder{})
		running(t, name, func(ctx context.Context) error { return b.Run(ctx, sim) })
		return devices.Port{Line: serialport.Config{Path: filepath.Join(dir, name), Baud: 115200}}
	}
	cloud := newTestCloud(t)
	if w != nil {
		cloud.put(w)
	}
	s.Station, err = New(Config{
		Data: cloud.enrol(), Listen: Listen{LAN: "127.0.0.1:0"},
		Devices: []devices.Config{
			{Name: "scanner-1", Kind: "linescan", Port: port("scanner-1", s.scanner)},
			{Name: "gate-1", Kind: "lotgate", Port: port("gate-1", s.gate), Settings: json.RawMessage(`{"timeout_ms":150,"gap_ms":2}`)},
		},
		Lanes: []LaneConfig{{Name: "L1", Groups: groups, Entry: true, Scanner: "scanner-1", Gate: "gate-1"}},
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
	s.api = &technicianAPI{t: t, http: client, url: "https://" + at}
	s.api.login(s.Station)
	return s
}

// problemOf asks for something that is refused.
func (s *testedStation) problemOf(method, path string, body any) string {
	s.t.Helper()
	var out struct{ Error struct{ Code string } }
	got := s.api.call(method, path, body, &out)
	return fmt.Sprintf("%d %s", got, out.Error.Code)
}

// follow waits for the end of a test; at is called once when a step comes.
func (s *testedStation) follow(device, step string, at func()) DeviceTest {
	s.t.Helper()
	for seen, asked := 0, false; ; {
		var test DeviceTest
		path := fmt.Sprintf("/api/v1/devices/%s/test?since=%d&wait_ms=10000", device, seen)
		if got := s.api.call(http.MethodGet, path, nil, &test); got != http.StatusOK {
			s.t.Fatalf("%s: %d", path, got)
		}
		for _, st := range test.Steps[seen:] {
			if st.Code == step && !asked {
				asked = true
				at()
			}
		}
		if test.Done {
			return test
		}
		seen = len(test.Steps)
	}
}

// acts are the operator actions about a device, oldest first.
func (s *testedStation) acts(device string) (all []string) {
	s.t.Helper()
	facts, err := s.ledger.Journal(s.ledger.FirstFact(), 1000, 1<<20)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range facts {
		var n ticket.Note
		if ticket.FactKind(facts[i].Kind) == ticket.FactOperatorAction && n.Decode(facts[i].Body) == nil && n.Subject == device && n.Text == Technician {
			all = append(all, n.State)
		}
	}
	return all
}

// TestDeviceTestsOverHTTPS: a technician tests each device of a lane while it works; everything is journaled, and a
// code that was read is in no answer.
func TestDeviceTestsOverHTTPS(t *testing.T) {
	s := newTestedStation(t, nil, 1)
	const test = "/api/v1/devices/scanner-1/test"
	if got := s.problemOf(http.MethodGet, test, nil); got != "404 no_test" {
		t.Errorf("before any test: %s", got)
	}
	var begun DeviceTest
	if got := s.api.call(http.MethodPost, test, nil, &begun); got != http.StatusAccepted || begun.Done || begun.Family != "scanner" || begun.By != Technician {
		t.Fatalf("%d %+v", got, begun)
	}
	if got := s.problemOf(http.MethodPost, test, nil); got != "409 test_running" {
		t.Errorf("a second test: %s", got)
	}
	done := s.follow("scanner-1", "waiting_code", func() {
		if err := s.scanner.Scan(t.Context(), "YP1:SECRETSECRET"); err != nil {
			t.Error(err)
		}
	})
	raw, err := json.Marshal(done)
	if err != nil || !done.OK || done.Code != "code_read" || strings.Contains(string(raw), "SECRET") {
		t.Errorf("%s, %v", raw, err)
	}
	for path, want := range map[string]string{
		"/api/v1/devices/printer-9/test": "404 no_such_device", "/api/v1/devices/scanner-1/test": "400 not_a_gate",
	} {
		if got := s.problemOf(http.MethodPost, path, map[string]bool{"open": true}); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := s.problemOf(http.MethodPost, "/api/v1/devices/gate-1/test", map[string]bool{"print": true}); got != "400 not_a_printer" {
		t.Error(got)
	}
	if got := s.problemOf(http.MethodPost, "/api/v1/devices/gate-1/test", map[string]bool{"opne": true}); got != "400 bad_json" {
		t.Error(got)
	}
	if got := s.problemOf(http.MethodDelete, test, nil); got != "404 no_test" {
		t.Errorf("cancelled after its end: %s", got)
	}
	s.api.token = ""
	for _, path := range []string{"/api/v1/hardware", test} {
		if got := s.problemOf(http.MethodGet, path, nil); got != "401 login_required" {
			t.Errorf("%s without log-in: %s", path, got)
		}
	}
}

// TestGateTestOverHTTPS opens only when told to, records it before and after, and leaves the lane as it was.
func TestGateTestOverHTTPS(t *testing.T) {
	s := newTestedStation(t, nil, 1)
	const test = "/api/v1/devices/gate-1/test"
	var begun DeviceTest
	if got := s.api.call(http.MethodPost, test, nil, &begun); got != http.StatusAccepted {
		t.Fatal(got)
	}
	if done := s.follow("gate-1", "", nil); !done.OK || done.Code != "gate_read" || s.gate.State().EntryCount != 0 {
		t.Errorf("%+v", done)
	}
	s.api.call(http.MethodPost, test, map[string]bool{"open": true}, &begun)
	if done := s.follow("gate-1", "", nil); !done.OK || done.Code != "passed" || s.gate.State().EntryCount != 1 {
		t.Errorf("%+v", done)
	}
	if u, _ := s.lane("L1"); u.busy() || u.lane.Last().Passage != "" {
		t.Errorf("the lane shows %+v", u.lane.Last())
	}
	if err := s.gate.SetVisitor(turnstile.Stay, 0); err != nil {
		t.Fatal(err)
	}
	s.api.call(http.MethodPost, test, map[string]bool{"open": true}, &begun)
	done := s.follow("gate-1", "gate_open", func() {
		if got := s.problemOf(http.MethodDelete, test, nil); got != "200 " {
			t.Error(got)
		}
	})
	if done.OK || done.Code != "cancelled" || s.gate.State().EntryPermits != 0 {
		t.Errorf("%+v, %+v", done, s.gate.State())
	}
	want := []string{"device_tested", "gate_test_opened", "gate_test_passed", "gate_test_opened", "gate_test_cancelled"}
	if got := s.acts("gate-1"); !slices.Equal(got, want) {
		t.Errorf("journaled %q, want %q", got, want)
	}
}

// TestGateTestWaitsForTheLane: while somebody is on the way through, a test does not open.
func TestGateTestWaitsForTheLane(t *testing.T) {
	rows, err := decisions.Table()
	if err != nil {
		t.Fatal(err)
	}
	w, err := decisions.NewWorld(&rows[0], time.Now().Truncate(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	s := newTestedStation(t, w, w.Lanes["door"].Groups...)
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(bridgePatience); !ok(); <-time.After(5 * time.Millisecond) {
			if time.Now().After(end) {
				u, _ := s.lane("L1")
				t.Fatalf("waited too long until %s; the lane shows %+v", what, u.lane.Last())
			}
		}
	}
	if err := s.gate.SetVisitor(turnstile.Manual, 0); err != nil {
		t.Fatal(err)
	}
	until("the ticket is here and the devices work", func() bool {
		_, _, known := s.ledger.Ticket(decisions.TheID)
		a, _ := s.devices.Status("scanner-1")
		b, _ := s.devices.Status("gate-1")
		return known && a.State == "ok" && b.State == "ok"
	})
	if err := s.scanner.Scan(t.Context(), w.Payload); err != nil {
		t.Fatal(err)
	}
	u, _ := s.lane("L1")
	until("the lane is busy", u.busy)
	open := map[string]bool{"open": true}
	if got := s.problemOf(http.MethodPost, "/api/v1/devices/gate-1/test", open); got != "409 lane_busy" {
		t.Error(got)
	}
	if err := s.gate.Pass(turnstile.Entry); err != nil {
		t.Fatal(err)
	}
	until("the person has passed", func() bool { return !u.busy() })
	if err := s.gate.SetVisitor(turnstile.Walk, 0); err != nil {
		t.Fatal(err)
	}
	if got := s.problemOf(http.MethodPost, "/api/v1/devices/gate-1/test", open); got != "202 " {
		t.Error(got)
	}
	if done := s.follow("gate-1", "", nil); done.Code != "passed" || u.lane.Last().Passage != "passed" {
		t.Errorf("%+v, the lane shows %+v", done, u.lane.Last())
	}
	if n := s.gate.State().EntryCount; n != 2 {
		t.Errorf("%d passages", n)
	}
}

// TestHardwareOverHTTPS: simulated devices are nodes that are nothing plugged in.
func TestHardwareOverHTTPS(t *testing.T) {
	s := newTestedStation(t, nil, 1)
	var h Hardware
	if got := s.api.call(http.MethodGet, "/api/v1/hardware", nil, &h); got != http.StatusOK || len(h.Devices) != 2 {
		t.Fatalf("%d %+v", got, h)
	}
	for _, d := range h.Devices {
		if d.At != AtNode || d.Kind == "" || d.State == "" {
			t.Errorf("%+v", d)
		}
	}
}

// TestSurvey compares what is plugged in with what is configured.
func TestSurvey(t *testing.T) {
	m := plugtest.New(t)
	for _, d := range []plugtest.Device{
		plugtest.FTDI("1-1", 2, "ttyUSB0", "A5"), plugtest.Honeywell("1-2", 3), plugtest.Epson("1-3", 4, "lp1"), plugtest.Wedge("1-4", 5, "event5"),
	} {
		m.Plug(d)
	}
	var cfg Config
	err := json.Unmarshal([]byte(`{"devices":[
		{"name":"gate-1","kind":"lotgate","port":{"path":"/dev/ttyUSB0"}},
		{"name":"gate-2","kind":"lotgate","port":{"path":"/dev/ttyUSB0"}},
		{"name":"scanner-1","kind":"hidpos","port":{"type":"hid","vendor":"0C2E","product":"0b61"}},
		{"name":"printer-1","kind":"escpos","port":{"type":"lp","path":"/dev/usb/lp1"}},
		{"name":"printer-2","kind":"zpl","port":{"type":"lp","usb":"1-9:1.0"}},
		{"name":"printer-3","kind":"zpl","port":{"type":"tcp","address":"10.0.0.9:9100"}}]}`), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Survey(plug.Tree{Root: m.Root}, &cfg, []DeviceStatus{{Name: "gate-1", State: "lost", Note: devices.NoPermission}})
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]string)
	for _, p := range h.Plugged {
		used[p.Node] = strings.Join(p.UsedBy, " ")
		if (p.Proposal == nil) != (len(p.UsedBy) > 0) {
			t.Errorf("%s: used by %q, proposed %v", p.Name, p.UsedBy, p.Proposal)
		}
	}
	if used["/dev/ttyUSB0"] != "gate-1 gate-2" || used["/dev/bus/usb/001/003"] != "scanner-1" || used["/dev/usb/lp1"] != "printer-1" || used["/dev/input/event5"] != "" {
		t.Errorf("%v", used)
	}
	var at, problems []string
	for _, d := range h.Devices {
		at = append(at, d.At)
	}
	for _, p := range h.Problems {
		problems = append(problems, p.Code+":"+p.Subject)
	}
	if want := []string{AtPlug, AtPlug, AtPlug, AtPlug, AtMissing, AtNetwork}; !slices.Equal(at, want) {
		t.Errorf("%q, want %q", at, want)
	}
	if want := []string{"station_no_permission:gate-1", "missing:printer-2"}; !slices.Equal(problems, want) {
		t.Errorf("%q, want %q", problems, want)
	}
}

// TestCures: what a command cures, the rules of the package list.
func TestCures(t *testing.T) {
	rules, err := os.ReadFile(filepath.Join("..", udevRules))
	if err != nil || strings.Count(string(rules), `=="`+ruleMakers+`"`) != 2 {
		t.Errorf("the rules list other makers than %s: %v", ruleMakers, err)
	}
	m := plugtest.New(t)
	stranger := plugtest.Honeywell("1-1", 2)
	stranger.Vendor = "ffee"
	m.Plug(stranger)
	m.Plug(plugtest.Keys("1-2", 3, "event5"))
	m.Plug(plugtest.Device{Port: "1-3", Number: 4, Vendor: "1a86", Product: "7523", Interfaces: []plugtest.Interface{{Class: "ff", Driver: "usbfs"}}})
	m.Plug(plugtest.Device{Port: "1-4", Number: 5, Vendor: "04b8", Product: "0e03", Interfaces: []plugtest.Interface{{Class: "07"}}})
	m.Plug(plugtest.FTDI("1-5", 6, "ttyUSB0", "A5"))
	h, err := Survey(plug.Tree{Root: m.Root, Access: func(string, bool) error { return fs.ErrPermission }}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range h.Problems {
		command, _, _ := strings.Cut(p.Cure, "&&")
		got = append(got, p.Code+": "+strings.TrimSpace(command))
	}
	want := []string{
		`no_permission: echo 'SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="ffee", GROUP="yipiao", MODE="0660"' | sudo tee /etc/udev/rules.d/61-yipiao-ffee.rules`,
		"no_driver: sudo modprobe usblp", "taken: sudo fuser -v /dev/bus/usb/001/004", "no_permission: sudo groupadd -f -r yipiao",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestSamePort: whatever a port is called.
func TestSamePort(t *testing.T) {
	m := plugtest.New(t)
	m.Plug(plugtest.FTDI("1-1", 2, "ttyUSB0", "A5"))
	var cfg Config
	text := `{"devices":[{"name":"gate-1","kind":"lotgate","port":{"path":"/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A5-if00-port0"}}]}`
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/dev/ttyUSB0": "gate-1", "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0": "gate-1", "/dev/ttyUSB1": "",
	} {
		got, err := SamePort(plug.Tree{Root: m.Root}, &cfg, json.RawMessage(fmt.Sprintf(`{"port":{"path":%q}}`, path)))
		if err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", path, got, err, want)
		}
	}
}

// TestTryPort tests a scanner that no station has, and refuses one that somebody has open.
func TestTryPort(t *testing.T) {
	link := filepath.Join(t.TempDir(), "scanner")
	sim, err := scanner.New(scanner.Settings{}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	b := board.New(link, 0, tape.Recorder{})
	running(t, "scanner", func(ctx context.Context) error { return b.Run(ctx, sim) })
	device := json.RawMessage(fmt.Sprintf(`{"name":"test","kind":"linescan","port":{"path":%q}}`, link))
	var last DeviceTestStep
	tell := func(s DeviceTestStep) {
		if last = s; s.Code == "waiting_code" {
			if err := sim.Scan(t.Context(), "0123456789"); err != nil {
				t.Error(err)
			}
		}
	}
	ok, err := TryPort(t.Context(), device, false, false, slog.New(slog.DiscardHandler), tell)
	if err != nil || !ok || last.Code != "code_read" {
		t.Errorf("%v, %v, %+v", ok, err, last)
	}
	p, err := serialport.Open(serialport.Config{Path: link})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	ok, err = TryPort(t.Context(), device, false, false, slog.New(slog.DiscardHandler), tell)
	if err != nil || ok || last.Code != "device_lost" || last.Values["note"] != "port is in use by another program" {
		t.Errorf("%v, %v, %+v", ok, err, last)
	}
	if _, err := TryPort(t.Context(), device, true, false, slog.New(slog.DiscardHandler), tell); err == nil {
		t.Error("a scanner was to open")
	}
}
