package devices_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/port/serialport"
	"yipiao/edge/internal/devices"
	"yipiao/firmware-sim/bench"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/turnstile"
)

// patience bounds every wait; nothing here takes that long unless it is broken.
const patience = 10 * time.Second

// A venue is a station's devices on ptys to simulated ones, all running.
type venue struct {
	t      *testing.T
	sims   *bench.Bench
	set    *devices.Set
	scans  chan drivers.Scan
	health chan devices.Status
	gate   *devices.Gate
	log    *lockedBuffer

	passages chan drivers.Passage
	alarms   chan drivers.Alarm
	ups      chan devices.Up
	downs    chan devices.Down
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

// newVenue starts a scanner "scanner-1" and a gate "gate-1".
func newVenue(t *testing.T) *venue {
	t.Helper()
	dir := t.TempDir()
	scan, gate := filepath.Join(dir, "scanner-1"), filepath.Join(dir, "gate-1")
	quiet := slog.New(slog.DiscardHandler)
	sims, err := bench.New(bench.Config{Devices: []bench.DeviceConfig{
		{Name: "scanner-1", PTY: scan, Settings: scanner.Settings{AIM: "]Q1"}},
		{Name: "gate-1", PTY: gate, Settings: turnstile.Settings{Walk: 50 * time.Millisecond}},
	}}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	v := &venue{
		t: t, sims: sims, log: &lockedBuffer{},
		scans: make(chan drivers.Scan, 100), health: make(chan devices.Status, 1000),
		passages: make(chan drivers.Passage, 100), alarms: make(chan drivers.Alarm, 100),
		ups: make(chan devices.Up, 100), downs: make(chan devices.Down, 100),
	}
	v.set, err = devices.New([]devices.Config{
		{Name: "scanner-1", Kind: "linescan", Port: devices.Port{Line: serialport.Config{Path: scan}}},
		{
			Name: "gate-1", Kind: "lotgate", Port: devices.Port{Line: serialport.Config{Path: gate, Baud: 115200}},
			Settings: json.RawMessage(`{"timeout_ms":150,"gap_ms":2}`),
		},
	}, nil, slog.New(slog.NewTextHandler(v.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	v.subscribe()
	v.start()
	return v
}

func (v *venue) subscribe() {
	v.t.Helper()
	sc, err := v.set.Scanner("scanner-1")
	if err != nil {
		v.t.Fatal(err)
	}
	sc.Subscribe(func(s drivers.Scan) { v.scans <- s })
	v.gate, err = v.set.Gate("gate-1")
	if err != nil {
		v.t.Fatal(err)
	}
	v.gate.Subscribe(devices.GateEvents{
		Passage: func(p drivers.Passage) { v.passages <- p },
		Alarm:   func(a drivers.Alarm) { v.alarms <- a },
		Up:      func(u devices.Up) { v.ups <- u },
		Down:    func(d devices.Down) { v.downs <- d },
	})
	v.set.OnHealth(func(s devices.Status) { v.health <- s })
}

func (v *venue) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := v.sims.Run(ctx); err != nil {
			v.t.Errorf("simulators: %v", err)
		}
	})
	all.Go(func() {
		if err := v.set.Run(ctx); err != nil {
			v.t.Errorf("devices: %v", err)
		}
	})
	v.t.Cleanup(func() {
		cancel()
		all.Wait()
	})
}

// next waits for something that a device reports.
func next[E any](t *testing.T, from <-chan E) E {
	t.Helper()
	select {
	case e := <-from:
		return e
	case <-time.After(patience):
		var e E
		t.Fatalf("no %T came", e)
		return e
	}
}

// until waits for a health report of a device.
func (v *venue) until(device string, state drivers.State) devices.Status {
	v.t.Helper()
	for {
		if st := next(v.t, v.health); st.Name == device && st.State == state {
			return st
		}
	}
}

// ready waits until both devices are there.
func (v *venue) ready() {
	v.t.Helper()
	seen := map[string]bool{}
	for len(seen) < 2 {
		if st := next(v.t, v.health); st.State == drivers.StateOK {
			seen[st.Name] = true
		}
	}
}

func (v *venue) board(name string) *board.Board {
	v.t.Helper()
	b, err := v.sims.Board(name)
	if err != nil {
		v.t.Fatal(err)
	}
	return b
}

func (v *venue) scan(code string) {
	v.t.Helper()
	sc, err := v.sims.Scanner("scanner-1")
	if err != nil {
		v.t.Fatal(err)
	}
	if err := sc.Scan(v.t.Context(), code); err != nil {
		v.t.Fatalf("scan: %v", err)
	}
}

func (v *venue) raw(wire []byte) {
	v.t.Helper()
	sc, err := v.sims.Scanner("scanner-1")
	if err != nil {
		v.t.Fatal(err)
	}
	if err := sc.Raw(v.t.Context(), wire); err != nil {
		v.t.Fatalf("raw: %v", err)
	}
}

func (v *venue) turnstile() *turnstile.Turnstile {
	v.t.Helper()
	ts, err := v.sims.Turnstile("gate-1")
	if err != nil {
		v.t.Fatal(err)
	}
	return ts
}

func permit(id drivers.PermitID) drivers.Permit {
	return drivers.Permit{ID: id, Direction: drivers.Entry, For: 5 * time.Second}
}

func TestScanAndRelease(t *testing.T) {
	v := newVenue(t)
	v.ready()
	v.scan("T1:7F3A-TICKET-0001")
	s := next(t, v.scans)
	if string(s.Data) != "T1:7F3A-TICKET-0001" || s.AIM != "]Q1" || s.Fault != drivers.ScanOK || time.Since(s.At) > patience {
		t.Errorf("scan %+v", s)
	}
	if up := next(t, v.ups); !up.NewRun || !up.Counted {
		t.Errorf("up %+v, want a new run with counters", up)
	}
	if err := v.gate.Release(t.Context(), permit(1)); err != nil {
		t.Fatalf("Release: %v", err)
	}
	if p := next(t, v.passages); p.Permit != 1 || p.Outcome != drivers.Passed || p.Count != 1 {
		t.Errorf("passage %+v", p)
	}
	if c, ok := v.gate.LastCounters(); !ok || c.Entry != 1 || c.EntryPermits != 0 {
		t.Errorf("counters %+v, %v", c, ok)
	}
}

// A replug must be picked up within a second.
const pickedUpWithin = time.Second

func TestScannerReplugIsPickedUpWithinASecond(t *testing.T) {
	v := newVenue(t)
	v.ready()
	v.board("scanner-1").Unplug()
	if st := v.until("scanner-1", drivers.StateLost); st.Note == "" {
		t.Error("lost without a reason")
	}
	for { // until the station has found out that the name is gone too, and waits longest
		if st, _ := v.set.Status("scanner-1"); st.Note == "not plugged in" {
			break
		}
		next(t, v.health)
	}
	v.board("scanner-1").Replug()
	replugged := time.Now()
	st := v.until("scanner-1", drivers.StateOK)
	if took := st.Since.Sub(replugged); took > pickedUpWithin {
		t.Errorf("picked up %v after the replug, want %v at most", took, pickedUpWithin)
	}
	v.scan("AFTER-REPLUG")
	if s := next(t, v.scans); string(s.Data) != "AFTER-REPLUG" {
		t.Errorf("scan %+v", s)
	}
	if st, _ := v.set.Status("scanner-1"); st.Opens != 2 {
		t.Errorf("opened %d times, want 2", st.Opens)
	}
}

func TestGateReplugTellsThatAPermitIsOrphaned(t *testing.T) {
	v := newVenue(t)
	v.ready()
	next(t, v.ups)
	if err := v.turnstile().SetVisitor(turnstile.Manual, 0); err != nil {
		t.Fatal(err)
	}
	if err := v.gate.Release(t.Context(), permit(9)); err != nil {
		t.Fatal(err)
	}
	v.board("gate-1").Unplug()
	if d := next(t, v.downs); !d.RunEnded {
		t.Errorf("down %+v, want the end of the run", d)
	}
	if err := v.gate.Release(t.Context(), permit(10)); !errors.Is(err, drivers.ErrNotRunning) {
		t.Errorf("Release while unplugged: %v, want ErrNotRunning", err)
	}
	if err := v.turnstile().Pass(turnstile.Entry); err != nil { // the arms do not need the line
		t.Fatal(err)
	}
	v.board("gate-1").Replug()
	replugged := time.Now()
	up := next(t, v.ups)
	if took := time.Since(replugged); took > pickedUpWithin {
		t.Errorf("picked up %v after the replug", took)
	}
	if !up.NewRun {
		t.Errorf("up %+v, want a new run", up)
	}
	c, err := v.gate.Withdraw(t.Context(), drivers.Entry)
	if err != nil || c.Entry != 1 || c.EntryPermits != 0 {
		t.Errorf("Withdraw: %+v, %v; want the passage that nobody saw", c, err)
	}
	select {
	case p := <-v.passages:
		t.Errorf("%+v of a permit that was orphaned", p)
	default:
	}
}

func TestGateMuteAndBack(t *testing.T) {
	v := newVenue(t)
	v.ready()
	next(t, v.ups)
	v.board("gate-1").SetFaults(board.Faults{Mute: true})
	if d := next(t, v.downs); d.RunEnded {
		t.Errorf("down %+v: a gate that is silent is still there", d)
	}
	if st, _ := v.set.Status("gate-1"); st.State != drivers.StateLost || st.Errors == 0 {
		t.Errorf("status %+v, want lost with errors", st)
	}
	if err := v.gate.Release(t.Context(), permit(1)); !errors.Is(err, drivers.ErrNoAnswer) {
		t.Errorf("Release: %v, want ErrNoAnswer", err)
	}
	v.board("gate-1").SetFaults(board.Faults{})
	if up := next(t, v.ups); up.NewRun {
		t.Errorf("up %+v: the run never ended", up)
	}
	if err := v.gate.Release(t.Context(), permit(2)); err != nil {
		t.Fatalf("Release: %v", err)
	}
	if p := next(t, v.passages); p.Permit != 2 || p.Outcome != drivers.Passed {
		t.Errorf("passage %+v", p)
	}
}

func TestGarbageAndTornLinesBetweenGoodOnes(t *testing.T) {
	v := newVenue(t)
	v.ready()
	v.raw(bytes.Repeat([]byte{'x'}, 4096))
	if s := next(t, v.scans); s.Fault != drivers.ScanOverlong || len(s.Data) > 64 {
		t.Errorf("4 KB without an end: fault %q, %d bytes kept", s.Fault, len(s.Data))
	}
	v.raw([]byte("\r")) // the end of the burst
	v.raw([]byte("TORN-LI"))
	if s := next(t, v.scans); s.Fault != drivers.ScanTorn || string(s.Data) != "TORN-LI" {
		t.Errorf("torn line: %+v", s)
	}
	v.raw([]byte{0xFF, 0x00, 0x93, '\r'})
	if s := next(t, v.scans); s.Fault != drivers.ScanBinary {
		t.Errorf("noise: %+v", s)
	}
	v.scan("GOOD")
	if s := next(t, v.scans); s.Fault != drivers.ScanOK || string(s.Data) != "GOOD" {
		t.Errorf("good line: %+v", s)
	}
}

func TestMissingPortIsLostWithItsReason(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	set, err := devices.New([]devices.Config{{Name: "scanner-1", Kind: "linescan", Port: devices.Port{Line: serialport.Config{Path: path}}}},
		nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan devices.Status, 10)
	set.OnHealth(func(s devices.Status) { told <- s })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- set.Run(ctx) }()
	if st := next(t, told); st.State != drivers.StateLost || st.Note != "not plugged in" {
		t.Errorf("status %+v", st)
	}
	cancel()
	if err := next(t, done); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestLogsHoldNoCodes(t *testing.T) {
	v := newVenue(t)
	v.ready()
	const code = "T1:SECRET-TICKET-CODE"
	v.scan(code)
	next(t, v.scans)
	v.board("scanner-1").Unplug()
	v.until("scanner-1", drivers.StateLost)
	if log := v.log.String(); log == "" || bytes.Contains([]byte(log), []byte(code)) {
		t.Errorf("log: %s", fmt.Sprintf("%.200s", log))
	}
}
