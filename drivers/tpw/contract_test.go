package tpw_test

import (
	"context"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
	"yipiao/drivers/tpw"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/tpwgate"
)

func TestKind(t *testing.T) { drivertest.Kind(t, tpw.Kind()) }

// A stand is a simulated gate that can be plugged in again and again.
type stand struct {
	sim  *tpwgate.Sim
	line *board.Line
}

func newStand(t *testing.T) *stand {
	t.Helper()
	sim, err := tpwgate.New(tpwgate.Settings{}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	return &stand{sim: sim}
}

func newGate() (drivers.Device, error) { return tpw.Kind().New(nil) }

func (s *stand) plug(ctx context.Context) drivertest.Line {
	host, device := board.Pipe(port.ErrGone)
	s.line = board.NewLine(device, 0)
	go func() { _ = s.sim.Run(ctx) }()
	go func() { _ = s.sim.Serve(ctx, s.line) }()
	return drivertest.Line{
		Host:    host,
		Raw:     func(wire []byte) { _, _ = device.Write(wire) },
		Pull:    func() { _ = device.Close() },
		Provoke: func() { s.sim.Force(tpwgate.Exit) },
		Provoked: func(e drivers.Event) bool {
			a, ok := e.(drivers.Alarm)
			return ok && a.Kind == drivers.AlarmForced && a.On
		},
	}
}

func bench(t *testing.T) drivertest.Bench {
	return drivertest.Bench{New: newGate, Plug: func(ctx context.Context) drivertest.Line { return newStand(t).plug(ctx) }}
}

func TestDeviceContract(t *testing.T) { drivertest.Device(t, bench(t)) }

func TestSteps(t *testing.T) {
	// An acknowledgement of nothing, and the beginning of a counter.
	drivertest.Steps(t, bench(t), []byte{0x02, 0x44, 0x00, 0x04, 0x02, 0x21, 0x06, 0x30, 0x30})
}

func TestGateContract(t *testing.T) {
	drivertest.Gate(t, func(t *testing.T) drivertest.GateBench {
		s := newStand(t)
		return drivertest.GateBench{
			Bench:   drivertest.Bench{New: newGate, Plug: s.plug},
			Mute:    func(on bool) { s.line.SetFaults(board.Faults{Mute: on}) },
			Counted: func() uint32 { return s.sim.State().EntryCount },
			Walks: func(on bool) {
				v := tpwgate.Stay
				if on {
					v = tpwgate.Walk
				}
				if err := s.sim.SetVisitor(v, 0); err != nil {
					t.Error(err)
				}
			},
		}
	})
}
