package acatri_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/acatri"
	"yipiao/drivers/bus"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/tripod"
)

func TestKind(t *testing.T) { drivertest.Kind(t, acatri.Kind()) }

// A stand is a simulated tripod that can be plugged in again and again, and the driver on it.
type stand struct {
	sim    *tripod.Sim
	shared bool
	gate   drivers.Gate
}

func newStand(t *testing.T, shared bool) *stand {
	t.Helper()
	sim, err := tripod.New(tripod.Settings{}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	return &stand{sim: sim, shared: shared}
}

func (s *stand) newGate() (drivers.Device, error) {
	dev, err := acatri.Kind().New(json.RawMessage(`{"open_s":3}`))
	if err == nil {
		s.gate = dev.(drivers.Gate)
	}
	return dev, err
}

func (s *stand) plug(ctx context.Context) drivertest.Line {
	host, device := board.Pipe(port.ErrGone)
	go func() { _ = s.sim.Run(ctx) }()
	go func() { _ = s.sim.Serve(ctx, board.NewLine(device, 0)) }()
	var p port.Port = host
	if s.shared {
		p, _ = bus.New(host, bus.Options{}).Join()
	}
	return drivertest.Line{
		Host: p,
		Raw:  func(wire []byte) { _, _ = device.Write(wire) },
		Pull: func() { _ = device.Close() },
		Provoke: func() { // the tripod does nothing by itself
			_ = s.gate.Release(ctx, drivers.Permit{ID: 1, Direction: drivers.Entry, For: time.Second})
		},
		Provoked: func(e drivers.Event) bool { _, ok := e.(drivers.Passage); return ok },
	}
}

// fresh has a new tripod at each plug, made in the bubble that it lives in.
func fresh(t *testing.T) drivertest.Bench {
	s := &stand{}
	return drivertest.Bench{New: s.newGate, Plug: func(ctx context.Context) drivertest.Line {
		s.sim = newStand(t, false).sim
		return s.plug(ctx)
	}}
}

func TestDeviceContract(t *testing.T) { drivertest.Device(t, fresh(t)) }

func TestSteps(t *testing.T) {
	drivertest.Steps(t, fresh(t), []byte{0xEB, 0x01, 0x40})
}

func TestGateContract(t *testing.T) {
	for name, shared := range map[string]bool{"Alone": false, "OnABus": true} {
		t.Run(name, func(t *testing.T) {
			drivertest.Gate(t, func(t *testing.T) drivertest.GateBench {
				s := newStand(t, shared)
				return drivertest.GateBench{
					Bench: drivertest.Bench{New: s.newGate, Plug: s.plug}, Blind: true, Keeps: true,
					Mute:    func(bool) {},
					Counted: func() uint32 { return s.sim.State().LeftCount },
					Walks: func(on bool) {
						v := tripod.Stay
						if on {
							v = tripod.Walk
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

// running runs a driver over a line in a bubble.
func running(t *testing.T, config string, test func(gate drivers.Gate, sim *tripod.Sim, events <-chan drivers.Event)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim, err := tripod.New(tripod.Settings{}, tape.Recorder{})
		if err != nil {
			t.Fatal(err)
		}
		dev, err := acatri.Kind().New([]byte(config))
		if err != nil {
			t.Fatal(err)
		}
		host, device := board.Pipe(port.ErrGone)
		events := make(chan drivers.Event, 1000)
		ctx, cancel := context.WithCancel(context.Background())
		var life sync.WaitGroup
		life.Go(func() { _ = sim.Run(ctx) })
		life.Go(func() { _ = sim.Serve(ctx, board.NewLine(device, 9600)) })
		life.Go(func() {
			if err := dev.Run(ctx, host, func(e drivers.Event) { events <- e }); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		t.Cleanup(func() {
			cancel()
			life.Wait()
		})
		drivertest.Elapse(100 * time.Millisecond)
		test(dev.(drivers.Gate), sim, events)
	})
}

func TestAnEntryIsTheWayThatIsConfigured(t *testing.T) {
	for config, left := range map[string]bool{`{}`: true, `{"entry":"right"}`: false} {
		running(t, config, func(gate drivers.Gate, sim *tripod.Sim, events <-chan drivers.Event) {
			if err := gate.Release(context.Background(), drivers.Permit{ID: 1, Direction: drivers.Entry, For: time.Second}); err != nil {
				t.Fatal(err)
			}
			drivertest.Elapse(7 * time.Second)
			if s := sim.State(); (s.LeftCount == 1) != left || s.LeftCount+s.RightCount != 1 {
				t.Errorf("%s: %+v", config, s)
			}
		})
	}
}

// TestWhoHasGoneOpensNothing: what a caller left before it was sent is not sent, and what was is told to nobody.
func TestWhoHasGoneOpensNothing(t *testing.T) {
	running(t, `{}`, func(gate drivers.Gate, sim *tripod.Sim, events <-chan drivers.Event) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := gate.Release(ctx, drivers.Permit{ID: 1, Direction: drivers.Entry, For: time.Second}); !errors.Is(err, context.Canceled) {
			t.Errorf("Release: %v", err)
		}
		drivertest.Elapse(10 * time.Second)
		if s := sim.State(); s.LeftCount != 0 {
			t.Errorf("%+v", s)
		}
		for len(events) > 0 {
			if e, ok := (<-events).(drivers.Passage); ok {
				t.Errorf("%+v", e)
			}
		}
	})
}

func TestSettingsThatCannotBe(t *testing.T) {
	for _, config := range []string{`{"entry":"up"}`, `{"address":256}`, `{"open_s":0}`} {
		if _, err := acatri.Kind().New([]byte(config)); err == nil {
			t.Errorf("%s: nil, want an error", config)
		}
	}
}
