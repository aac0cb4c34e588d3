package devices_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"yipiao/drivers"
	"yipiao/drivers/port/serialport"
	"yipiao/edge/internal/devices"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/idreader"
	"yipiao/firmware-sim/printer"
	"yipiao/firmware-sim/rfid"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/scannerline"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
)

// A bay is a set with one device on a pty to a simulated one.
type bay struct {
	t    *testing.T
	set  *devices.Set
	plug *board.Board
}

// newBay starts a device of a kind that a simulator answers.
func newBay(t *testing.T, kind, settings string, sim board.Device) *bay {
	t.Helper()
	link := filepath.Join(t.TempDir(), "device")
	b := &bay{t: t, plug: board.New(link, 0, tape.Recorder{})}
	set, err := devices.New([]devices.Config{{
		Name: "device-1", Kind: kind, Settings: json.RawMessage(settings), Port: devices.Port{Line: serialport.Config{Path: link, Baud: 115200}},
	}}, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	b.set = set
	b.background(func(ctx context.Context) error { return b.plug.Run(ctx, sim) })
	b.background(set.Run)
	return b
}

func (b *bay) background(run func(ctx context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
}

// try tests the device. act is called at the step with the code at.
func (b *bay) try(req devices.TryRequest, at string, act func()) (steps []devices.TryStep, ok bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 3*patience)
	defer cancel()
	last, ok, err := b.set.Try(ctx, "device-1", req, func(s devices.TryStep) {
		if s.Text == "" {
			b.t.Errorf("%s says nothing", s.Code)
		}
		if steps = append(steps, s); s.Code == at {
			act()
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if last.Code != steps[len(steps)-1].Code {
		b.t.Errorf("the outcome is %s, the last step %s", last.Code, steps[len(steps)-1].Code)
	}
	return steps, ok
}

func codes(steps []devices.TryStep) string {
	var all []string
	for _, s := range steps {
		all = append(all, s.Code)
	}
	return strings.Join(all, " ")
}

func wants(t *testing.T, steps []devices.TryStep, want string, values map[string]string) {
	t.Helper()
	if got := codes(steps); got != want {
		t.Errorf("steps are %q, want %q", got, want)
	}
	last := steps[len(steps)-1].Values
	for k, v := range values {
		if last[k] != v {
			t.Errorf("%s is %q, want %q", k, last[k], v)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// TestTryScanner: the code is told masked, and a lane hears it as ever.
func TestTryScanner(t *testing.T) {
	sim, err := scanner.New(scanner.Settings{AIM: "]Q1"}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBay(t, "linescan", "", sim)
	heard := make(chan drivers.Scan, 10)
	sc, err := b.set.Scanner("device-1")
	if err != nil {
		t.Fatal(err)
	}
	sc.Subscribe(func(s drivers.Scan) { heard <- s })
	steps, ok := b.try(devices.TryRequest{}, "waiting_code", func() { must(t, sim.Scan(t.Context(), "YP1:SECRETSECRETSECRET")) })
	if !ok {
		t.Error("not passed")
	}
	wants(t, steps, "device_state waiting_code code_read", map[string]string{"aim": "]Q1", "length": "22", "begins": "YP1:…"})
	if s := next(t, heard); string(s.Data) != "YP1:SECRETSECRETSECRET" {
		t.Errorf("the lane heard %q", s.Data)
	}
	if strings.Contains(fmt.Sprint(steps), "SECRET") {
		t.Errorf("a code is told: %v", steps)
	}
	steps, ok = b.try(devices.TryRequest{Wait: 50 * time.Millisecond}, "", nil)
	if wants(t, steps, "device_state waiting_code nothing_came", nil); ok {
		t.Error("silence passes")
	}
	steps, ok = b.try(devices.TryRequest{}, "waiting_code", b.plug.Unplug)
	if wants(t, steps, "device_state waiting_code device_lost", nil); ok {
		t.Error("an unplugged scanner passes")
	}
}

// TestTryCommandScanner: one that takes commands is triggered.
func TestTryCommandScanner(t *testing.T) {
	sim, err := scannerline.New(scannerline.Settings{Dialect: "newland"}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBay(t, "newland", "", sim)
	steps, ok := b.try(devices.TryRequest{}, "waiting_code", func() { must(t, sim.Scan(t.Context(), "0123456789")) })
	if !ok || !strings.HasPrefix(codes(steps), "device_state trigger_on waiting_code") || !strings.HasSuffix(codes(steps), "code_read") {
		t.Errorf("%v: %v", ok, steps)
	}
}

// TestTryIDReader: a person's data is masked, the photograph not told at all.
func TestTryIDReader(t *testing.T) {
	sim, err := idreader.New(idreader.Settings{ReadMs: 50}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBay(t, "sdt", "", sim)
	card, err := idreader.Specimen("resident")
	if err != nil {
		t.Fatal(err)
	}
	steps, ok := b.try(devices.TryRequest{}, "waiting_card", func() { must(t, sim.Lay(card, 0)) })
	if !ok {
		t.Error("not passed")
	}
	wants(t, steps, "device_state waiting_card card_read", map[string]string{"kind": "resident"})
	v := steps[len(steps)-1].Values
	if len(v["number"]) != 18 || strings.Count(v["number"], "*") != 13 || !strings.HasSuffix(v["name"], "*") {
		t.Errorf("%v", v)
	}
}

func TestTryChipReader(t *testing.T) {
	sim, err := rfid.New(rfid.Settings{Protocol: rfid.A0}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBay(t, "uhfa0", "", sim)
	steps, ok := b.try(devices.TryRequest{}, "waiting_card", func() { must(t, sim.Put(rfid.Tag{ID: "E28011700000020A1B2C3D4E"})) })
	if !ok {
		t.Error("not passed")
	}
	wants(t, steps, "device_state waiting_card tag_read", map[string]string{"tech": "uhf", "id": "E280…4E", "bytes": "12"})
}

// TestTryGate opens only when asked to, with a permit that no lane has, and tells whether somebody passed.
func TestTryGate(t *testing.T) {
	sim, err := turnstile.New(turnstile.Settings{Walk: 50 * time.Millisecond}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBay(t, "lotgate", `{"timeout_ms":150,"gap_ms":2}`, sim)
	steps, ok := b.try(devices.TryRequest{}, "", nil)
	if wants(t, steps, "device_state gate_read", map[string]string{"entry": "0", "exit": "0"}); !ok {
		t.Error("not passed")
	}
	passages := make(chan drivers.Passage, 10)
	g, err := b.set.Gate("device-1")
	if err != nil {
		t.Fatal(err)
	}
	g.Subscribe(devices.GateEvents{Passage: func(p drivers.Passage) { passages <- p }})
	steps, ok = b.try(devices.TryRequest{Open: true}, "", nil)
	if wants(t, steps, "device_state gate_read gate_open passed", map[string]string{"count": "1"}); !ok {
		t.Error("not passed")
	}
	if p := next(t, passages); p.Permit < 1<<63 {
		t.Errorf("permit %d could be a lane's", p.Permit)
	}
	must(t, sim.SetVisitor(turnstile.Stay, 0))
	must(t, g.Release(t.Context(), drivers.Permit{ID: 1, Direction: drivers.Entry, For: 30 * time.Second}))
	steps, ok = b.try(devices.TryRequest{Open: true}, "", nil)
	if wants(t, steps, "device_state gate_read gate_busy", nil); ok {
		t.Error("a permit on top of a lane's")
	}
}

// TestTryGateTakesItsPermitBack when the test is cancelled.
func TestTryGateTakesItsPermitBack(t *testing.T) {
	sim, err := turnstile.New(turnstile.Settings{Visitor: turnstile.Stay}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBay(t, "lotgate", `{"timeout_ms":150,"gap_ms":2}`, sim)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last, ok, err := b.set.Try(ctx, "device-1", devices.TryRequest{Open: true}, func(s devices.TryStep) {
		if s.Code == "gate_open" {
			cancel()
		}
	})
	if err != nil || ok || last.Code != "cancelled" {
		t.Errorf("%v %v %v", last, ok, err)
	}
	if st := sim.State(); st.EntryPermits != 0 {
		t.Errorf("a permit is left: %+v", st)
	}
}

// TestTryPrinter: the test page comes out whole, and the proof is told.
func TestTryPrinter(t *testing.T) {
	sim, err := printer.New(printer.Settings{Model: printer.ESCPOS}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBay(t, "escpos", "", sim)
	b.background(sim.Run)
	if steps, ok := b.try(devices.TryRequest{}, "", nil); !ok || len(sim.Tickets()) != 0 {
		t.Errorf("%v %v, %d tickets", ok, steps, len(sim.Tickets()))
	}
	steps, ok := b.try(devices.TryRequest{Print: true, Title: "S-0001"}, "", nil)
	if !ok || !strings.HasSuffix(codes(steps), "printing printed") || len(sim.Tickets()) != 1 {
		t.Errorf("%v %v, %d tickets", ok, steps, len(sim.Tickets()))
	}
	sim.SetPaper(false, true)
	steps, ok = b.try(devices.TryRequest{Print: true}, "", nil)
	if ok || !slices.Contains([]string{"not_printed", "unproven"}, steps[len(steps)-1].Code) {
		t.Errorf("without paper: %v %v", ok, steps)
	}
}

// TestTestPageHasAFourByteCharacter: what is easy to forget is on it.
func TestTestPageHasAFourByteCharacter(t *testing.T) {
	raw, err := simplifiedchinese.GB18030.NewEncoder().String(devices.FourBytes)
	if err != nil || len(raw) != 4 {
		t.Errorf("% x, %v", raw, err)
	}
}

func TestTryOfNothing(t *testing.T) {
	set, err := devices.New(nil, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := set.Try(t.Context(), "gate-9", devices.TryRequest{}, func(devices.TryStep) {}); !errors.Is(err, devices.ErrNoDevice) {
		t.Error(err)
	}
}

// TestMasks: what is left of personal data.
func TestMasks(t *testing.T) {
	for _, c := range []struct {
		mask       func(string) string
		give, want string
	}{
		{devices.MaskNumber, "11010519491231002X", "110*************2X"}, {devices.MaskNumber, "1234567", "*******"}, {devices.MaskNumber, "", ""},
		{devices.MaskName, "王小明", "王**"}, {devices.MaskName, "王", "王"}, {devices.MaskName, "ERIKSSON ANNA MARIA", "E***"}, {devices.MaskName, "", ""},
		{devices.MaskCode, "YP1:0123456789", "YP1:…"}, {devices.MaskCode, "12345", "1…"}, {devices.MaskCode, "", "…"},
		{devices.MaskID, "\xE2\x80\x11\x70\x4E", "E280…4E"}, {devices.MaskID, "\x01\x02\x03", "******"},
	} {
		if got := c.mask(c.give); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.give, got, c.want)
		}
	}
}
