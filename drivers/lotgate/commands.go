package lotgate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/modbus"
)

// laneClears bounds how long Withdraw waits for a body to leave the lane: longer than the time which
// the turnstile gives a person to finish passing.
const laneClears = 15 * time.Second

var (
	// errInLane is returned by Withdraw while somebody stays in the lane.
	errInLane = errors.New("lotgate: somebody stays in the lane")
	// errFree is returned while somebody has switched the direction to free passage, which is not the host's to end.
	errFree = fmt.Errorf("%w: the gate stands in free passage", drivers.ErrRefused)
)

// A command is a Release or a Withdraw on its way through Run.
type command struct {
	ctx       context.Context
	permit    drivers.Permit
	direction drivers.Direction
	release   bool

	done     chan struct{} // closed by finish
	counters drivers.Counters
	err      error

	mu       sync.Mutex // guards the fields below
	finished bool
	left     bool
}

// abandon is called by a caller whose context has ended. It reports false if the result is there already.
func (c *command) abandon() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = !c.finished
	return c.left
}

// finish hands the result to the caller. It reports false if the caller has gone.
func (c *command) finish(counters drivers.Counters, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return false
	}
	c.finished = true
	c.counters, c.err = counters, err
	close(c.done)
	return true
}

// obey carries out one command. The error is one that ends Run; the command's own goes to its caller.
func (s *session) obey(ctx context.Context, c *command) error {
	if c.ctx.Err() != nil {
		c.finish(drivers.Counters{}, c.ctx.Err())
		return nil
	}
	if c.release {
		return s.release(ctx, c)
	}
	counters, err := s.withdraw(ctx, c)
	c.finish(counters, s.verdict(ctx, err))
	return fatal(err)
}

// release opens the gate for one person and tracks the permit if the caller is still there to know.
func (s *session) release(ctx context.Context, c *command) error {
	base, err := s.grant(ctx, c)
	if err != nil {
		c.finish(drivers.Counters{}, s.verdict(ctx, err))
		return fatal(err)
	}
	if c.finish(drivers.Counters{}, nil) {
		s.track(c.permit, base)
		return nil
	}
	return fatal(s.close(ctx, c.direction))
}

// grant writes the permit after making sure that none is open, and returns the counter before it.
func (s *session) grant(ctx context.Context, c *command) (base uint32, err error) {
	if s.permit != nil {
		return 0, drivers.ErrPermitOpen
	}
	s.urgent = true
	defer func() { s.urgent = false }()
	if err := s.makeClosed(ctx, c.direction); err != nil {
		return 0, err
	}
	if s.mode != Normal {
		return 0, fmt.Errorf("%w: %s", drivers.ErrRefused, s.mode)
	}
	if err := s.setStartTime(ctx, c.permit.For); err != nil {
		return 0, err
	}
	at := side(c.direction)
	base = s.status.Counts[at]
	permit := s.write(regPermits+uint16(at), 1, false)
	permit.Still = c.ctx.Err // a caller may leave while others have the line
	_, err = s.line.Do(ctx, permit)
	if modbus.Survivable(err) && !refusal(err) {
		err = s.readBack(ctx, c.direction, base)
	}
	return base, err
}

// makeClosed makes sure that no permit is open in a direction, from the last poll where that is
// recent: nobody else writes to this gate. What was left from earlier is withdrawn and never added to.
func (s *session) makeClosed(ctx context.Context, d drivers.Direction) error {
	if time.Since(s.statusAt) > freshFor {
		if err := s.poll(ctx); err != nil {
			return err
		}
	}
	switch s.status.Permits[side(d)] {
	case 0:
		return nil
	case freePassage:
		return errFree
	}
	if err := s.close(ctx, d); err != nil {
		return err
	}
	if err := s.poll(ctx); err != nil {
		return err
	}
	if s.status.Permits[side(d)] != 0 {
		return fmt.Errorf("%w: a permit of earlier cannot be withdrawn", drivers.ErrRefused)
	}
	return nil
}

// setStartTime sets how long the gate waits for the person, where that differs from what it has.
func (s *session) setStartTime(ctx context.Context, wait time.Duration) error {
	secs := uint16(wait / time.Second)
	if s.startTime == secs {
		return nil
	}
	if _, err := s.line.Do(ctx, s.write(regStartTime, secs, true)); err != nil {
		s.startTime = 0 // not known any more
		return fmt.Errorf("set start time: %w", err)
	}
	s.startTime = secs
	return nil
}

// readBack finds out what became of a permit whose acknowledgement was lost. nil means that the gate
// has it, or had it and somebody went through; otherwise the permit is void and has been withdrawn.
func (s *session) readBack(ctx context.Context, d drivers.Direction, base uint32) error {
	regs, err := s.read(ctx, regPermits, readBackRegs)
	if err == nil {
		var st Status
		if st, err = DecodeStatus(regs); err == nil && taken(st, d, base) {
			return nil
		}
	}
	if f := fatal(err); f != nil {
		return f
	}
	if f := fatal(s.close(ctx, d)); f != nil {
		return f
	}
	return fmt.Errorf("permit not acknowledged: %w", modbus.ErrTimeout)
}

// taken reports whether a status shows that the gate took the permit: it is open, somebody is in the
// lane on it, or it is used up. The next polls tell which.
func taken(st Status, d drivers.Direction, base uint32) bool {
	n, back := advance(base, st.Counts[side(d)])
	return st.Permits[side(d)] != 0 || st.Body[side(d)] || n > 0 && !back
}

// close writes 0 to a permit register. If that is not acknowledged the next contact does it again
// before anything else.
func (s *session) close(ctx context.Context, d drivers.Direction) error {
	_, err := s.line.Do(ctx, s.write(regPermits+uint16(side(d)), 0, true))
	s.mustClose[side(d)] = err != nil
	if err != nil {
		return fmt.Errorf("withdraw permit: %w", err)
	}
	return nil
}

// withdraw closes a direction and returns the counters once nobody is on the way through.
func (s *session) withdraw(ctx context.Context, c *command) (drivers.Counters, error) {
	if err := s.poll(ctx); err != nil {
		return drivers.Counters{}, err
	}
	if s.status.Permits[side(c.direction)] == freePassage {
		return drivers.Counters{}, errFree
	}
	if err := s.close(ctx, c.direction); err != nil {
		return drivers.Counters{}, err
	}
	for giveUp := time.Now().Add(laneClears); ; {
		if err := s.poll(ctx); err != nil {
			return drivers.Counters{}, err
		}
		ours := s.permit != nil && s.permit.Direction == c.direction
		if !ours && !s.status.Body[side(c.direction)] {
			return s.status.Counters(), nil
		}
		if time.Now().After(giveUp) {
			return drivers.Counters{}, errInLane
		}
		if err := s.pause(ctx, c.ctx); err != nil {
			return drivers.Counters{}, err
		}
	}
}

// pause waits for one poll interval.
func (s *session) pause(ctx, caller context.Context) error {
	timer := time.NewTimer(time.Duration(s.gate.set.PollMs) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-caller.Done():
		return caller.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) write(addr, value uint16, repeatable bool) modbus.Request {
	return modbus.Request{
		Unit: s.unit(), Func: modbus.WriteRegisters, Addr: addr, Values: []uint16{value},
		Repeatable: repeatable, Urgent: s.urgent,
	}
}

// verdict is what a caller is told for an error of an exchange.
func (s *session) verdict(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case refusal(err):
		return fmt.Errorf("%w: %w", drivers.ErrRefused, err)
	case modbus.Survivable(err), fatal(err) != nil, ctx.Err() != nil:
		return fmt.Errorf("%w: %w", drivers.ErrNoAnswer, err)
	}
	return err
}

// refusal reports whether the device has answered that it will not.
func refusal(err error) bool {
	var e modbus.Exception
	return errors.As(err, &e)
}

// own are errors which say nothing about the port.
var own = []error{
	drivers.ErrPermitOpen, drivers.ErrRefused, errInLane, errStatus, context.Canceled, context.DeadlineExceeded,
}

// fatal returns err if the port has failed, and nil for everything a run survives.
func fatal(err error) error {
	if err == nil || modbus.Survivable(err) {
		return nil
	}
	for _, e := range own {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}
