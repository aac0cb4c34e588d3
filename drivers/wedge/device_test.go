package wedge_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
	"yipiao/drivers/vectors"
	"yipiao/drivers/wedge"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scannerwedge"
	"yipiao/firmware-sim/tape"
)

const ticket = "T1:7F3A-TICKET-0001"

func TestKind(t *testing.T) { drivertest.Kind(t, wedge.Kind()) }

type simLine struct {
	sim          *scannerwedge.Scanner
	line         *board.Line
	host, device *board.PipeEnd
}

func plug(ctx context.Context, set scannerwedge.Settings) simLine {
	sim, err := scannerwedge.New(set, tape.Recorder{})
	if err != nil {
		panic(err) // the settings are these tests' own
	}
	host, device := board.Pipe(port.ErrGone)
	line := board.NewLine(device, 0)
	go func() { _ = sim.Serve(ctx, line) }()
	synctest.Wait()
	return simLine{sim: sim, line: line, host: host, device: device}
}

func TestDeviceContract(t *testing.T) { drivertest.Device(t, bench) }

func TestSituations(t *testing.T) { drivertest.Situations(t, wedge.Kind(), bench) }

func TestUnplugAndCancelAtEveryStep(t *testing.T) {
	keys, err := scannerwedge.Keys("T1\r", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	drivertest.Steps(t, bench, bytes.Join(keys, nil))
}

// bench is a driver with a simulated scanner.
var bench = drivertest.Bench{
	New: func() (drivers.Device, error) { return wedge.Kind().New(nil) },
	Plug: func(ctx context.Context) drivertest.Line {
		l := plug(ctx, scannerwedge.Settings{AIM: "]Q1", KeyMs: 5})
		return drivertest.Line{
			Host: l.host, Raw: func(p []byte) { _ = l.sim.Raw(ctx, p) }, Pull: func() { _ = l.device.Close() },
			Provoke: func() { _ = l.sim.Scan(ctx, ticket) },
			Provoked: func(e drivers.Event) bool {
				s, ok := e.(drivers.Scan)
				return ok && s.Fault == drivers.ScanOK && string(s.Data) == ticket && s.AIM == "]Q1"
			},
		}
	},
}

func listen(t *testing.T, settings string, set scannerwedge.Settings, test func(t *testing.T, l simLine, heard *drivertest.Heard)) {
	t.Helper()
	dev, err := wedge.Kind().New(json.RawMessage(settings))
	if err != nil {
		t.Fatal(err)
	}
	var l simLine
	drivertest.Listen(t, dev, func(ctx context.Context) port.Port {
		l = plug(ctx, set)
		return l.host
	}, func(t *testing.T, heard *drivertest.Heard) { test(t, l, heard) })
}

func TestVectorsThroughTheDriver(t *testing.T) {
	load(t, func(v vectors.Vector, m meaning) {
		t.Run(v.Name, func(t *testing.T) {
			listen(t, "", scannerwedge.Settings{}, func(t *testing.T, l simLine, heard *drivertest.Heard) {
				_ = l.sim.Raw(t.Context(), v.Wire)
				scans, h := heard.After(10 * time.Second)
				if len(scans) != len(m.Reads) {
					t.Fatalf("%+v, want %+v", scans, m.Reads)
				}
				clean := m.Spoilt == 0
				for i, r := range m.Reads {
					data := []byte(r.Data)
					if r.DataHex != "" {
						data, _ = hex.DecodeString(r.DataHex)
					}
					if s := scans[i]; string(s.Data) != string(data) || s.AIM != r.AIM || string(s.Fault) != r.Fault || s.Bytes != r.Bytes {
						t.Errorf("%+v, want %+v", s, r)
					}
					clean = clean && r.Fault == ""
				}
				if clean != v.Valid || clean != (h.Errors == 0) {
					t.Errorf("valid %v, %d errors, but the meaning says otherwise", v.Valid, h.Errors)
				}
			})
		})
	})
}

func TestGapBetweenKeys(t *testing.T) {
	listen(t, `{"idle_ms":60}`, scannerwedge.Settings{KeyMs: 55}, func(t *testing.T, l simLine, heard *drivertest.Heard) {
		if err := l.sim.Scan(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		if scans, _ := heard.After(time.Second); len(scans) != 1 || string(scans[0].Data) != ticket {
			t.Errorf("%+v, want keys 55 ms apart put together", scans)
		}
		l.sim.BreakOff(5)
		_ = l.sim.Scan(t.Context(), ticket)
		if scans, _ := heard.After(55 * time.Millisecond); len(scans) != 0 {
			t.Errorf("%+v before the gap was over", scans)
		}
		if scans, h := heard.After(10 * time.Second); len(scans) != 1 || scans[0].Fault != drivers.ScanTorn || string(scans[0].Data) != ticket[:5] || h.Errors != 1 {
			t.Errorf("%+v, %+v; want a torn code", scans, h)
		}
	})
}

func TestSomebodyTypes(t *testing.T) {
	listen(t, "", scannerwedge.Settings{KeyMs: 200, Terminator: "none"}, func(t *testing.T, l simLine, heard *drivertest.Heard) {
		_ = l.sim.Scan(t.Context(), "help")
		scans, h := heard.After(10 * time.Second)
		if len(scans) != 4 || scans[0].Fault != drivers.ScanTorn || h.State != drivers.StateAttention {
			t.Errorf("%+v, %+v; want torn reads and attention: this is a keyboard", scans, h)
		}
	})
}

func TestTabEndsACode(t *testing.T) {
	for settings, want := range map[string]drivers.ScanFault{"": drivers.ScanBinary, `{"tab":true}`: drivers.ScanOK} {
		listen(t, settings, scannerwedge.Settings{Terminator: "TAB"}, func(t *testing.T, l simLine, heard *drivertest.Heard) {
			_ = l.sim.Scan(t.Context(), ticket)
			if scans, _ := heard.After(time.Second); len(scans) != 1 || scans[0].Fault != want {
				t.Errorf("%s: %+v, want fault %q", settings, scans, want)
			}
		})
	}
}

func TestLineFaults(t *testing.T) {
	listen(t, "", scannerwedge.Settings{}, func(t *testing.T, l simLine, heard *drivertest.Heard) {
		l.line.SetFaults(board.Faults{Drop: 1})
		_ = l.sim.Scan(t.Context(), ticket)
		heard.After(time.Second)
		_ = l.sim.Scan(t.Context(), ticket)
		if scans, _ := heard.After(time.Second); len(scans) != 1 || string(scans[0].Data) != ticket {
			t.Errorf("%+v, want the next code whole", scans)
		}
	})
}

func TestSettingsOutOfRange(t *testing.T) {
	if _, err := wedge.Kind().New(json.RawMessage(`{"idle_ms":1}`)); err == nil || !strings.Contains(err.Error(), "idle_ms is 1") {
		t.Errorf("%v, want an error that names idle_ms", err)
	}
}
