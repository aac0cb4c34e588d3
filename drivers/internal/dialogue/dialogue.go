// Package dialogue talks to a device in frames: it cuts them out of what a port delivers, throws away
// what is none, and matches a question with its answer.
//
// It knows ports, deadlines and vitals. It must not know any protocol: that comes as a Cut.
package dialogue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/internal/wake"
	"yipiao/drivers/port"
)

// ErrQuiet is returned when no frame that fits came in time. The line works, as far as is known.
var ErrQuiet = errors.New("no answer in time")

const (
	// glance is the shortest wait for bytes: a read whose deadline has passed would not look at all.
	glance = time.Millisecond
	// lateGrace is the silence asked for after an answer that did not come: it may be on its way.
	lateGrace = 50 * time.Millisecond
	// sendWithin bounds a write; more than any frame takes at 9600 baud.
	sendWithin = 2 * time.Second
	// drainWithin bounds the wait for silence on a line that is never silent.
	drainWithin = 500 * time.Millisecond
	// restAfter is the pause after an answer that did not come.
	restAfter = 200 * time.Millisecond
	// lostAfter is how many turns in a row fail before the device counts as lost.
	lostAfter = 2
)

// A Cut finds the first frame in p. skip is how many bytes before it cannot belong to any frame, size how
// long the frame is, 0 while it is not complete. What lies between skip and the end then has to wait for
// more bytes, and a Cut must not let more than its longest frame wait. It keeps nothing of p.
type Cut[F any] func(p []byte) (f F, skip, size int)

// A Stream is the frames of one open port. It belongs to the goroutine of Run.
type Stream[F any] struct {
	Vitals *vitals.Tracker
	// Gap is the silence after which a frame that has begun will not end any more.
	Gap time.Duration
	// Silence, where set, is given what is left when Gap has passed, whole, and says whether it is a frame;
	// it is for devices that end what they say by falling silent.
	Silence func(p []byte) (F, bool)
	// Aside, where set, takes frames that come while an answer is awaited and are none; it reports which.
	Aside func(F) bool

	p    port.Port
	cut  Cut[F]
	buf  []byte
	last time.Time // when the last byte came
	// silent says that the last look at the line found nothing: a process that was stalled must look
	// before it takes what it has not read yet for silence.
	silent bool
	owed   bool // the last question was not answered
	fails  int  // turns in a row without an answer
	chunk  [2048]byte
}

// New makes the stream of an open port, which it never closes.
func New[F any](p port.Port, emit func(drivers.Event), gap time.Duration, cut Cut[F]) *Stream[F] {
	return &Stream[F]{Vitals: vitals.New(emit), Gap: gap, p: p, cut: cut}
}

// Run takes turns until ctx is done (nil) or the port has failed (its error, wrapped with the driver's
// name). A turn that ends in ErrQuiet makes the device lost in the end; one that succeeds says itself how
// the device is.
func (s *Stream[F]) Run(ctx context.Context, name string, turn func(context.Context) error) error {
	release := wake.OnDone(ctx, s.p)
	defer release()
	for {
		err := turn(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			s.fails = 0
		case errors.Is(err, ErrQuiet):
			if err := s.failed(ctx); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		default:
			return fmt.Errorf("%s: %w", name, err)
		}
		s.Vitals.Flush(time.Now())
	}
}

// failed notes a turn without an answer and rests.
func (s *Stream[F]) failed(ctx context.Context) error {
	s.fails++
	state := drivers.StateAttention
	if s.fails >= lostAfter || s.Vitals.LastGood().IsZero() {
		state = drivers.StateLost
	}
	s.Vitals.Set(state, "no answer")
	s.Vitals.Flush(time.Now())
	if err := s.Pause(ctx, restAfter); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// Next returns the next frame, and tells health meanwhile. It ends with ErrQuiet at the given time (the zero
// time is never), with ctx.Err(), or with the port's error.
func (s *Stream[F]) Next(ctx context.Context, until time.Time) (F, error) {
	var none F
	noisy, late := false, false
	for {
		f, skip, size := s.cut(s.buf)
		if skip > 0 && !noisy {
			noisy = true
			s.Vitals.Bad()
		}
		s.buf = s.buf[skip:]
		if size > 0 {
			s.buf = s.buf[size:]
			return f, nil
		}
		now := time.Now()
		s.Vitals.Flush(now)
		if len(s.buf) > 0 && s.silent && now.Sub(s.last) >= s.Gap {
			f, ok := s.giveUp()
			if ok {
				return f, nil
			}
			if !noisy {
				noisy = true
				s.Vitals.Bad()
			}
			continue
		}
		if late { // and the line has been looked at since
			return none, ErrQuiet
		}
		late = !until.IsZero() && !now.Before(until)
		if err := s.fill(ctx, s.deadline(now, until)); err != nil {
			return none, err
		}
		noisy = noisy && !s.silent // after a silence it is another disturbance
	}
}

// giveUp deals with what has begun and will not end.
func (s *Stream[F]) giveUp() (f F, ok bool) {
	if s.Silence == nil {
		s.buf = s.buf[1:] // what follows the false start may be a frame
		return f, false
	}
	f, ok = s.Silence(s.buf)
	s.buf = s.buf[:0]
	return f, ok
}

// deadline is when Next must look again: at its end, when a frame is given up, or when health is due.
func (s *Stream[F]) deadline(now, until time.Time) time.Time {
	if stale := s.last.Add(s.Gap); len(s.buf) > 0 && (until.IsZero() || stale.Before(until)) {
		until = stale
	}
	if due, ok := s.Vitals.Due(); ok && (until.IsZero() || due.Before(until)) {
		until = due
	}
	if soonest := now.Add(glance); !until.IsZero() && until.Before(soonest) {
		return soonest
	}
	return until
}

// fill reads once. A deadline that passes is no error.
func (s *Stream[F]) fill(ctx context.Context, deadline time.Time) error {
	if err := s.p.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := s.p.Read(s.chunk[:])
	s.silent = n == 0
	if n > 0 {
		s.last = time.Now()
		s.buf = append(s.buf, s.chunk[:n]...)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	}
	return fmt.Errorf("read: %w", err)
}

// Pause lets time pass and throws away what comes meanwhile.
func (s *Stream[F]) Pause(ctx context.Context, d time.Duration) error {
	until := time.Now().Add(d)
	for {
		_, err := s.Next(ctx, until)
		switch {
		case errors.Is(err, ErrQuiet), err == nil && !time.Now().Before(until):
			return nil
		case err != nil:
			return err
		}
	}
}

// hush waits until the line is silent and throws away what came: an answer that was given up on, or noise.
func (s *Stream[F]) hush(ctx context.Context) error {
	wait := glance
	if s.owed {
		wait = lateGrace
	}
	s.owed = false
	for start := time.Now(); time.Since(start) < drainWithin; {
		s.buf = s.buf[:0]
		if err := s.fill(ctx, time.Now().Add(wait)); err != nil {
			return err
		}
		if len(s.buf) == 0 {
			return nil
		}
	}
	s.buf = s.buf[:0]
	return nil
}

// Send writes bytes.
func (s *Stream[F]) Send(ctx context.Context, frame []byte) error {
	if err := s.p.SetWriteDeadline(time.Now().Add(sendWithin)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := s.p.Write(frame)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.owed = true
		return fmt.Errorf("write: %w", ErrQuiet)
	}
	return fmt.Errorf("write: %w", err)
}

// Ask sends a question and returns the first frame that answers it; others go to Aside, or are counted as bad
// and passed over. It counts the exchange for the device's health. After ErrQuiet the question may be asked again.
func (s *Stream[F]) Ask(ctx context.Context, frame []byte, within time.Duration, answers func(F) bool) (F, error) {
	var none F
	if err := s.hush(ctx); err != nil {
		return none, err
	}
	if err := s.Send(ctx, frame); err != nil {
		return none, err
	}
	until := time.Now().Add(within)
	for {
		f, err := s.Next(ctx, until)
		switch {
		case errors.Is(err, ErrQuiet):
			s.owed = true
			s.Vitals.Bad()
			return none, err
		case err != nil:
			return none, err
		case answers(f):
			s.Vitals.Good(time.Now())
			return f, nil
		case s.Aside == nil || !s.Aside(f):
			s.Vitals.Bad()
		}
		if !time.Now().Before(until) { // a device that babbles answers no question
			s.owed = true
			s.Vitals.Bad()
			return none, ErrQuiet
		}
	}
}
