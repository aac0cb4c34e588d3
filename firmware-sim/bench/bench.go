// Package bench sets simulated devices and a stretch of network up from a configuration, runs them and
// finds them by name: a venue's hardware on one machine.
//
// It knows which simulated things there are. It must not know drivers, stations or how it is
// controlled from outside.
package bench

import (
	"context"
	"errors"
	"fmt"
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

// keepEvents is how many events a bench remembers.
const keepEvents = 2000

// A device is one simulated device with its plug.
type device struct {
	name      string
	kind      string
	board     *board.Board
	scanner   *scanner.Scanner
	turnstile *turnstile.Turnstile
}

func (d *device) firmware() board.Device {
	if d.scanner != nil {
		return d.scanner
	}
	return d.turnstile
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
		d, err := b.build(dc)
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

func (b *Bench) build(c DeviceConfig) (*device, error) {
	d := &device{name: c.Name, board: board.New(c.PTY, c.Baud, b.tape.Recorder(c.Name))}
	var err error
	if c.Scanner != nil {
		d.kind = KindScanner
		d.scanner, err = scanner.New(*c.Scanner, b.tape.Recorder(c.Name))
		return d, err
	}
	d.kind = KindTurnstile
	d.turnstile, err = turnstile.New(*c.Turnstile, b.tape.Recorder(c.Name))
	return d, err
}

// Run keeps everything going until ctx is done or a part fails. Links are gone when it returns.
func (b *Bench) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	start := func(run func(context.Context) error) {
		all.Go(func() {
			if err := run(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
				cancel()
			}
		})
	}
	for _, d := range b.order {
		b.log.Info("device", "name", d.name, "kind", d.kind, "pty", d.board.State().Path)
		start(func(ctx context.Context) error { return d.board.Run(ctx, d.firmware()) })
		if d.turnstile != nil {
			start(d.turnstile.Run)
		}
	}
	if b.wan != nil {
		b.log.Info("wan", "listen", b.wan.State().Listen, "target", b.wan.State().Target)
		start(b.wan.Run)
	}
	<-ctx.Done()
	all.Wait()
	return failed
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
	return d.board, nil
}

// Scanner finds a scanner.
func (b *Bench) Scanner(name string) (*scanner.Scanner, error) {
	d, err := b.find(name)
	if err != nil {
		return nil, err
	}
	if d.scanner == nil {
		return nil, fmt.Errorf("%w: %q is a %s", ErrKind, name, d.kind)
	}
	return d.scanner, nil
}

// Turnstile finds a turnstile.
func (b *Bench) Turnstile(name string) (*turnstile.Turnstile, error) {
	d, err := b.find(name)
	if err != nil {
		return nil, err
	}
	if d.turnstile == nil {
		return nil, fmt.Errorf("%w: %q is a %s", ErrKind, name, d.kind)
	}
	return d.turnstile, nil
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

// A Device is how one device is at the moment.
type Device struct {
	Name      string           `json:"name"`
	Kind      string           `json:"kind"`
	Line      board.State      `json:"line"`
	Scanner   *scanner.State   `json:"scanner,omitempty"`
	Turnstile *turnstile.State `json:"turnstile,omitempty"`
}

// Devices reports all devices in the order of the configuration.
func (b *Bench) Devices() []Device {
	list := make([]Device, 0, len(b.order))
	for _, d := range b.order {
		s := Device{Name: d.name, Kind: d.kind, Line: d.board.State()}
		if d.scanner != nil {
			st := d.scanner.State()
			s.Scanner = &st
		} else {
			st := d.turnstile.State()
			s.Turnstile = &st
		}
		list = append(list, s)
	}
	return list
}
