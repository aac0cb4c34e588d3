package devices_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/drivertest"
	"yipiao/drivers/port"
	"yipiao/drivers/port/serialport"
	"yipiao/edge/internal/devices"
	"yipiao/firmware-sim/board"
)

// A puppet is a driver that does what a test says. Its Run ends when told to or with its context.
type puppet struct {
	runs chan *puppetRun
}

type puppetRun struct {
	emit func(drivers.Event)
	end  chan func() error
}

func (p *puppet) Run(ctx context.Context, _ port.Port, emit func(drivers.Event)) error {
	r := &puppetRun{emit: emit, end: make(chan func() error)}
	p.runs <- r
	select {
	case how := <-r.end:
		return how()
	case <-ctx.Done():
		return nil
	}
}

func (p *puppet) Release(context.Context, drivers.Permit) error { return drivers.ErrRefused }

// A stage is a set with one puppet, in a bubble.
type stage struct {
	t      *testing.T
	puppet *puppet
	set    *devices.Set
	gate   *devices.Gate

	mu    sync.Mutex // guards the fields below
	opens []time.Time
	fails error
	told  []devices.Status
}

func onStage(t *testing.T, test func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, puppet: &puppet{runs: make(chan *puppetRun, 10)}}
		var reg drivers.Registry
		reg.Add(drivers.Kind{Name: "puppet", Title: "木偶", New: func(json.RawMessage) (drivers.Device, error) { return s.puppet, nil }})
		var err error
		s.set, err = devices.New([]devices.Config{{Name: "p", Kind: "puppet", Port: devices.Port{Line: serialport.Config{Path: "/dev/p"}}}}, &reg, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if s.gate, err = s.set.Gate("p"); err != nil {
			t.Fatal(err)
		}
		s.set.SetOpener(s.open)
		s.set.OnHealth(func(st devices.Status) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.told = append(s.told, st)
		})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.set.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		test(s)
	})
}

func (s *stage) open(context.Context, devices.Port) (port.Port, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opens = append(s.opens, time.Now())
	if s.fails != nil {
		return nil, s.fails
	}
	host, _ := board.Pipe(port.ErrGone)
	return host, nil
}

func (s *stage) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

func (s *stage) opened() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.opens...)
}

func (s *stage) health(from int) []devices.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]devices.Status(nil), s.told[from:]...)
}

func healthy(frames uint64) drivers.Health {
	return drivers.Health{State: drivers.StateOK, Frames: frames, LastGood: time.Now()}
}

func TestBackoffGrowsToItsLimitAndTellsOnce(t *testing.T) {
	onStage(t, func(s *stage) {
		run := <-s.puppet.runs
		s.fail(fs.ErrNotExist)
		run.end <- func() error { return port.ErrGone }
		drivertest.Elapse(20 * time.Second)
		opens := s.opened()
		gaps := make([]time.Duration, len(opens)-1)
		for i := range gaps {
			gaps[i] = opens[i+1].Sub(opens[i])
		}
		if gaps[0] > 50*time.Millisecond {
			t.Errorf("the first attempt came %v after the loss, want at once", gaps[0])
		}
		for _, g := range gaps[5:] {
			if g > devices.LongestWait || g < devices.LongestWait*3/4 {
				t.Errorf("attempts %v apart, want up to %v", g, devices.LongestWait)
			}
		}
		told := s.health(0)
		var notes []string
		for _, st := range told {
			notes = append(notes, st.Note)
		}
		if got := strings.Join(notes, "; "); got != "unplugged; not plugged in" {
			t.Errorf("told %q, want each reason once", got)
		}
	})
}

func TestPanicOfADriverIsAFailureOfItsDevice(t *testing.T) {
	onStage(t, func(s *stage) {
		run := <-s.puppet.runs
		run.end <- func() error { panic("out of paper") }
		again := <-s.puppet.runs
		told := s.health(0)
		if len(told) == 0 || told[0].State != drivers.StateLost || !strings.Contains(told[0].Note, "out of paper") {
			t.Errorf("told %+v", told)
		}
		again.emit(healthy(1))
		synctest.Wait()
		if st, _ := s.set.Status("p"); st.State != drivers.StateOK || st.Opens != 2 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestReasonsATechnicianReads(t *testing.T) {
	for want, err := range map[string]error{
		"port is in use by another program": port.ErrBusy,
		"unplugged":                         port.ErrGone,
		"not plugged in":                    fs.ErrNotExist,
		"no permission to open the port":    fs.ErrPermission,
		"strange":                           errors.New("strange"),
	} {
		onStage(t, func(s *stage) {
			(<-s.puppet.runs).end <- func() error { return errors.Join(err) }
			synctest.Wait()
			if st, _ := s.set.Status("p"); st.Note != want || st.State != drivers.StateLost {
				t.Errorf("%v: %q, want %q", err, st.Note, want)
			}
		})
	}
}

func TestCountersAddUpOverRuns(t *testing.T) {
	onStage(t, func(s *stage) {
		run := <-s.puppet.runs
		run.emit(drivers.Health{State: drivers.StateOK, Frames: 10, Errors: 2})
		run.end <- func() error { return port.ErrGone }
		run = <-s.puppet.runs
		run.emit(drivers.Health{State: drivers.StateOK, Frames: 3, Errors: 1})
		if st, _ := s.set.Status("p"); st.Frames != 13 || st.Errors != 3 {
			t.Errorf("%+v, want 13 frames and 3 errors", st)
		}
	})
}

func TestSetWithoutDevicesRunsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, err := devices.New(nil, nil, quiet())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := set.Run(ctx); err != nil || ctx.Err() == nil {
			t.Errorf("Run: %v, context %v; want nil once the context has ended", err, ctx.Err())
		}
	})
}

// recorded subscribes to the puppet as to a gate and writes down what comes.
func (s *stage) recorded() (words func() string, cancel func()) {
	var mu sync.Mutex
	var all []string
	add := func(w string) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, w)
	}
	cancel = s.gate.Subscribe(devices.GateEvents{
		Passage: func(drivers.Passage) { add("passage") },
		Alarm:   func(a drivers.Alarm) { add("alarm-" + string(a.Kind)) },
		Up: func(u devices.Up) {
			if u.NewRun {
				add("new-run")
				return
			}
			add("back")
		},
		Down: func(d devices.Down) {
			if d.RunEnded {
				add("ended")
				return
			}
			add("silent")
		},
	})
	return func() string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(all, " ")
	}, cancel
}

func TestUpAndDownAreToldInOrder(t *testing.T) {
	onStage(t, func(s *stage) {
		words, _ := s.recorded()
		run := <-s.puppet.runs
		run.emit(healthy(1))
		run.emit(drivers.Passage{Permit: 1})
		run.emit(drivers.Health{State: drivers.StateAttention})
		run.emit(drivers.Health{State: drivers.StateLost})
		run.emit(healthy(2))
		run.emit(drivers.Health{State: drivers.StateLost})
		run.end <- func() error { return port.ErrGone } // it was silent already, and now it will not come back
		run = <-s.puppet.runs
		run.end <- func() error { return port.ErrGone } // a run in which the gate never answered
		run = <-s.puppet.runs
		run.emit(healthy(1))
		if got, want := words(), "new-run passage silent back silent ended new-run"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

func TestLateSubscriberLearnsHowThingsStand(t *testing.T) {
	onStage(t, func(s *stage) {
		run := <-s.puppet.runs
		run.emit(healthy(1))
		run.emit(drivers.Alarm{Kind: drivers.AlarmFire, On: true})
		run.emit(drivers.Alarm{Kind: drivers.AlarmFault, On: true})
		run.emit(drivers.Alarm{Kind: drivers.AlarmFault})
		words, cancel := s.recorded()
		if got := words(); got != "new-run alarm-fire" {
			t.Errorf("told %q, want that it is up and the alarm that is on", got)
		}
		run.emit(drivers.Passage{Permit: 1})
		if got := words(); got != "new-run alarm-fire passage" {
			t.Errorf("told %q", got)
		}
		cancel()
		run.emit(drivers.Passage{Permit: 2})
		if got := words(); got != "new-run alarm-fire passage" {
			t.Errorf("told %q after cancel", got)
		}
	})
}

func TestSubscriberThatBlocksHoldsUpNobody(t *testing.T) {
	onStage(t, func(s *stage) {
		run := <-s.puppet.runs
		blocked := make(chan struct{})
		passages := 0
		s.gate.Subscribe(devices.GateEvents{Passage: func(drivers.Passage) { <-blocked; passages++ }})
		run.emit(drivers.Passage{Permit: 1}) // blocks the subscriber
		synctest.Wait()
		for range devices.MaxScans + 10 {
			run.emit(drivers.Scan{Data: []byte("x")})
		}
		for id := range drivers.PermitID(200) {
			run.emit(drivers.Passage{Permit: 2 + id})
		}
		if st, _ := s.set.Status("p"); st.Errors != 10 {
			t.Errorf("%d errors, want one for each scan that was dropped", st.Errors)
		}
		close(blocked)
		synctest.Wait()
		if passages != 201 {
			t.Errorf("%d passages delivered, want all 201", passages)
		}
	})
}

func TestGateWithoutCounters(t *testing.T) {
	onStage(t, func(s *stage) {
		if s.gate.Counts() {
			t.Error("a gate without counters says it counts")
		}
		if _, ok := s.gate.LastCounters(); ok {
			t.Error("counters of a gate that has none")
		}
		if _, err := s.gate.Withdraw(t.Context(), drivers.Entry); !errors.Is(err, devices.ErrNoCounter) {
			t.Errorf("Withdraw: %v, want ErrNoCounter", err)
		}
		if err := s.gate.Release(t.Context(), drivers.Permit{}); !errors.Is(err, drivers.ErrRefused) {
			t.Errorf("Release: %v, want what the driver says", err)
		}
	})
}
