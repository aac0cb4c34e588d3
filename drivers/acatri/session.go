package acatri

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/permits"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/internal/wake"
	"yipiao/drivers/port"
)

const (
	// listenEvery is how often the line is looked at. The tripod sends nothing, but a line that has died is noticed.
	listenEvery = 500 * time.Millisecond
	// glance is how long it is: a read whose deadline has passed would not look at all.
	glance = time.Millisecond
	// fewReads bounds the reads of a line that is never silent.
	fewReads = 8
	// sendWithin bounds a write.
	sendWithin = 500 * time.Millisecond
	// blind is all that can be said of a tripod that works.
	blind = "no feedback: whether it works cannot be seen"
)

// A session is one run over a port. It belongs to the goroutine of Run.
type session struct {
	set    Settings
	p      port.Port
	line   port.Turns // nil for a line of its own
	emit   func(drivers.Event)
	vitals *vitals.Tracker

	permit *drivers.Permit
	left   bool      // who asked for the permit has gone and hears nothing of it
	until  time.Time // the open permit is over
	listen time.Time // when the line is looked at next
}

func newSession(set Settings, p port.Port, emit func(drivers.Event)) *session {
	line, _ := p.(port.Turns)
	return &session{set: set, p: p, line: line, emit: emit, vitals: vitals.New(emit)}
}

// run listens and obeys until ctx is done or the port fails.
func (s *session) run(ctx context.Context, commands <-chan *permits.Command) error {
	release := wake.OnDone(ctx, s.p)
	defer release()
	s.vitals.Set(drivers.StateOK, blind)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-commands:
			err = s.obey(ctx, c)
		case <-timer.C:
			err = s.tick(ctx, time.Now())
		}
		if err != nil {
			return err
		}
		s.vitals.Flush(time.Now())
		next := s.listen
		if s.permit != nil && s.until.Before(next) {
			next = s.until
		}
		timer.Reset(time.Until(next))
	}
}

// tick ends the permit whose time is over, and looks at the line.
func (s *session) tick(ctx context.Context, now time.Time) error {
	if s.permit != nil && !now.Before(s.until) {
		id := s.permit.ID
		s.permit = nil
		if !s.left {
			s.emit(drivers.Passage{Permit: id, Outcome: drivers.Unknown})
		}
	}
	if now.Before(s.listen) {
		return nil
	}
	s.listen = now.Add(listenEvery)
	return s.hear(ctx)
}

// turn waits until the line is this device's.
func (s *session) turn(ctx context.Context, urgent bool) (done func(), err error) {
	if s.line == nil {
		return func() {}, nil
	}
	return s.line.Turn(ctx, urgent)
}

// hear reads what should not be there.
func (s *session) hear(ctx context.Context) error {
	done, err := s.turn(ctx, false)
	if err != nil {
		return err
	}
	defer done()
	var buf [512]byte
	for range fewReads {
		if err := s.p.SetReadDeadline(time.Now().Add(glance)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := s.p.Read(buf[:])
		if n > 0 && s.line == nil {
			s.vitals.Bad()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// obey carries out one permit. The error is one that ends Run.
func (s *session) obey(ctx context.Context, c *permits.Command) error {
	if s.permit != nil {
		c.Finish(drivers.Counters{}, drivers.ErrPermitOpen)
		return nil
	}
	p := c.Permit
	fatal, err := s.send(ctx, c)
	told := c.Finish(drivers.Counters{}, err)
	if err == nil { // nothing takes it back: until it is over, the next has to wait
		s.permit, s.left = &p, !told
		s.until = time.Now().Add(max(p.For, time.Duration(s.set.OpenS)*time.Second))
	}
	return fatal
}

// send writes the command for a permit. fatal is an error that ends Run.
func (s *session) send(ctx context.Context, c *permits.Command) (fatal, err error) {
	done, err := s.turn(ctx, true)
	if err != nil {
		return err, fmt.Errorf("%w: %w", drivers.ErrNoAnswer, err)
	}
	defer done()
	if err := s.p.SetWriteDeadline(time.Now().Add(sendWithin)); err != nil {
		return err, fmt.Errorf("%w: %w", drivers.ErrNoAnswer, err)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err(), fmt.Errorf("%w: %w", drivers.ErrNoAnswer, ctx.Err())
	case c.Gone() != nil: // others may have had the line meanwhile
		return nil, c.Gone()
	}
	_, err = s.p.Write(AppendCommand(nil, byte(s.set.Address), s.command(c.Permit.Direction)))
	switch {
	case err == nil:
		s.vitals.Set(drivers.StateOK, blind)
		return nil, nil
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
		s.vitals.Bad()
		s.vitals.Set(drivers.StateAttention, "the line takes no bytes")
		return nil, fmt.Errorf("%w: %w", drivers.ErrNoAnswer, err)
	}
	return err, fmt.Errorf("%w: %w", drivers.ErrNoAnswer, err)
}

// command is what opens the tripod in a direction.
func (s *session) command(d drivers.Direction) Command {
	if (d == drivers.Entry) == (s.set.Entry == Left) {
		return LeftOpen
	}
	return RightOpen
}
