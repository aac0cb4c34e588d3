package tpw

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/dialogue"
	"yipiao/drivers/internal/permits"
)

const (
	// finishing is how long after the gate was told to close somebody who had set off may still be counted.
	finishing = 1500 * time.Millisecond
	// behind is how soon after a passage another count is somebody who followed.
	behind = 3 * time.Second
)

// An openPermit is a permit that the gate has acknowledged and that has not ended.
type openPermit struct {
	drivers.Permit
	base   uint32 // counter of the direction before it
	until  time.Time
	closed bool // its time was over and the gate has been closed
}

// obey carries out a command. The error is one that ends Run.
func (s *session) obey(ctx context.Context, c *permits.Command) error {
	if err := c.Gone(); err != nil {
		c.Finish(drivers.Counters{}, err)
		return nil
	}
	if c.Withdraw {
		counters, err := s.withdraw(ctx, c)
		c.Finish(counters, s.verdict(ctx, err))
		return fatal(err)
	}
	if err := s.grant(ctx, c); err != nil {
		c.Finish(drivers.Counters{}, s.verdict(ctx, err))
		return fatal(err)
	}
	if !c.Finish(drivers.Counters{}, nil) {
		return fatal(s.close(ctx))
	}
	now := time.Now()
	s.permit = &openPermit{Permit: c.Permit, base: s.counts[permits.Side(c.Permit.Direction)], until: now.Add(c.Permit.For)}
	s.tell()
	s.nextPoll = now.Add(s.interval())
	return nil
}

// grant makes a direction free.
func (s *session) grant(ctx context.Context, c *permits.Command) error {
	side := permits.Side(c.Permit.Direction)
	if s.permit != nil {
		return drivers.ErrPermitOpen
	}
	if time.Since(s.seenAt) > freshFor || s.mustClose {
		if err := s.poll(ctx); err != nil {
			return err
		}
	}
	if m := s.modes[side]; m != Controlled {
		return fmt.Errorf("%w: the gate is %s", drivers.ErrRefused, m)
	}
	if err := c.Gone(); err != nil {
		return err
	}
	modes := s.modes
	modes[side] = Free
	err := s.setModes(ctx, modes[0], modes[1])
	if !errors.Is(err, dialogue.ErrQuiet) {
		return err
	}
	// It may be open now.
	if f := fatal(s.close(ctx)); f != nil {
		return f
	}
	return fmt.Errorf("permit not acknowledged: %w", dialogue.ErrQuiet)
}

// withdraw closes the gate and returns the counters once who had set off must be through.
func (s *session) withdraw(ctx context.Context, c *permits.Command) (drivers.Counters, error) {
	side := permits.Side(c.Permit.Direction)
	if s.modes[side] == Free && s.permit == nil {
		return drivers.Counters{}, fmt.Errorf("%w: the gate is free", drivers.ErrRefused)
	}
	if p := s.permit; p != nil && permits.Side(p.Direction) == side && !p.closed {
		if err := s.shut(ctx); err != nil {
			return drivers.Counters{}, err
		}
	}
	for {
		if err := s.poll(ctx); err != nil {
			return drivers.Counters{}, err
		}
		ours := s.permit != nil && permits.Side(s.permit.Direction) == side
		if !ours && time.Since(s.closedAt) >= finishing {
			counters, _ := s.gate.LastCounters()
			return counters, nil
		}
		if err := s.pause(ctx, c); err != nil {
			return drivers.Counters{}, err
		}
	}
}

// pause waits for one poll interval.
func (s *session) pause(ctx context.Context, c *permits.Command) error {
	timer := time.NewTimer(ms(s.set.PollMs))
	defer timer.Stop()
	select {
	case <-timer.C:
		return c.Gone()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// verdict is what a caller is told for an error of an exchange.
func (s *session) verdict(ctx context.Context, err error) error {
	if errors.Is(err, dialogue.ErrQuiet) || fatal(err) != nil || err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", drivers.ErrNoAnswer, err)
	}
	return err
}

// moved takes a counter that has been read.
func (s *session) moved(now time.Time, side int, to uint32) {
	from, first := s.counts[side], s.countedAt[side].IsZero()
	s.counts[side], s.countedAt[side] = to, now
	ours := s.permit != nil && permits.Side(s.permit.Direction) == side
	switch {
	case first || to == from:
	case to < from: // set back: by a reset, or at the end of its digits
		if ours {
			s.permit.base = to
		}
	case ours || s.modes[side] != Controlled:
	case !s.passedAt[side].IsZero() && now.Sub(s.passedAt[side]) < behind:
		s.tailgate.See(now, "somebody followed on a permit that was used")
	default:
		s.forced.See(now, "count without a permit")
	}
}

// shut ends the time of the open permit: the gate closes, and who has set off may still be counted.
func (s *session) shut(ctx context.Context) error {
	if err := s.close(ctx); err != nil {
		return err
	}
	s.permit.closed, s.permit.until = true, time.Now()
	return nil
}

// follow looks at what has become of the open permit, and tells the alarms.
func (s *session) follow(ctx context.Context, now time.Time) error {
	defer s.raiseAll(now)
	p := s.permit
	if p == nil {
		return nil
	}
	n := s.counts[permits.Side(p.Direction)] - p.base
	switch {
	case n > 0:
		if n > 1 {
			s.tailgate.See(now, "more than one count for a permit")
		}
		s.finish(now, drivers.Passed)
		if !p.closed {
			return s.close(ctx)
		}
	case !p.closed && !now.Before(p.until):
		return s.shut(ctx)
	case p.closed && now.Sub(p.until) >= finishing:
		s.finish(now, drivers.Lapsed)
	}
	return nil
}

// finish ends the open permit.
func (s *session) finish(now time.Time, o drivers.PassageOutcome) {
	p := s.permit.Permit
	s.permit = nil
	if o == drivers.Passed {
		s.passedAt[permits.Side(p.Direction)] = now
	}
	s.tell()
	s.emit(drivers.Passage{Permit: p.ID, Outcome: o, Count: s.counts[permits.Side(p.Direction)]})
}

// tell keeps the counters for LastCounters.
func (s *session) tell() {
	c := drivers.Counters{Entry: s.counts[0], Exit: s.counts[1]}
	if s.permit != nil && s.permit.Direction == drivers.Entry {
		c.EntryPermits = 1
	} else if s.permit != nil {
		c.ExitPermits = 1
	}
	s.gate.setCounters(c)
}

// raiseAll raises and clears the alarms.
func (s *session) raiseAll(now time.Time) {
	raise := func(kind drivers.AlarmKind, on bool, note string) { s.gate.raised.Raise(s.emit, kind, on, note) }
	raise(drivers.AlarmForced, s.forced.Lasts(now), s.forced.Note)
	raise(drivers.AlarmTailgate, s.tailgate.Lasts(now), s.tailgate.Note)
	free := ""
	for side, m := range s.modes {
		if m == Free || m == FreeCard {
			free = []string{"entry", "exit"}[side] + " is " + m.String()
		}
	}
	raise(drivers.AlarmFree, free != "", free)
}
