package relaygate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/permits"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/internal/wake"
	"yipiao/drivers/modbus"
	"yipiao/drivers/port"
)

const (
	// freshFor is how old a poll may be for Release to rely on it.
	freshFor = time.Second
	// relaysEvery is how often the relays are read along: somebody else may have switched one.
	relaysEvery = time.Second
	// pulseSlack is how much longer than its time a relay may be on: the boards' timers count tenths of a second.
	pulseSlack = 250 * time.Millisecond
	// trail is how long after a passage the board is still polled as with a permit.
	trail = 1500 * time.Millisecond
	// lostAfter is how many polls in a row fail before the board counts as lost.
	lostAfter = 2
	// lostPoll is between polls of a lost board on a line shared with others, whose time they cost.
	lostPoll = 2 * time.Second
)

// A session is one run over a port. It belongs to the goroutine of Run.
type session struct {
	gate   *Gate
	set    Settings
	emit   func(drivers.Event)
	line   *modbus.Client
	shared bool // the line is
	vitals *vitals.Tracker

	passed      [2]input // by side
	alarm, fire input
	inputs      int // how many are read

	seenAt   time.Time // of the last good poll; zero before the first
	relaysAt time.Time
	failures int // polls in a row without an answer
	nextPoll time.Time
	urgent   bool // somebody waits at the gate for what is asked now

	permit   *openPermit
	void     time.Time // until then the gate may stand open for a pulse that nobody acknowledged
	relays   [2]relay
	passedAt [2]time.Time // when the last permit ended in a passage, by side

	forced, tailgate permits.Sign
	alarmKind        drivers.AlarmKind // what the gate's own alarm is taken for
}

// A relay is what is known of one.
type relay struct {
	channel int
	until   time.Time // its pulse is over; zero = it has been seen off since
	mustOff bool      // it is to be switched off before anything else
	stays   bool      // it is on although its pulse is over
	foreign bool      // it is on, and not by this driver
}

// pulsed reports whether a pulse is under way whose end has to be seen.
func (r *relay) pulsed() bool { return !r.until.IsZero() && !r.stays }

func newSession(g *Gate, p port.Port, emit func(drivers.Event)) *session {
	s := &session{gate: g, set: g.set, emit: emit, vitals: vitals.New(emit), alarmKind: drivers.AlarmForced}
	_, s.shared = p.(port.Turns)
	s.line = modbus.NewClient(p, modbus.Options{Gap: ms(s.set.GapMs), Timeout: ms(s.set.TimeoutMs), Observe: s.observe})
	s.relays[0].channel, s.relays[1].channel = s.set.EntryRelay, s.set.ExitRelay
	for in, channel := range map[*input]int{
		&s.passed[0]: s.set.EntryInput, &s.passed[1]: s.set.ExitInput, &s.alarm: s.set.AlarmInput, &s.fire: s.set.FireInput,
	} {
		in.channel = channel
		s.inputs = max(s.inputs, channel)
		for _, c := range s.set.NormallyClosed {
			in.closed = in.closed || c == channel
		}
	}
	return s
}

func (s *session) unit() byte { return byte(s.set.Unit) }

// observe counts frames for the board's health.
func (s *session) observe(err error) {
	if err != nil {
		s.vitals.Bad()
		return
	}
	s.vitals.Good(time.Now())
}

// run polls and obeys until ctx is done or the port fails.
func (s *session) run(ctx context.Context, p port.Port, commands <-chan *permits.Command) error {
	release := wake.OnDone(ctx, p)
	defer release()
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
			s.overdue(time.Now())
			s.nextPoll = started.Add(s.interval())
		}
		if err != nil {
			return err
		}
		s.vitals.Flush(time.Now())
		timer.Reset(time.Until(s.nextPoll))
	}
}

func (s *session) interval() time.Duration {
	switch {
	case s.shared && s.failures >= lostAfter:
		return lostPoll
	case s.failures == 0 && (s.busy() || s.trailing()):
		return ms(s.set.PollMs)
	}
	return ms(s.set.IdlePollMs)
}

// busy reports whether the next poll decides something.
func (s *session) busy() bool {
	return s.permit != nil || s.passed[0].restless() || s.passed[1].restless() || s.alarm.restless() || s.fire.restless() ||
		s.relays[0].pulsed() || s.relays[1].pulsed()
}

// trailing reports whether somebody may be following: a board counts nothing, so that only a contact shows them.
func (s *session) trailing() bool {
	last := s.passedAt[0]
	if s.passedAt[1].After(last) {
		last = s.passedAt[1]
	}
	return !last.IsZero() && time.Since(last) < trail
}

// poll asks the board how it is and draws the conclusions.
func (s *session) poll(ctx context.Context) error {
	err := s.ask(ctx)
	if err != nil {
		if fatal(err) == nil && ctx.Err() == nil {
			s.silent(err)
		}
		return err
	}
	s.failures = 0
	s.vitals.Set(s.condition())
	return nil
}

func (s *session) ask(ctx context.Context) error {
	if err := s.offs(ctx); err != nil {
		return err
	}
	var bits []bool
	if s.inputs > 0 {
		resp, err := s.do(ctx, reading(s.unit(), modbus.ReadDiscreteInputs, s.inputs))
		if err != nil {
			return fmt.Errorf("read inputs: %w", err)
		}
		bits = resp.Bits
	}
	if now := time.Now(); s.inputs == 0 || s.relaysDue(now) {
		if err := s.readRelays(ctx); err != nil {
			return err
		}
	}
	s.apply(time.Now(), bits)
	return s.offs(ctx) // somebody has passed: the next one needs a permit
}

// offs switches off what must be.
func (s *session) offs(ctx context.Context) error {
	for side := range s.relays {
		if s.relays[side].mustOff {
			if err := s.off(ctx, side); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *session) do(ctx context.Context, req modbus.Request) (modbus.Response, error) {
	req.Urgent = s.urgent
	return s.line.Do(ctx, req)
}

func (s *session) relaysDue(now time.Time) bool {
	for _, r := range s.relays {
		if r.pulsed() && !now.Before(r.until) {
			return true
		}
	}
	return now.Sub(s.relaysAt) >= relaysEvery
}

// readRelays looks which relays are on, and switches off one that stays on after its pulse.
func (s *session) readRelays(ctx context.Context) error {
	resp, err := s.do(ctx, reading(s.unit(), modbus.ReadCoils, max(s.set.EntryRelay, s.set.ExitRelay)))
	if err != nil {
		return fmt.Errorf("read relays: %w", err)
	}
	now := time.Now()
	s.relaysAt = now
	for side := range s.relays {
		r := &s.relays[side]
		on := r.channel != 0 && resp.Bits[r.channel-1]
		switch {
		case !on:
			r.until, r.stays, r.foreign = time.Time{}, false, false
		case r.until.IsZero():
			r.foreign = true
		case !now.Before(r.until):
			r.stays, r.mustOff = true, true
		}
	}
	return nil
}

// off switches a relay off. If that is not acknowledged the next contact does it again before anything else.
func (s *session) off(ctx context.Context, side int) error {
	_, err := s.do(ctx, off(s.unit(), s.relays[side].channel))
	s.relays[side].mustOff = err != nil
	if err != nil {
		return fmt.Errorf("switch relay off: %w", err)
	}
	return nil
}

// silent notes a poll that failed.
func (s *session) silent(err error) {
	s.failures++
	state := drivers.StateAttention
	if s.failures >= lostAfter || s.seenAt.IsZero() {
		state = drivers.StateLost
	}
	note := "no answer"
	if refusal(err) || errors.Is(err, modbus.ErrBadFrame) {
		note = err.Error()
	}
	s.vitals.Set(state, fmt.Sprintf("unit %d: %s", s.unit(), note))
}

// condition is the health after a good poll.
func (s *session) condition() (drivers.State, string) {
	for _, r := range s.relays {
		if r.stays {
			return drivers.StateAttention, staysOn(r.channel)
		}
	}
	if s.fire.active {
		return drivers.StateAttention, "fire"
	}
	return drivers.StateOK, ""
}

func staysOn(channel int) string { return fmt.Sprintf("relay %d stays on after its time", channel) }

// refusal reports whether the board has answered that it will not.
func refusal(err error) bool {
	var e modbus.Exception
	return errors.As(err, &e)
}

// fatal returns err if the port has failed, and nil for everything a run survives.
func fatal(err error) error {
	if err == nil || modbus.Survivable(err) || permits.Own(err) {
		return nil
	}
	return err
}
