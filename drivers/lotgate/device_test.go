package lotgate_test

import (
	"context"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
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
	host   *tapped
	device *board.PipeEnd
	events chan drivers.Event
	ran    chan error
	stop   context.CancelFunc
}

// tapped is the station's end of a line that remembers what was sent.
type tapped struct {
	*board.PipeEnd

	mu   sync.Mutex // guards the field below
	sent []frame
}

type frame struct {
	at   time.Time
	wire string // hex
}

func (p *tapped) Write(b []byte) (int, error) {
	p.mu.Lock()
	p.sent = append(p.sent, frame{time.Now(), hex.EncodeToString(b)})
	p.mu.Unlock()
	return p.PipeEnd.Write(b)
}

// frames returns what was sent so far that begins with a prefix.
func (p *tapped) frames(prefix string) (all []frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.sent {
		if strings.HasPrefix(f.wire, prefix) {
			all = append(all, f)
		}
	}
	return all
}

// Beginnings of requests to unit 1.
const (
	statusPoll  = "010300400009"
	entryGrant  = "01100040000102" + "0001"
	entryClose  = "01100040000102" + "0000"
	startWrite  = "01103011"
	adderWrite  = "01103010"
	readingBack = "010300400008"
)

// settings of most tests: what a technician would write.
const unitOne = `{"unit":1}`

// onRig runs a test in a bubble with a running driver.
func onRig(t *testing.T, set turnstile.Settings, config string, test func(r *rig)) {
	t.Helper()
	onRigAt(t, 0, set, config, test)
}

// onRigAt is onRig on a line whose bytes take their time; 0 is as fast as the machine.
func onRigAt(t *testing.T, baud int, set turnstile.Settings, config string, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, set, config)
		r.line = board.NewLine(r.device, baud)
		ctx, cancel := context.WithCancel(context.Background())
		var life sync.WaitGroup
		life.Go(func() { _ = r.sim.Run(ctx) })
		life.Go(func() { _ = r.sim.Serve(ctx, r.line) })
		r.run()
		t.Cleanup(func() {
			r.stop()
			if err := <-r.ran; err != nil {
				t.Errorf("Run: %v", err)
			}
			cancel()
			life.Wait()
		})
		test(r)
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
		t: t, gate: gate, sim: sim, line: board.NewLine(device, 0), host: &tapped{PipeEnd: host}, device: device,
		events: make(chan drivers.Event, 10000), ran: make(chan error, 1),
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

// alarm waits for an alarm of a kind to go on or off.
func (r *rig) alarm(kind drivers.AlarmKind, on bool) drivers.Alarm {
	r.t.Helper()
	for {
		if a := await[drivers.Alarm](r); a.Kind == kind && a.On == on {
			return a
		}
	}
}

// none fails if an event of a type comes within a time.
func none[E drivers.Event](r *rig, within time.Duration) {
	r.t.Helper()
	late := time.After(within)
	for {
		select {
		case e := <-r.events:
			if got, ok := e.(E); ok {
				r.t.Errorf("%T came: %+v", got, got)
			}
		case <-late:
			return
		}
	}
}

func (r *rig) visitor(v turnstile.Visitor) {
	r.t.Helper()
	if err := r.sim.SetVisitor(v, 0); err != nil {
		r.t.Fatal(err)
	}
}

func TestReleaseAndPassage(t *testing.T) {
	onRig(t, turnstile.Settings{}, unitOne, func(r *rig) {
		r.up()
		if err := r.release(7, drivers.Entry, 5*time.Second); err != nil {
			t.Fatalf("Release: %v", err)
		}
		if got, want := await[drivers.Passage](r), (drivers.Passage{Permit: 7, Outcome: drivers.Passed, Count: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if err := r.release(8, drivers.Exit, 5*time.Second); err != nil {
			t.Fatalf("Release: %v", err)
		}
		if got, want := await[drivers.Passage](r), (drivers.Passage{Permit: 8, Outcome: drivers.Passed, Count: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		none[drivers.Alarm](r, 10*time.Second)
	})
}

func TestPollsFastOnlyWhileAPermitIsOpen(t *testing.T) {
	onRig(t, turnstile.Settings{Visitor: turnstile.Stay}, unitOne, func(r *rig) {
		r.up()
		between := func(from time.Time) int {
			n := 0
			for _, f := range r.host.frames(statusPoll) {
				if !f.at.Before(from) {
					n++
				}
			}
			return n
		}
		idle := time.Now()
		drivertest.Elapse(10 * time.Second)
		if n := between(idle); n < 18 || n > 22 {
			t.Errorf("%d polls in 10 s at rest, want 2 a second", n)
		}
		if err := r.release(1, drivers.Entry, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		open := time.Now()
		drivertest.Elapse(5 * time.Second)
		if n := between(open); n < 50 || n > 100 {
			t.Errorf("%d polls in 5 s with a permit open, want 10 to 20 a second", n)
		}
	})
}

func TestAtTheSpeedOfTheWire(t *testing.T) {
	for _, baud := range []int{9600, 115200} {
		onRigAt(t, baud, turnstile.Settings{Visitor: turnstile.Stay}, unitOne, func(r *rig) {
			r.up()
			if err := r.release(1, drivers.Entry, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			opened := time.Now()
			before := len(r.host.frames(statusPoll))
			if got := await[drivers.Passage](r); got.Outcome != drivers.Lapsed {
				t.Errorf("%+v, want lapsed", got)
			}
			polls, took := len(r.host.frames(statusPoll))-before, time.Since(opened)
			if rate := float64(polls) / took.Seconds(); rate < 10 || rate > 20 {
				t.Errorf("%d baud: %.1f polls a second, want 10 to 20", baud, rate)
			}
			drivertest.Elapse(10 * time.Second)
			told := r.seenHealth()
			if len(told) == 0 || told[len(told)-1].Errors != 0 {
				t.Errorf("%d baud: %+v, want no errors", baud, told)
			}
		})
	}
}

// seenHealth takes the health reports that wait.
func (r *rig) seenHealth() (all []drivers.Health) {
	for {
		select {
		case e := <-r.events:
			if h, ok := e.(drivers.Health); ok {
				all = append(all, h)
			}
		default:
			return all
		}
	}
}

func TestPermitGoesOutBeforeTheNextPoll(t *testing.T) {
	onRig(t, turnstile.Settings{}, unitOne, func(r *rig) {
		r.up()
		if err := r.release(1, drivers.Entry, 5*time.Second); err != nil { // sets the gate up
			t.Fatal(err)
		}
		await[drivers.Passage](r)
		drivertest.Elapse(777 * time.Millisecond)
		asked := time.Now()
		if err := r.release(2, drivers.Entry, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		grants := r.host.frames(entryGrant)
		if took := grants[len(grants)-1].at.Sub(asked); took > 6*time.Millisecond {
			t.Errorf("the permit went out %v after Release, want one gap between frames", took)
		}
	})
}

func TestStartTimeIsSetWhereItDiffers(t *testing.T) {
	onRig(t, turnstile.Settings{}, unitOne, func(r *rig) {
		r.up()
		for i, wait := range []time.Duration{5 * time.Second, 8 * time.Second, 8 * time.Second, 5 * time.Second} {
			if err := r.release(drivers.PermitID(i), drivers.Entry, wait); err != nil {
				t.Fatal(err)
			}
			if got := r.sim.State().StartSeconds; got != uint16(wait/time.Second) {
				t.Errorf("start time %d s, want %v", got, wait)
			}
			await[drivers.Passage](r)
		}
		if n := len(r.host.frames(startWrite)); n != 2 { // the gate comes with 5 s
			t.Errorf("written %d times, want 2", n)
		}
		r.sim.PowerCycle()
		r.line.SetFaults(board.Faults{Mute: true}) // it takes a while to come back
		drivertest.Elapse(3 * time.Second)
		r.line.SetFaults(board.Faults{})
		drivertest.Elapse(3 * time.Second)
		if err := r.release(9, drivers.Entry, 8*time.Second); err != nil {
			t.Fatal(err)
		}
		if got := r.sim.State().StartSeconds; got != 8 {
			t.Errorf("start time %d s after a power cut, want 8", got)
		}
	})
}
