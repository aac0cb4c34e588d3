// Package bench sets simulated devices and a stretch of network up from a configuration, runs them and
// finds them by name: a venue's hardware on one machine.
//
// It knows which simulated things there are, and what can be done to each. It must not know drivers, stations or
// how it is controlled from outside.
package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
	"yipiao/firmware-sim/wan"
)

// Errors of a look-up.
var (
	// ErrUnknown is returned for a name that is not on the bench.
	ErrUnknown = errors.New("bench: no such device")
	// ErrKind is returned when a device is of another kind than the one asked for.
	ErrKind = errors.New("bench: device is of another kind")
	// ErrNoWAN is returned when the bench has no network.
	ErrNoWAN = errors.New("bench: no wan is configured")
)

const (
	// keepEvents is how many events a bench remembers of each device.
	keepEvents = 2000
	// wanName is what the network is called on the tape, and so no device.
	wanName = "wan"
)

// A device is one thing on the bench, with its plug where it has a line.
type device struct {
	thing
	name  string
	kind  string
	board *board.Board // nil where it has no line
}

// A Bench is everything that is simulated. It is safe for concurrent use.
type Bench struct {
	log     *slog.Logger
	tape    *tape.Tape
	order   []*device
	devices map[string]*device
	wan     *wan.Relay
}

// New sets up a bench. Nothing runs or is opened yet, except that counters are loaded.
func New(c Config, log *slog.Logger) (*Bench, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	b := &Bench{log: log, tape: tape.New(keepEvents), devices: make(map[string]*device)}
	for _, dc := range c.Devices {
		d, err := b.build(dc, c.Seed)
		if err != nil {
			return nil, fmt.Errorf("bench: device %q: %w", dc.Name, err)
		}
		b.order = append(b.order, d)
		b.devices[d.name] = d
	}
	if c.WAN != nil {
		b.wan = wan.New(c.WAN.Listen, c.WAN.Target)
		if err := b.wan.SetDelay(ms(c.WAN.DelayMs)); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	return b, nil
}

func (b *Bench) build(c DeviceConfig, seed uint64) (*device, error) {
	k, err := c.kind()
	if err != nil {
		return nil, err
	}
	rec := b.tape.Recorder(c.Name)
	t, err := k.build(c.Settings, rec)
	if err != nil {
		return nil, err
	}
	d := &device{thing: t, name: c.Name, kind: k.name}
	if k.plugs == none {
		return d, nil
	}
	d.board = newBoard(c, t, rec)
	d.board.Seed(seedOf(seed, c.Name))
	d.board.SetFaults(c.Faults)
	if t.describe != nil {
		d.board.SetTap(func(sent bool, p []byte) {
			if sent {
				rec.Add(tape.Sent, t.describe(true, p), p)
				return
			}
			rec.Add(tape.Received, t.describe(false, p), p)
		})
	}
	d.acts = append(d.acts, plugActs(d.board)...)
	return d, nil
}

func newBoard(c DeviceConfig, t thing, rec tape.Recorder) *board.Board {
	switch {
	case c.PTY != "":
		return board.New(c.PTY, c.Baud, rec)
	case c.TCP != "":
		return board.NewTCP(c.TCP, c.Baud, rec)
	case t.pipe != nil:
		return board.NewInside(t.pipe, c.Baud, rec)
	}
	return board.NewInside(func(gone error) (host, device board.Conn) { return board.Pipe(gone) }, c.Baud, rec)
}

// seedOf gives each device faults of its own, which do not change when another device is added.
func seedOf(seed uint64, name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return seed ^ h.Sum64()
}

// Run keeps everything going until ctx is done or a part fails. Links are gone when it returns.
func (b *Bench) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	start := func(name string, run func(context.Context) error) {
		all.Go(func() {
			if err := run(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
				cancel()
			}
		})
	}
	for _, d := range b.order {
		b.log.Info("device", "name", d.name, "kind", d.kind, "line", d.lineState().Path)
		if d.board != nil {
			start(d.name, func(ctx context.Context) error { return d.board.Run(ctx, d.device) })
		}
		if d.run != nil {
			start(d.name, d.run)
		}
	}
	if b.wan != nil {
		b.log.Info("wan", "listen", b.wan.State().Listen, "target", b.wan.State().Target)
		start(wanName, b.wan.Run)
	}
	<-ctx.Done()
	all.Wait()
	return failed
}

func (d *device) lineState() board.State {
	if d.board != nil {
		return d.board.State()
	}
	return d.line()
}

func (b *Bench) find(name string) (*device, error) {
	d, ok := b.devices[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	return d, nil
}

// Board finds a device's plug and line.
func (b *Bench) Board(name string) (*board.Board, error) {
	d, err := b.find(name)
	if err != nil {
		return nil, err
	}
	if d.board == nil {
		return nil, fmt.Errorf("%w: %q is a %s, which has no line", ErrKind, name, d.kind)
	}
	return d.board, nil
}

// Find finds the simulated thing itself, such as a *printer.Printer.
func Find[T any](b *Bench, name string) (T, error) {
	var zero T
	d, err := b.find(name)
	if err != nil {
		return zero, err
	}
	model, ok := d.model.(T)
	if !ok {
		return zero, fmt.Errorf("%w: %q is a %s", ErrKind, name, d.kind)
	}
	return model, nil
}

// Scanner finds a line scanner.
func (b *Bench) Scanner(name string) (*scanner.Scanner, error) {
	return Find[*scanner.Scanner](b, name)
}

// Turnstile finds a turnstile.
func (b *Bench) Turnstile(name string) (*turnstile.Turnstile, error) {
	return Find[*turnstile.Turnstile](b, name)
}

// WAN is the stretch of network.
func (b *Bench) WAN() (*wan.Relay, error) {
	if b.wan == nil {
		return nil, ErrNoWAN
	}
	return b.wan, nil
}

// Tape is what has happened.
func (b *Bench) Tape() *tape.Tape { return b.tape }

// A Device is how one device is at the moment. State is that of its package; a line scanner's and a turnstile's
// are there in Go too.
type Device struct {
	Name      string           `json:"name"`
	Kind      string           `json:"kind"`
	Line      board.State      `json:"line"`
	State     json.RawMessage  `json:"state"`
	Scanner   *scanner.State   `json:"scanner,omitempty"`
	Turnstile *turnstile.State `json:"turnstile,omitempty"`
}

// Devices reports all devices in the order of the configuration.
func (b *Bench) Devices() []Device {
	list := make([]Device, 0, len(b.order))
	for _, d := range b.order {
		s := Device{Name: d.name, Kind: d.kind, Line: d.lineState()}
		state := d.state()
		switch st := state.(type) {
		case scanner.State:
			s.Scanner = &st
		case turnstile.State:
			s.Turnstile = &st
		}
		s.State, _ = json.Marshal(state) // states are plain structs, which always have a JSON
		list = append(list, s)
	}
	return list
}
