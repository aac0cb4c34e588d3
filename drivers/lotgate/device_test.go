package lotgate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/lotgate"
	"yipiao/drivers/port"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
)

// A rig is a driver on a line to a simulated turnstile, in a bubble whose clock only moves when all
// of it waits.
type rig struct {
	t      *testing.T
	gate   drivers.Device
	sim    *turnstile.Turnstile
	line   *board.Line
	host   *board.PipeEnd
	device *board.PipeEnd
	events chan drivers.Event
	ran    chan error
	stop   context.CancelFunc
}

// settings of most tests: what a technician would write.
const unitOne = `{"unit":1}`

// onRig runs a test in a bubble with a running driver.
func onRig(t *testing.T, set turnstile.Settings, config string, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, set, config)
		ctx, cancel := context.WithCancel(context.Background())
		lived := make(chan struct{}, 2)
		go func() { _ = r.sim.Run(ctx); lived <- struct{}{} }()
		go func() { _ = r.sim.Serve(ctx, r.line); lived <- struct{}{} }()
		r.run()
		test(r)
		r.stop()
		if err := <-r.ran; err != nil && !errors.Is(err, port.ErrGone) {
			t.Errorf("Run: %v", err)
		}
		cancel()
		<-lived
		<-lived
	})
}

func newRig(t *testing.T, set turnstile.Settings, config string) *rig {
	t.Helper()
	sim, err := turnstile.New(set, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	gate, err := lotgate.Kind().New([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	host, device := board.Pipe(port.ErrGone)
	return &rig{
		t: t, gate: gate, sim: sim, line: board.NewLine(device, 0), host: host, device: device,
		events: make(chan drivers.Event, 1000), ran: make(chan error, 1),
	}
}

func (r *rig) run() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.ran <- r.gate.Run(ctx, r.host, func(e drivers.Event) { r.events <- e }) }()
}

func (r *rig) release(id drivers.PermitID, d drivers.Direction, wait time.Duration) error {
	return r.gate.(drivers.Gate).Release(context.Background(), drivers.Permit{ID: id, Direction: d, For: wait})
}

// await returns the next event of a type, or fails after a minute of the bubble's time.
func await[E drivers.Event](r *rig) E {
	r.t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case e := <-r.events:
			if got, ok := e.(E); ok {
				return got
			}
		case <-late:
			var want E
			r.t.Fatalf("no %T came", want)
		}
	}
}

// up waits until the driver has seen the gate.
func (r *rig) up() {
	r.t.Helper()
	for await[drivers.Health](r).State != drivers.StateOK {
	}
}

func TestReleasePasses(t *testing.T) {
	onRig(t, turnstile.Settings{}, unitOne, func(r *rig) {
		r.up()
		if err := r.release(7, drivers.Entry, 5*time.Second); err != nil {
			t.Fatalf("Release: %v", err)
		}
		if got, want := await[drivers.Passage](r), (drivers.Passage{Permit: 7, Outcome: drivers.Passed, Count: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
