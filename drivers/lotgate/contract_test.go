package lotgate_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/bus"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/lotgate"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
)

func TestKind(t *testing.T) { drivertest.Kind(t, lotgate.Kind()) }

// A stand is a simulated turnstile that can be plugged in again and again.
type stand struct {
	sim  *turnstile.Turnstile
	line *board.Line
}

func newStand(t *testing.T, set turnstile.Settings) *stand {
	t.Helper()
	sim, err := turnstile.New(set, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	return &stand{sim: sim}
}

func (s *stand) plug(ctx context.Context) drivertest.Line {
	host, device := board.Pipe(port.ErrGone)
	s.line = board.NewLine(device, 0)
	go func() { _ = s.sim.Run(ctx) }()
	go func() { _ = s.sim.Serve(ctx, s.line) }()
	fire := false
	return drivertest.Line{
		Host: host,
		Raw:  func(wire []byte) { _, _ = device.Write(wire) },
		Pull: func() { _ = device.Close() },
		Provoke: func() {
			fire = !fire
			s.sim.SetFire(fire)
		},
		Provoked: func(e drivers.Event) bool {
			a, ok := e.(drivers.Alarm)
			return ok && a.Kind == drivers.AlarmFire
		},
	}
}

func newGate() (drivers.Device, error) { return lotgate.Kind().New(json.RawMessage(`{"unit":1}`)) }

func TestDeviceContract(t *testing.T) {
	drivertest.Device(t, bench(t))
}

func TestSituations(t *testing.T) { drivertest.Situations(t, lotgate.Kind(), bench(t)) }

// bench is a driver with a simulated turnstile.
func bench(t *testing.T) drivertest.Bench {
	return drivertest.Bench{New: newGate, Plug: func(ctx context.Context) drivertest.Line {
		return newStand(t, turnstile.Settings{}).plug(ctx)
	}}
}

// TestGateContractOnABus: a view of a shared line makes no difference.
func TestGateContractOnABus(t *testing.T) {
	drivertest.Gate(t, func(t *testing.T) drivertest.GateBench {
		s := newStand(t, turnstile.Settings{})
		b := s.gateBench(t)
		b.Plug = func(ctx context.Context) drivertest.Line {
			l := s.plug(ctx)
			l.Host, _ = bus.New(l.Host, bus.Options{}).Join()
			return l
		}
		return b
	})
}

func TestGateContract(t *testing.T) {
	for name, early := range map[string]bool{"PermitTakenOnLeaving": false, "PermitTakenOnEntering": true} {
		t.Run(name, func(t *testing.T) {
			drivertest.Gate(t, func(t *testing.T) drivertest.GateBench {
				s := newStand(t, turnstile.Settings{TakeEarly: early, Pass: 700 * time.Millisecond})
				return s.gateBench(t)
			})
		})
	}
}

func (s *stand) gateBench(t *testing.T) drivertest.GateBench {
	t.Helper()
	return drivertest.GateBench{
		Bench:   drivertest.Bench{New: newGate, Plug: s.plug},
		Mute:    func(on bool) { s.line.SetFaults(board.Faults{Mute: on}) },
		Counted: func() uint32 { return s.sim.State().EntryCount },
		Walks: func(on bool) {
			v := turnstile.Stay
			if on {
				v = turnstile.Walk
			}
			if err := s.sim.SetVisitor(v, 0); err != nil {
				t.Error(err)
			}
		},
	}
}
