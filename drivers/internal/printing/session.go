package printing

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

// How a session sends and judges.
const (
	// pieceSize and pieceTime bound one Write, so that what the printer says meanwhile is heard.
	pieceSize = 1024
	pieceTime = 100 * time.Millisecond
	// lostAfter is how many inquiries in a row stay unanswered before a printer counts as lost.
	lostAfter = 2
	// noiseShare: more than one bad frame for so many good ones is worth a look at the line.
	noiseShare = 4
)

// Errors that Send and Await return besides those of the port and the context.
var (
	// ErrStalled is returned by Send when the printer takes no more bytes.
	ErrStalled = fmt.Errorf("printing: the printer takes no more data: %w", drivers.ErrNoAnswer)
	// ErrStopped is returned by Send and Await when the language's own check said stop.
	ErrStopped = errors.New("printing: stopped")
)

// A Session is one run over a port. Send and Await may be used by a Language in Inquire and Print only.
type Session struct {
	dev      *Device
	port     port.Port
	emit     func(drivers.Event)
	vitals   *vitals.Tracker
	commands chan *command
	ended    chan struct{}

	in     chan []byte   // what arrived
	failed chan struct{} // closed when reading has ended
	err    error         // of reading, after failed

	told      drivers.PrinterStatus // as last emitted
	toldAny   bool
	silent    int // inquiries in a row without an answer
	glyphs    int // characters of the last ticket that the fonts do not have
	good, bad int // frames since the last inquiry
	nextPoll  time.Time
	stop      chan struct{} // closed when the session ends: the reader must not hang
}

func newSession(d *Device, p port.Port, emit func(drivers.Event)) *Session {
	return &Session{
		dev: d, port: p, emit: emit, vitals: vitals.New(emit), commands: make(chan *command),
		ended: make(chan struct{}), in: make(chan []byte), failed: make(chan struct{}), stop: make(chan struct{}),
	}
}

// run inquires and prints until ctx is done or the port fails.
func (s *Session) run(parent context.Context) error {
	ctx, cancel := context.WithCancel(parent)
	release := wake.OnDone(ctx, s.port)
	defer release()
	go s.read(ctx)
	defer func() {
		cancel() // wakes the reader
		close(s.stop)
		<-s.failed
	}()
	s.dev.language.Reset()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.failed:
			return s.err
		case p := <-s.in:
			s.take(p)
		case c := <-s.commands:
			err = s.obey(ctx, c)
		case <-timer.C:
			err = s.inquire(ctx)
		}
		if err != nil {
			return err
		}
		s.tell()
		timer.Reset(time.Until(s.due()))
	}
}

// due is when the timer must ring: for an inquiry, or for a health report that waits.
func (s *Session) due() time.Time {
	if at, ok := s.vitals.Due(); ok && at.Before(s.nextPoll) {
		return at
	}
	return s.nextPoll
}

// read hands over what arrives until the port fails or ctx ends.
func (s *Session) read(ctx context.Context) {
	defer close(s.failed)
	if s.err = s.port.SetReadDeadline(time.Time{}); s.err != nil {
		return
	}
	if s.err = ctx.Err(); s.err != nil { // wake.OnDone may have come before the deadline was removed
		return
	}
	for {
		buf := make([]byte, 512)
		n, err := s.port.Read(buf)
		if n > 0 {
			select {
			case s.in <- buf[:n]:
			case <-s.stop:
			}
		}
		if err != nil {
			s.err = fmt.Errorf("read: %w", err)
			return
		}
	}
}

func (s *Session) take(p []byte) {
	now := time.Now()
	good, bad := s.dev.language.Take(p, now)
	for range good {
		s.vitals.Good(now)
	}
	for range bad {
		s.vitals.Bad()
	}
	s.good, s.bad = s.good+good, s.bad+bad
}

// inquire asks how the printer is when that is due.
func (s *Session) inquire(ctx context.Context) error {
	now := time.Now()
	if now.Before(s.nextPoll) {
		return nil
	}
	err := s.dev.language.Inquire(ctx, s)
	s.nextPoll = now.Add(s.dev.poll)
	switch {
	case err == nil:
		s.silent = 0
	case errors.Is(err, drivers.ErrNoAnswer):
		s.silent++
		s.vitals.Bad()
	default:
		return err
	}
	s.judge()
	s.good, s.bad = 0, 0
	return nil
}

// judge draws the health from the status.
func (s *Session) judge() {
	st := s.dev.language.Status()
	s.vitals.Firmware(s.dev.language.Firmware())
	switch {
	case s.silent >= lostAfter:
		s.vitals.Set(drivers.StateLost, "no answer")
	case s.silent > 0:
		s.vitals.Set(drivers.StateAttention, "no answer")
	case !Ready(st):
		s.vitals.Set(drivers.StateAttention, Describe(st))
	case st.Paper == drivers.LevelLow || st.Ribbon == drivers.LevelLow:
		s.vitals.Set(drivers.StateAttention, Describe(st))
	case s.glyphs > 0: // not which: they may be of a name
		s.vitals.Set(drivers.StateAttention, fmt.Sprintf("the last ticket had %d characters that the fonts do not have", s.glyphs))
	case s.bad > s.good/noiseShare:
		s.vitals.Set(drivers.StateAttention, "noise on the line: check speed, parity and cable")
	default:
		s.vitals.Set(drivers.StateOK, "")
	}
}

// tell emits what has changed.
func (s *Session) tell() {
	st := s.dev.language.Status()
	if s.silent > 0 {
		st.Online = false
	}
	if (!s.toldAny && s.vitals.State() != "") || s.toldAny && st != s.told {
		s.told, s.toldAny = st, true
		s.emit(st)
		if s.silent == 0 {
			s.judge()
		}
	}
	s.vitals.Flush(time.Now())
}

// Ready reports whether a printer with this status can print.
func Ready(st drivers.PrinterStatus) bool {
	return st.Online && st.Paper != drivers.LevelOut && st.Ribbon != drivers.LevelOut && !st.Cover && !st.Cutter && !st.Error
}

// Describe says what is wrong, in short.
func Describe(st drivers.PrinterStatus) string {
	switch {
	case st.Cover:
		return "cover is open"
	case st.Paper == drivers.LevelOut:
		return "paper is out"
	case st.Ribbon == drivers.LevelOut:
		return "ribbon is out"
	case st.Cutter:
		return "cutter is jammed"
	case st.Error:
		return "error: " + st.Note
	case !st.Online:
		return "offline"
	case st.Paper == drivers.LevelLow:
		return "paper is low"
	case st.Ribbon == drivers.LevelLow:
		return "ribbon is low"
	}
	return ""
}

// Send writes data piece by piece, listening in between. check, if not nil, is asked before each piece:
// hold says that the printer wants no bytes for now, an error ends the sending. It returns how many bytes
// went out, and ErrStalled when none did for the given time.
func (s *Session) Send(ctx context.Context, data []byte, stall time.Duration, check func() (hold bool, err error)) (sent int, err error) {
	last := time.Now()
	for sent < len(data) {
		if err := s.listen(ctx); err != nil {
			return sent, err
		}
		hold := false
		if check != nil {
			if hold, err = check(); err != nil {
				return sent, err
			}
		}
		n := 0
		if hold {
			err = s.Await(ctx, pieceTime, func() bool { return false })
		} else {
			n, err = s.write(ctx, data[sent:min(sent+pieceSize, len(data))])
		}
		if sent += n; n > 0 {
			last = time.Now()
		}
		switch {
		case err != nil && !errors.Is(err, drivers.ErrNoAnswer) && !errors.Is(err, os.ErrDeadlineExceeded):
			return sent, err
		case time.Since(last) > stall:
			return sent, ErrStalled
		}
	}
	return sent, nil
}

func (s *Session) write(ctx context.Context, p []byte) (int, error) {
	if err := s.port.SetWriteDeadline(time.Now().Add(pieceTime)); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.port.Write(p)
	if err != nil {
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		return n, fmt.Errorf("write: %w", err)
	}
	return n, nil
}

// listen takes what has arrived, without waiting.
func (s *Session) listen(ctx context.Context) error {
	for {
		select {
		case p := <-s.in:
			s.take(p)
			s.tell()
		case <-s.failed:
			return s.err
		case <-ctx.Done():
			return ctx.Err()
		default:
			return nil
		}
	}
}

// Await listens until done is true, and returns drivers.ErrNoAnswer when it is not within the time.
func (s *Session) Await(ctx context.Context, within time.Duration, done func() bool) error {
	late := time.NewTimer(within)
	defer late.Stop()
	for !done() {
		select {
		case p := <-s.in:
			s.take(p)
			s.tell()
		case <-s.failed:
			return s.err
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			if done() {
				return nil
			}
			return drivers.ErrNoAnswer
		}
	}
	return nil
}

// obey prints one ticket. It returns an error only where the run must end.
func (s *Session) obey(run context.Context, c *command) error {
	ctx, cancel := context.WithCancel(run)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	c.proof, c.err = s.print(ctx, c)
	if c.ctx.Err() != nil && errors.Is(c.err, context.Canceled) {
		c.err = c.ctx.Err()
	}
	var end error
	select {
	case <-s.failed:
		end = s.err
	default:
		if errors.Is(c.err, port.ErrGone) || errors.Is(c.err, os.ErrClosed) {
			end = c.err
		}
	}
	if c.err != nil && (end != nil || run.Err() != nil) {
		c.err = fmt.Errorf("%w: %w", drivers.ErrNotRunning, c.err)
	}
	s.nextPoll = time.Now()
	close(c.done)
	if end == nil {
		end = run.Err()
	}
	return end
}

func (s *Session) print(ctx context.Context, c *command) (drivers.Proof, error) {
	if err := ctx.Err(); err != nil {
		return drivers.NotPrinted, err
	}
	if err := s.dev.language.Inquire(ctx, s); err != nil {
		return drivers.NotPrinted, fmt.Errorf("before printing: %w", err)
	}
	s.silent = 0
	s.judge()
	s.tell()
	if st := s.dev.language.Status(); !Ready(st) {
		return drivers.NotPrinted, fmt.Errorf("%w: %s", drivers.ErrNotReady, Describe(st))
	}
	if !s.dev.remember(c.serial) {
		return drivers.NotPrinted, ErrRepeated
	}
	s.glyphs = len(c.report.Missing)
	proof, err := s.dev.language.Print(ctx, s, c.dots)
	if proof == drivers.NotPrinted {
		s.dev.forget(c.serial)
	}
	return proof, err
}
