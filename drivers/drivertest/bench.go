package drivertest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/port"
)

// A Bench is a driver together with a simulated device for it.
type Bench struct {
	// New makes the driver, with settings that a technician would choose.
	New func() (drivers.Device, error)
	// Plug connects a simulated device anew. It is called within a bubble; what it starts must end when
	// ctx does.
	Plug func(ctx context.Context) Line
	// Real says that the line is a real one, which no bubble can hold: Device then runs in real time, and what it
	// does for long it does less often.
	Real bool

	over func(port.Port) port.Port // what the driver sees of its line; nil for the line itself
}

// in runs a check in the time of its line: in a bubble, or in real time.
func (b Bench) in(t *testing.T, check func(t *testing.T)) {
	if b.Real {
		check(t)
		return
	}
	synctest.Test(t, check)
}

// elapse is Elapse, or in real time a wait for as long as that.
func (b Bench) elapse(d time.Duration) {
	if b.Real {
		<-time.After(d)
		return
	}
	Elapse(d)
}

// atMost and atLeast are limits of a time that was measured; in real time they leave room for a busy machine.
func (b Bench) atMost(d time.Duration) time.Duration {
	if b.Real {
		return 8 * d
	}
	return d
}

func (b Bench) atLeast(d time.Duration) time.Duration {
	if b.Real {
		return d / 2
	}
	return d
}

// often is how often something is done: n times, or in real time a fifth of that.
func (b Bench) often(n int) int {
	if b.Real {
		return max(n/5, 1)
	}
	return n
}

// A Line is a connection to a simulated device.
type Line struct {
	Host port.Port         // the driver's end
	Raw  func(wire []byte) // lets the device send bytes as they are
	Pull func()            // makes the device vanish
	// Provoke makes the device do something that the driver must report by an event other than
	// Health; Provoked tells that event.
	Provoke  func()
	Provoked func(drivers.Event) bool
}

// Elapse lets time pass in a bubble, and what is due in it happen. It panics outside of one, where waiting
// for a while would prove nothing.
func Elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// endsWithin is how soon Run must return after its context has ended or its port has died.
const endsWithin = time.Second

// reactsWithin is how soon a device that works must be reported.
const reactsWithin = 30 * time.Second

// A run is one call of Run.
type run struct {
	t      *testing.T
	line   Line
	port   *watchedPort
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run, after done

	mu     sync.Mutex // guards the fields below
	events []stamped
	over   bool // Run has returned
	news   chan struct{}
}

type stamped struct {
	at    time.Time
	event drivers.Event
}

// start plugs a device in and runs the driver over it.
func (b Bench) start(t *testing.T, dev drivers.Device) *run {
	t.Helper()
	lineCtx, unplug := context.WithCancel(context.Background())
	r := &run{t: t, line: b.Plug(lineCtx), done: make(chan struct{}), news: make(chan struct{})}
	host := r.line.Host
	if b.over != nil {
		host = b.over(host)
	}
	r.port = &watchedPort{Port: host, t: t}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	var view port.Port = r.port
	if turns, shared := host.(port.Turns); shared {
		view = sharedPort{r.port, turns}
	}
	go func() {
		defer close(r.done)
		r.err = dev.Run(ctx, view, r.take)
		r.mu.Lock()
		r.over = true
		r.mu.Unlock()
		r.port.seal()
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
		if !b.Real {
			Elapse(2 * endsWithin) // whatever comes after Run has returned comes now
		}
		unplug()
		_ = r.line.Host.Close()
		if !b.Real {
			Elapse(endsWithin) // the simulator ends too
		}
	})
	return r
}

// take is the emit of the run.
func (r *run) take(e drivers.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		r.t.Errorf("%T emitted after Run has returned", e)
	}
	r.events = append(r.events, stamped{time.Now(), e})
	close(r.news)
	r.news = make(chan struct{})
}

// find returns the first event from the given index on that is wanted, and the index after it.
func (r *run) find(from int, want func(drivers.Event) bool) (drivers.Event, int, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := from; i < len(r.events); i++ {
		if want(r.events[i].event) {
			return r.events[i].event, i + 1, nil
		}
	}
	return nil, len(r.events), r.news
}

// await waits for an event after the index, and returns it with the next index.
func (r *run) await(from int, what string, want func(drivers.Event) bool) (drivers.Event, int) {
	r.t.Helper()
	late := time.After(reactsWithin)
	for {
		e, next, news := r.find(from, want)
		if e != nil {
			return e, next
		}
		from = next
		select {
		case <-news:
		case <-r.done:
			r.t.Fatalf("%s: Run ended instead: %v", what, r.err)
		case <-late:
			r.t.Fatalf("%s: nothing within %v", what, reactsWithin)
		}
	}
}

// up waits until the device is reported healthy.
func (r *run) up() int {
	r.t.Helper()
	_, next := r.await(0, "device to be healthy", func(e drivers.Event) bool {
		h, ok := e.(drivers.Health)
		return ok && h.State == drivers.StateOK
	})
	return next
}

// ended waits for Run to return and reports how long that took.
func (r *run) ended() time.Duration {
	r.t.Helper()
	start := time.Now()
	select {
	case <-r.done:
	case <-time.After(10 * endsWithin):
		r.t.Fatal("Run does not return")
	}
	return time.Since(start)
}

// seen returns the events so far.
func (r *run) seen() []stamped {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]stamped(nil), r.events...)
}

// A watchedPort fails the test when a driver closes it, or touches it after Run has returned.
type watchedPort struct {
	port.Port
	t *testing.T

	mu   sync.Mutex // guards the field below
	over bool
}

// A sharedPort is a watchedPort of a line that is shared.
type sharedPort struct {
	*watchedPort
	port.Turns
}

func (p *watchedPort) seal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

func (p *watchedPort) touch(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		p.t.Errorf("%s after Run has returned", what)
	}
}

func (p *watchedPort) Close() error {
	p.t.Error("the driver closed the port")
	return nil
}

func (p *watchedPort) Read(b []byte) (int, error) {
	p.touch("Read")
	return p.Port.Read(b)
}

func (p *watchedPort) Write(b []byte) (int, error) {
	p.touch("Write")
	return p.Port.Write(b)
}

func (p *watchedPort) SetReadDeadline(t time.Time) error {
	p.touch("SetReadDeadline")
	return p.Port.SetReadDeadline(t)
}

func (p *watchedPort) SetWriteDeadline(t time.Time) error {
	p.touch("SetWriteDeadline")
	return p.Port.SetWriteDeadline(t)
}
