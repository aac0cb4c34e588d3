package relaygate_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/bus"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
	"yipiao/drivers/relaygate"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/relayboard"
	"yipiao/firmware-sim/tape"
)

func TestKind(t *testing.T) { drivertest.Kind(t, relaygate.Kind()) }

// A build is one way to build such a gate.
type build struct {
	name   string
	config string
	sim    relayboard.Settings
	keeps  bool // the gate keeps its own time
	shared bool // its line is one of a bus
}

var builds = []build{
	{"WaveshareHolds", `{"pulse_ms":0}`, relayboard.Settings{}, false, false},
	{"WaveshareTriggersOnABus", `{"open_s":3}`, relayboard.Settings{OpenFor: 3 * time.Second}, true, true},
	{"LCTechTriggers", `{"board":"lctech","open_s":3,"normally_closed":[4]}`,
		relayboard.Settings{Board: relayboard.LCTech, OpenFor: 3 * time.Second, Closed: []int{4}}, true, false},
	{"LCTechHoldsOnABus", `{"board":"lctech","pulse_ms":0}`, relayboard.Settings{Board: relayboard.LCTech}, false, true},
}

// A stand is a simulated board that can be plugged in again and again.
type stand struct {
	sim    *relayboard.Sim
	shared bool
	line   *board.Line
}

func (m build) stand(t *testing.T) *stand {
	t.Helper()
	sim, err := relayboard.New(m.sim, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	return &stand{sim: sim, shared: m.shared}
}

func (s *stand) plug(ctx context.Context) drivertest.Line {
	host, device := board.Pipe(port.ErrGone)
	s.line = board.NewLine(device, 0)
	go func() { _ = s.sim.Run(ctx) }()
	go func() { _ = s.sim.Serve(ctx, s.line) }()
	var p port.Port = host
	if s.shared {
		p, _ = bus.New(host, bus.Options{}).Join()
	}
	fire := false
	return drivertest.Line{
		Host: p,
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

func (m build) bench(t *testing.T) drivertest.Bench {
	return drivertest.Bench{
		New:  func() (drivers.Device, error) { return relaygate.Kind().New(json.RawMessage(m.config)) },
		Plug: func(ctx context.Context) drivertest.Line { return m.stand(t).plug(ctx) },
	}
}

func TestDeviceContract(t *testing.T) {
	for _, m := range builds {
		t.Run(m.name, func(t *testing.T) { drivertest.Device(t, m.bench(t)) })
	}
}

func TestSteps(t *testing.T) {
	// An answer to another question, and a good one to nobody's.
	drivertest.Steps(t, builds[0].bench(t), []byte{0x01, 0x02, 0x01, 0x00, 0xA1, 0x88, 0x01, 0x05, 0x02})
}

func TestGateContract(t *testing.T) {
	for _, m := range builds {
		t.Run(m.name, func(t *testing.T) {
			drivertest.Gate(t, func(t *testing.T) drivertest.GateBench {
				s := m.stand(t)
				b := m.bench(t)
				b.Plug = s.plug
				return drivertest.GateBench{
					Bench: b, Keeps: m.keeps,
					Mute:    func(on bool) { s.line.SetFaults(board.Faults{Mute: on}) },
					Counted: func() uint32 { return s.sim.State().EntryCount },
					Walks: func(on bool) {
						v := relayboard.Stay
						if on {
							v = relayboard.Walk
						}
						if err := s.sim.SetVisitor(v, 0); err != nil {
							t.Error(err)
						}
					},
				}
			})
		})
	}
}
