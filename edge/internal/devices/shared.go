package devices

import (
	"context"
	"fmt"

	"yipiao/drivers/bus"
	"yipiao/drivers/port"
	"yipiao/drivers/port/serialport"
)

// A shared line is one that several configured devices are on: it is opened once, and each has a view of it.
type shared struct {
	slot  chan struct{} // holds one element while somebody opens
	bus   *bus.Bus      // guarded by slot; nil before the first open
	units []*unit       // set before Run
}

// An open makes a port of a line.
type open func(context.Context, Port) (port.Port, error)

// opener is how a unit gets its port: its own, or a view of the line it shares.
func (u *unit) opener(alone open) open {
	if u.shares == nil {
		return alone
	}
	return func(ctx context.Context, p Port) (port.Port, error) { return u.shares.join(ctx, p, alone) }
}

// join opens the line where it is not open, and returns a view of it.
func (l *shared) join(ctx context.Context, p Port, alone open) (port.Port, error) {
	select {
	case l.slot <- struct{}{}:
		defer func() { <-l.slot }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l.bus != nil {
		if v, ok := l.bus.Join(); ok {
			return v, nil
		}
	}
	line, err := alone(ctx, p)
	if err != nil {
		return nil, err
	}
	opt := bus.Options{}
	if c, ok := p.Line.(serialport.Config); ok {
		opt = bus.At(c.Baud)
	}
	opt.Overbooked = l.crowded
	l.crowded("") // what was said of the line before
	l.bus = bus.New(line, opt)
	v, _ := l.bus.Join()
	return v, nil
}

func (l *shared) crowded(note string) {
	for _, u := range l.units {
		u.crowded(note)
	}
}

// lines are the lines of a configuration and who is on them.
type lines map[string][]claim

// A claim is a device on a line; unit is nil for one that cannot be used.
type claim struct {
	config Config
	unit   *unit
}

// take puts a device on its line. Several may share one that all their kinds can share, with the same settings.
func (l lines) take(c Config, u *unit, bad func(string, error)) {
	field, key := c.Port.key()
	if key == "" {
		return
	}
	others := l[key]
	l[key] = append(others, claim{c, u})
	if len(others) == 0 {
		return
	}
	first := others[0]
	switch {
	case u == nil || first.unit == nil || !u.kind.Bus || !first.unit.kind.Bus:
		bad("port."+field, fmt.Errorf("%s is used by device %s", key, first.config.Name))
		return
	case c.Port.String() != first.config.Port.String():
		bad("port", fmt.Errorf("%s is shared with device %s, which has it as %s", c.Port, first.config.Name, first.config.Port))
		return
	}
	if first.unit.shares == nil {
		first.unit.shares = &shared{slot: make(chan struct{}, 1), units: []*unit{first.unit}}
	}
	u.shares = first.unit.shares
	u.shares.units = append(u.shares.units, u)
}
