package relaygate

import (
	"context"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/permits"
	"yipiao/drivers/modbus"
)

const (
	// finishing is how long after the gate's time a person who has set off may still be counted.
	finishing = 1500 * time.Millisecond
	// overdue is how long after its end a permit on a silent board is given up.
	overdue = 20 * time.Second
	// between is how long a relay is off between two pulses. Not confirmed: what a gate needs to see.
	between = 100 * time.Millisecond
	// reaction is what of a contact's time goes by before two polls have seen it.
	reaction = 100 * time.Millisecond
)

// An openPermit is a permit that the board has acknowledged and that has not ended.
type openPermit struct {
	drivers.Permit
	until time.Time // nobody passes on it after that
	seen  time.Time // of the last good poll
	blind bool      // somebody could have passed unseen: between two polls, or through a gate that stands open
}

// holds reports whether the relay itself holds the gate open, so that switching it off closes it.
func (s *session) holds() bool { return s.set.PulseMs == 0 }

// opensFor is how long the gate lets somebody through after a pulse for a permit.
func (s *session) opensFor(p drivers.Permit) time.Duration {
	if s.holds() {
		return p.For
	}
	return max(p.For, time.Duration(s.set.OpenS)*time.Second)
}

// obey carries out one permit. The error is one that ends Run.
func (s *session) obey(ctx context.Context, c *permits.Command) error {
	if err := c.Gone(); err != nil {
		c.Finish(drivers.Counters{}, err)
		return nil
	}
	s.urgent = true
	defer func() { s.urgent = false }()
	began, err := s.grant(ctx, c)
	if err != nil {
		c.Finish(drivers.Counters{}, s.verdict(ctx, err))
		return fatal(err)
	}
	if !c.Finish(drivers.Counters{}, nil) {
		return fatal(s.takeBack(ctx, c.Permit))
	}
	s.permit = &openPermit{Permit: c.Permit, until: began.Add(s.opensFor(c.Permit) + finishing), seen: time.Now()}
	s.nextPoll = time.Now().Add(s.interval())
	return nil
}

// grant gives the pulse, and returns when.
func (s *session) grant(ctx context.Context, c *permits.Command) (began time.Time, err error) {
	side := permits.Side(c.Permit.Direction)
	r := &s.relays[side]
	switch {
	case s.permit != nil, time.Now().Before(s.void):
		return began, drivers.ErrPermitOpen
	case r.channel == 0:
		return began, fmt.Errorf("%w: no relay for this direction", drivers.ErrRefused)
	}
	if time.Since(s.seenAt) > freshFor || r.mustOff {
		if err := s.poll(ctx); err != nil {
			return began, err
		}
	}
	switch {
	case s.fire.active:
		return began, fmt.Errorf("%w: fire", drivers.ErrRefused)
	case r.foreign:
		return began, fmt.Errorf("%w: the relay is switched on by somebody else", drivers.ErrRefused)
	}
	if err := s.settle(ctx, c, side); err != nil {
		return began, err
	}
	d := ms(s.set.PulseMs)
	if s.holds() {
		d = c.Permit.For
	}
	pulse, err := s.set.Board.Pulse(s.unit(), r.channel, d)
	if err != nil {
		return began, err
	}
	pulse.Still = func() error { // others may have had the line meanwhile
		began = time.Now()
		return c.Gone()
	}
	_, err = s.do(ctx, pulse)
	if err == nil || modbus.Survivable(err) && !refusal(err) {
		r.until = time.Now().Add(d + pulseSlack)
	}
	if err != nil && modbus.Survivable(err) && !refusal(err) {
		err = s.lookBack(ctx, c.Permit)
	}
	return began, err
}

// settle makes sure that the relay is off for long enough before it is switched on: a gate opens for a contact that
// closes, and two pulses that touch are one.
func (s *session) settle(ctx context.Context, c *permits.Command, side int) error {
	if s.relays[side].until.IsZero() {
		return nil
	}
	if err := s.off(ctx, side); err != nil {
		return err
	}
	timer := time.NewTimer(between)
	defer timer.Stop()
	select {
	case <-timer.C:
		return c.Gone()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lookBack finds out what became of a pulse whose acknowledgement was lost: a relay that is on has it. Otherwise the
// permit is void.
func (s *session) lookBack(ctx context.Context, p drivers.Permit) error {
	resp, err := s.do(ctx, reading(s.unit(), modbus.ReadCoils, max(s.set.EntryRelay, s.set.ExitRelay)))
	if err == nil && resp.Bits[s.relays[permits.Side(p.Direction)].channel-1] {
		return nil
	}
	if f := fatal(err); f != nil {
		return f
	}
	if f := fatal(s.takeBack(ctx, p)); f != nil {
		return f
	}
	return fmt.Errorf("pulse not acknowledged: %w", modbus.ErrTimeout)
}

// takeBack switches the relay off. A gate that keeps its own time stays open all the same, for as long as that is.
func (s *session) takeBack(ctx context.Context, p drivers.Permit) error {
	if !s.holds() {
		s.void = time.Now().Add(s.opensFor(p) + finishing)
	}
	return s.off(ctx, permits.Side(p.Direction))
}

// verdict is what a caller is told for an error of an exchange.
func (s *session) verdict(ctx context.Context, err error) error {
	switch {
	case refusal(err):
		return fmt.Errorf("%w: %w", drivers.ErrRefused, err)
	case modbus.Survivable(err), fatal(err) != nil, ctx.Err() != nil:
		return fmt.Errorf("%w: %w", drivers.ErrNoAnswer, err)
	}
	return err
}

// follow ends a permit whose time is over, on a good poll.
func (s *session) follow(now time.Time) {
	p := s.permit
	if p == nil {
		return
	}
	in := &s.passed[permits.Side(p.Direction)]
	if now.Sub(p.seen) > ms(s.set.SignalMs)-reaction || s.fire.active {
		p.blind = true
	}
	p.seen = now
	switch {
	case now.Before(p.until), in.restless():
	case in.channel == 0, p.blind:
		s.finish(now, drivers.Unknown)
	default:
		s.finish(now, drivers.Lapsed)
	}
}

// overdue gives up on the permit of a board that has fallen silent.
func (s *session) overdue(now time.Time) {
	if s.permit != nil && now.After(s.permit.until.Add(overdue)) {
		s.finish(now, drivers.Unknown)
	}
}

// finish ends the open permit.
func (s *session) finish(now time.Time, o drivers.PassageOutcome) {
	p, side := s.permit.Permit, permits.Side(s.permit.Direction)
	s.permit = nil
	if o == drivers.Passed {
		s.passedAt[side] = now
		if s.holds() { // the next person needs a permit of their own
			s.relays[side].mustOff = true
		}
	}
	s.emit(drivers.Passage{Permit: p.ID, Outcome: o, Count: s.gate.counts[side]})
}
