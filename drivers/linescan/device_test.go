package linescan_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/linescan"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/tape"
)

func newScanner(settings string) (drivers.Device, error) {
	return linescan.Kind().New(json.RawMessage(settings))
}

func TestKind(t *testing.T) { drivertest.Kind(t, linescan.Kind()) }

func TestDeviceContract(t *testing.T) { drivertest.Device(t, bench) }

func TestSituations(t *testing.T) { drivertest.Situations(t, linescan.Kind(), bench) }

// bench is a driver with a simulated scanner.
var bench = drivertest.Bench{
	New: func() (drivers.Device, error) { return newScanner("") },
	Plug: func(ctx context.Context) drivertest.Line {
		l := plug(ctx, scanner.Settings{AIM: "]Q1"})
		return drivertest.Line{
			Host: l.host, Raw: l.raw, Pull: l.pull,
			Provoke: func() { _ = l.sim.Scan(ctx, "T1:7F3A-TICKET-0001") },
			Provoked: func(e drivers.Event) bool {
				s, ok := e.(drivers.Scan)
				return ok && s.Fault == drivers.ScanOK && string(s.Data) == "T1:7F3A-TICKET-0001" && s.AIM == "]Q1"
			},
		}
	},
}

// A simLine is a simulated scanner on a line.
type simLine struct {
	sim    *scanner.Scanner
	host   *board.PipeEnd
	device *board.PipeEnd
}

func plug(ctx context.Context, set scanner.Settings) simLine {
	sim, err := scanner.New(set, tape.Recorder{})
	if err != nil {
		panic(err) // the settings are these tests' own
	}
	host, device := board.Pipe(port.ErrGone)
	go func() { _ = sim.Serve(ctx, board.NewLine(device, 0)) }()
	synctest.Wait()
	return simLine{sim: sim, host: host, device: device}
}

func (l simLine) raw(wire []byte) { _, _ = l.device.Write(wire) }
func (l simLine) pull()           { _ = l.device.Close() }

// listen runs a driver in a bubble and hands the test what it emits.
func listen(t *testing.T, settings string, test func(t *testing.T, l simLine, events <-chan drivers.Event)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		dev, err := newScanner(settings)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		l := plug(ctx, scanner.Settings{})
		events := make(chan drivers.Event, 1000)
		done := make(chan error, 1)
		go func() { done <- dev.Run(ctx, l.host, func(e drivers.Event) { events <- e }) }()
		synctest.Wait()
		test(t, l, events)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// scans waits for a moment and returns the scans so far.
func scans(events <-chan drivers.Event, wait time.Duration) (all []drivers.Scan) {
	drivertest.Elapse(wait)
	for {
		select {
		case e := <-events:
			if s, ok := e.(drivers.Scan); ok {
				all = append(all, s)
			}
		default:
			return all
		}
	}
}

func TestIdleGapTearsALine(t *testing.T) {
	listen(t, `{"idle_ms":80}`, func(t *testing.T, l simLine, events <-chan drivers.Event) {
		l.raw([]byte("T1:7F"))
		if got := scans(events, 79*time.Millisecond); len(got) != 0 {
			t.Fatalf("%+v before the gap was over", got)
		}
		l.raw([]byte("3A\r")) // came in time
		got := scans(events, time.Millisecond)
		if len(got) != 1 || string(got[0].Data) != "T1:7F3A" || got[0].Fault != drivers.ScanOK {
			t.Fatalf("%+v, want the line put together", got)
		}
		l.raw([]byte("T1:7F"))
		started := time.Now()
		got = scans(events, time.Second)
		if len(got) != 1 || got[0].Fault != drivers.ScanTorn || string(got[0].Data) != "T1:7F" || got[0].Bytes != 5 {
			t.Fatalf("%+v, want a torn line", got)
		}
		if !got[0].At.Equal(started) {
			t.Errorf("At is %v after the last byte", got[0].At.Sub(started))
		}
		l.raw([]byte("3A\r"))
		if got := scans(events, time.Second); len(got) != 1 || string(got[0].Data) != "3A" {
			t.Errorf("%+v, want the rest as a line of its own", got)
		}
	})
}

func TestLimitAndBurst(t *testing.T) {
	listen(t, `{"limit":1024}`, func(t *testing.T, l simLine, events <-chan drivers.Event) {
		l.raw([]byte(strings.Repeat("x", 1000) + "\r"))
		if got := scans(events, time.Second); len(got) != 1 || len(got[0].Data) != 1000 {
			t.Fatalf("%d scans for a code of 1000 bytes", len(got))
		}
		for range 8 { // 8 KB in one burst
			l.raw([]byte(strings.Repeat("x", 1024)))
			drivertest.Elapse(10 * time.Millisecond)
		}
		if got := scans(events, time.Second); len(got) != 1 || got[0].Fault != drivers.ScanOverlong || len(got[0].Data) != 64 {
			t.Errorf("%+v, want one overlong scan for the whole burst", got)
		}
	})
}

func TestBadReadsAreWorthALook(t *testing.T) {
	listen(t, "", func(t *testing.T, l simLine, events <-chan drivers.Event) {
		states := func() (last drivers.Health) {
			drivertest.Elapse(time.Second)
			for {
				select {
				case e := <-events:
					if h, ok := e.(drivers.Health); ok {
						last = h
					}
				default:
					return last
				}
			}
		}
		if h := states(); h.State != drivers.StateOK || h.Frames != 0 {
			t.Errorf("an open line: %+v", h)
		}
		for range 3 {
			l.raw([]byte{0xFF, 0xFE, '\r'})
		}
		if h := states(); h.State != drivers.StateAttention || h.Errors != 3 || !strings.Contains(h.Note, "speed") {
			t.Errorf("after three bad reads: %+v", h)
		}
		l.raw([]byte("GOOD\r"))
		if h := states(); h.State != drivers.StateOK || h.Frames != 1 || h.LastGood.IsZero() || h.Note != "" {
			t.Errorf("after a good one: %+v", h)
		}
	})
}

func TestSettingsOutOfRange(t *testing.T) {
	for settings, want := range map[string]string{
		`{"idle_ms":1}`:    "idle_ms is 1",
		`{"limit":5000}`:   "limit is 5000, want 16 to 4096",
		`{"limit":"much"}`: "limit",
	} {
		if _, err := newScanner(settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", settings, err, want)
		}
	}
}
