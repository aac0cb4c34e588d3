package tpw

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/dialogue"
	"yipiao/drivers/internal/permits"
	"yipiao/drivers/internal/wake"
	"yipiao/drivers/port"
)

const (
	// gap ends a frame that broke off.
	gap = 50 * time.Millisecond
	// freshFor is how old a poll may be for Release to rely on it.
	freshFor = time.Second
	// parametersEvery is how often the board is asked for all it says of itself, while no permit is open: only there
	// are the modes, which somebody at the gate may have changed.
	parametersEvery = 20 * time.Second
	// mostParameters is more than the manual lists.
	mostParameters = 16
	// lostAfter is how many polls in a row fail before the gate counts as lost.
	lostAfter = 2
	// lastWord bounds the write that closes the gate when the station stops.
	lastWord = 200 * time.Millisecond
)

// errRefused is returned when the board answers that it has failed.
var errRefused = fmt.Errorf("%w: command failed", drivers.ErrRefused)

// A session is one run over a port. It belongs to the goroutine of Run.
type session struct {
	gate *Gate
	set  Settings
	emit func(drivers.Event)
	line *dialogue.Stream[Frame]

	seenAt   time.Time // of the last good poll; zero before the first
	paramsAt time.Time
	failures int // polls in a row without an answer
	nextPoll time.Time
	ready    bool // the gate has been closed since it last was silent

	counts    [2]uint32 // by side
	countedAt [2]time.Time
	modes     [2]Mode // as the board said last
	closedAt  time.Time

	permit    *openPermit
	mustClose bool // it may stand open for a permit that is void
	passedAt  [2]time.Time

	forced, tailgate permits.Sign
}

func newSession(g *Gate, p port.Port, emit func(drivers.Event)) *session {
	return &session{
		gate: g, set: g.set, emit: emit, line: dialogue.New(p, emit, gap, cut), modes: [2]Mode{Controlled, Controlled},
	}
}

// run polls and obeys until ctx is done or the port fails.
func (s *session) run(ctx context.Context, p port.Port, commands <-chan *permits.Command) error {
	release := wake.OnDone(ctx, p)
	err := s.loop(ctx, commands)
	release()
	if ctx.Err() != nil && (s.permit != nil || s.mustClose) {
		_ = p.SetWriteDeadline(time.Now().Add(lastWord)) // the last chance: nobody closes it after that
		_, _ = p.Write(AppendFrame(nil, typeModes, byte(Controlled), byte(Controlled)))
	}
	return err
}

func (s *session) loop(ctx context.Context, commands <-chan *permits.Command) error {
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
			started := time.Now()
			err = fatal(s.poll(ctx))
			s.nextPoll = started.Add(s.interval())
		}
		if err != nil {
			return err
		}
		s.line.Vitals.Flush(time.Now())
		timer.Reset(time.Until(s.nextPoll))
	}
}

func (s *session) interval() time.Duration {
	if s.permit != nil && s.failures == 0 {
		return ms(s.set.PollMs)
	}
	return ms(s.set.IdlePollMs)
}

// poll asks the gate how it is and draws the conclusions.
func (s *session) poll(ctx context.Context) error {
	err := s.ask(ctx)
	if err != nil {
		if fatal(err) == nil && ctx.Err() == nil {
			s.silent(err)
		}
		return err
	}
	s.failures = 0
	s.line.Vitals.Set(s.condition())
	return nil
}

func (s *session) ask(ctx context.Context) error {
	if !s.ready || s.mustClose {
		if err := s.close(ctx); err != nil { // an earlier run may have left it open
			return err
		}
		s.ready = true
	}
	now := time.Now()
	if s.permit == nil && now.Sub(s.paramsAt) >= parametersEvery {
		if err := s.switchOn(ctx); err != nil {
			return err
		}
		if err := s.parameters(ctx); err != nil {
			return err
		}
	}
	for side := range s.counts {
		if s.permit != nil && permits.Side(s.permit.Direction) != side && now.Sub(s.countedAt[side]) < ms(s.set.IdlePollMs) {
			continue
		}
		if err := s.count(ctx, side); err != nil {
			return err
		}
	}
	s.seenAt = time.Now()
	s.tell()
	return s.follow(ctx, s.seenAt)
}

// switchOn switches both counters on: whether they are after a power cut the manual does not say.
func (s *session) switchOn(ctx context.Context) error {
	for _, c := range []byte{entryCount, exitCount} {
		if err := s.command(ctx, typeCounting, c); err != nil {
			return fmt.Errorf("switch counter on: %w", err)
		}
	}
	return nil
}

// command sends one and awaits its acknowledgement.
func (s *session) command(ctx context.Context, typ byte, content ...byte) error {
	f, err := s.line.Ask(ctx, AppendFrame(nil, typ, content...), ms(s.set.TimeoutMs), func(f Frame) bool {
		return len(f.Content) == 0 && (f.Type == typeOK || f.Type == typeFail)
	})
	if err == nil && f.Type == typeFail {
		return errRefused
	}
	return err
}

// setModes writes both modes.
func (s *session) setModes(ctx context.Context, entry, exit Mode) error {
	return s.command(ctx, typeModes, byte(entry), byte(exit))
}

// close makes both directions controlled. If that is not acknowledged, it is done again before anything else.
func (s *session) close(ctx context.Context) error {
	err := s.setModes(ctx, Controlled, Controlled)
	if errors.Is(err, dialogue.ErrQuiet) {
		err = s.setModes(ctx, Controlled, Controlled)
	}
	s.mustClose = err != nil
	s.closedAt = time.Now()
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	s.modes = [2]Mode{Controlled, Controlled}
	return nil
}

// count reads one counter.
func (s *session) count(ctx context.Context, side int) error {
	asks, tells := []byte{entrySide, exitSide}[side], []byte{typeCounting, typeExits}[side]
	f, err := s.line.Ask(ctx, AppendFrame(nil, typeCounter, asks), ms(s.set.TimeoutMs), func(f Frame) bool {
		_, ok := f.count()
		return ok && f.Type == tells
	})
	if err != nil {
		return fmt.Errorf("read counter: %w", err)
	}
	n, _ := f.count()
	s.moved(time.Now(), side, n)
	return nil
}

// parameters lets the board tell all about itself.
func (s *session) parameters(ctx context.Context) error {
	within := ms(s.set.TimeoutMs)
	connect := AppendFrame(nil, typeConnect)
	if _, err := s.line.Ask(ctx, connect, within, func(f Frame) bool { return f.Type == typeConnect }); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	ack := connect
	for range mostParameters {
		f, err := s.line.Ask(ctx, ack, within, func(f Frame) bool { return !slices.Contains([]byte{typeConnect, typeOK, typeFail}, f.Type) })
		if errors.Is(err, dialogue.ErrQuiet) {
			break // it has said what it has
		}
		if err != nil {
			return err
		}
		s.parameter(f)
		ack = AppendFrame(nil, typeTaken)
		if f.Type == typeInfrared {
			if err := s.line.Send(ctx, ack); err != nil {
				return err
			}
			break
		}
	}
	s.paramsAt = time.Now()
	return nil
}

func (s *session) parameter(f Frame) {
	switch f.Type {
	case typeVersion:
		s.line.Vitals.Firmware(f.text())
	case typeID:
		s.line.Vitals.Serial(f.text())
	case typeModes:
		if entry, exit, ok := f.modes(); ok {
			s.modes = [2]Mode{entry, exit}
		}
	}
}

// silent notes a poll that failed.
func (s *session) silent(err error) {
	s.failures++
	s.ready = false
	state := drivers.StateAttention
	if s.failures >= lostAfter || s.seenAt.IsZero() {
		state = drivers.StateLost
	}
	note := "no answer"
	if errors.Is(err, errRefused) {
		note = err.Error()
	}
	s.line.Vitals.Set(state, note)
}

// condition is the gate's health after a good poll.
func (s *session) condition() (drivers.State, string) {
	for side, m := range s.modes {
		if m == Forbidden {
			return drivers.StateAttention, []string{"entry", "exit"}[side] + " is forbidden at the gate"
		}
	}
	return drivers.StateOK, ""
}

// fatal returns err if the port has failed, and nil for everything a run survives.
func fatal(err error) error {
	if err == nil || errors.Is(err, dialogue.ErrQuiet) || permits.Own(err) {
		return nil
	}
	return err
}
