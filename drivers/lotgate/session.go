package lotgate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/internal/wake"
	"yipiao/drivers/modbus"
	"yipiao/drivers/port"
)

// How a session polls and when it believes what it sees.
const (
	// freshFor is how old a poll may be for Release to rely on it.
	freshFor = time.Second
	// modeEvery is how often the mode register, which lies apart, is read along.
	modeEvery = 500 * time.Millisecond
	// lostAfter is how many polls in a row fail, repeats included, before the gate counts as lost.
	lostAfter = 2
	// lostPoll is between polls of a lost gate on a line shared with others, whose time they cost.
	lostPoll = 2 * time.Second
)

// errStatus is returned when the status registers make no sense.
var errStatus = errors.New("lotgate: unusable status")

// A session is one run over a port. Everything but commands and ended belongs to the goroutine of Run.
type session struct {
	gate     *Gate
	emit     func(drivers.Event)
	line     *modbus.Client
	shared   bool // the line is
	vitals   *vitals.Tracker
	commands chan *command
	ended    chan struct{}

	status    Status
	statusAt  time.Time // of the last good poll; zero before the first
	mode      Mode
	modeAt    time.Time
	failures  int       // polls in a row without an answer
	nextPoll  time.Time // when the timer polls
	ready     bool      // the gate's own settings have been read since it last was silent
	startTime uint16    // register 0x3011 as far as known; 0 = not known

	urgent    bool // somebody waits at the gate for what is asked now
	permit    *openPermit
	passedAt  [2]time.Time // when the last permit ended in a passage, by side
	mustClose [2]bool      // a withdrawal which was not acknowledged, by side
	forced    forced
	tailgate  forced
}

func newSession(g *Gate, p port.Port, emit func(drivers.Event)) *session {
	s := &session{
		gate: g, emit: emit, vitals: vitals.New(emit),
		commands: make(chan *command), ended: make(chan struct{}),
	}
	_, s.shared = p.(port.Turns)
	s.line = modbus.NewClient(p, modbus.Options{
		Gap:     time.Duration(g.set.GapMs) * time.Millisecond,
		Timeout: time.Duration(g.set.TimeoutMs) * time.Millisecond,
		Observe: s.observe,
	})
	return s
}

// read reads holding registers.
func (s *session) read(ctx context.Context, addr, n uint16) ([]uint16, error) {
	resp, err := s.line.Do(ctx, modbus.Request{
		Unit: s.unit(), Func: modbus.ReadHoldingRegisters, Addr: addr, Count: n, Urgent: s.urgent,
	})
	return resp.Values, err
}

func (s *session) unit() byte { return byte(s.gate.set.Unit) }

// observe counts frames for the gate's health.
func (s *session) observe(err error) {
	if err != nil {
		s.vitals.Bad()
		return
	}
	s.vitals.Good(time.Now())
}

// end lets callers go which have not been heard.
func (s *session) end() { close(s.ended) }

// run polls and obeys until ctx is done or the port fails.
func (s *session) run(ctx context.Context, p port.Port) error {
	release := wake.OnDone(ctx, p)
	defer release()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-s.commands:
			err = fatal(s.obey(ctx, c))
		case <-timer.C:
			err = fatal(s.tick(ctx))
		}
		if err != nil {
			return err
		}
		s.vitals.Flush(time.Now())
		timer.Reset(time.Until(s.nextPoll))
	}
}

// tick is one turn of the timer.
func (s *session) tick(ctx context.Context) error {
	started := time.Now()
	err := s.poll(ctx)
	if err == nil {
		err = s.expire(ctx, started)
	}
	s.nextPoll = started.Add(s.interval())
	return err
}

func (s *session) interval() time.Duration {
	if s.shared && s.failures >= lostAfter {
		return lostPoll
	}
	ms := s.gate.set.IdlePollMs
	if s.permit != nil && s.failures == 0 {
		ms = s.gate.set.PollMs
	}
	return time.Duration(ms) * time.Millisecond
}

// poll asks the gate how it is and draws the conclusions.
func (s *session) poll(ctx context.Context) error {
	st, err := s.ask(ctx)
	now := time.Now()
	if err != nil {
		if fatal(err) == nil && ctx.Err() == nil {
			s.silent(err)
		}
		return err
	}
	s.failures = 0
	s.apply(now, st)
	s.vitals.Set(s.condition())
	return nil
}

// ask reads the status, and the mode where that is due.
func (s *session) ask(ctx context.Context) (Status, error) {
	for _, d := range []drivers.Direction{drivers.Entry, drivers.Exit} {
		if s.mustClose[side(d)] {
			if err := s.close(ctx, d); err != nil {
				return Status{}, err
			}
		}
	}
	regs, err := s.read(ctx, regPermits, statusRegs)
	if err != nil {
		return Status{}, fmt.Errorf("read status: %w", err)
	}
	st, err := DecodeStatus(regs)
	if err != nil {
		return Status{}, fmt.Errorf("%w: %w", errStatus, err)
	}
	if !s.ready {
		if err := s.prepare(ctx); err != nil {
			return Status{}, err
		}
	}
	if time.Since(s.modeAt) >= modeEvery {
		regs, err := s.read(ctx, regMode, 1)
		if err != nil {
			return Status{}, fmt.Errorf("read mode: %w", err)
		}
		s.mode, s.modeAt = Mode(regs[0]), time.Now()
	}
	return st, nil
}

// prepare reads the gate's own settings, which a power cut may have changed, and keeps permits from adding up.
func (s *session) prepare(ctx context.Context) error {
	regs, err := s.read(ctx, regAccumulate, 2)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	s.startTime = regs[1]
	if regs[0] != 0 {
		if _, err := s.line.Do(ctx, s.write(regAccumulate, 0, true)); err != nil {
			return fmt.Errorf("switch accumulation off: %w", err)
		}
	}
	s.ready = true
	return nil
}

// silent notes a poll that failed.
func (s *session) silent(err error) {
	s.failures++
	s.ready = false
	state := drivers.StateAttention
	if s.failures >= lostAfter || s.statusAt.IsZero() {
		state = drivers.StateLost
	}
	note := "no answer"
	if refusal(err) || errors.Is(err, modbus.ErrBadFrame) {
		note = err.Error()
	}
	s.vitals.Set(state, fmt.Sprintf("unit %d: %s", s.unit(), note))
}

// apply draws the conclusions from a status.
func (s *session) apply(now time.Time, st Status) {
	prev, first := s.status, s.statusAt.IsZero()
	s.status, s.statusAt = st, now
	s.gate.setCounters(st.Counters())
	ours := s.permit
	s.follow(now, st)
	if !first {
		s.watch(now, prev, st, ours)
	}
	s.raiseAll(now, st)
}

// condition is the gate's health after a good poll.
func (s *session) condition() (drivers.State, string) {
	switch {
	case s.status.Errors != 0:
		return drivers.StateAttention, fmt.Sprintf("error bits %#04x", s.status.Errors)
	case s.mode != Normal:
		return drivers.StateAttention, s.mode.String()
	}
	for _, d := range []drivers.Direction{drivers.Entry, drivers.Exit} {
		if n := s.status.Permits[side(d)]; n != 0 && n != freePassage && s.permit == nil {
			return drivers.StateAttention, "a permit of earlier is still open"
		}
	}
	return drivers.StateOK, ""
}

// String names a mode.
func (m Mode) String() string {
	switch m {
	case Normal:
		return "normal"
	case Blocked:
		return "blocked"
	case AntiPanic:
		return "anti-panic"
	}
	return fmt.Sprintf("mode %d", uint16(m))
}
