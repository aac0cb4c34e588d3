package relaygate

import (
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/permits"
)

// behind is how soon after a passage another one is somebody who followed.
const behind = 3 * time.Second

// apply draws the conclusions from a good poll. bits are the inputs.
func (s *session) apply(now time.Time, bits []bool) {
	s.seenAt = now
	debounce := ms(s.set.DebounceMs)
	s.fire.see(bits, now, debounce)
	if s.alarm.see(bits, now, debounce) {
		s.alarmKind = drivers.AlarmForced
		if s.permit != nil || s.followed(now, 0) || s.followed(now, 1) {
			s.alarmKind = drivers.AlarmTailgate
		}
	}
	for side := range s.passed {
		if s.passed[side].see(bits, now, debounce) {
			s.count(now, side)
		}
	}
	s.follow(now)
	s.raiseAll(now)
}

func (s *session) followed(now time.Time, side int) bool {
	return !s.passedAt[side].IsZero() && now.Sub(s.passedAt[side]) < behind
}

// count takes somebody who has passed.
func (s *session) count(now time.Time, side int) {
	s.gate.counts[side]++
	switch {
	case s.fire.active: // the gate stands open
	case s.permit != nil && permits.Side(s.permit.Direction) == side:
		s.finish(now, drivers.Passed)
	case s.followed(now, side):
		s.tailgate.See(now, "somebody followed on a permit that was used")
	case now.Before(s.void):
		s.forced.See(now, "passed on a permit that was not acknowledged")
	case !s.relays[side].foreign:
		s.forced.See(now, "passed without a permit")
	}
}

// raiseAll raises and clears the alarms.
func (s *session) raiseAll(now time.Time) {
	raise := func(kind drivers.AlarmKind, on bool, note string) { s.gate.raised.Raise(s.emit, kind, on, note) }
	sign := func(kind drivers.AlarmKind, sign *permits.Sign) {
		own := s.alarm.active && s.alarmKind == kind
		note := sign.Note
		if own && !sign.Lasts(now) {
			note = "the gate's own alarm"
		}
		raise(kind, own || sign.Lasts(now), note)
	}
	sign(drivers.AlarmForced, &s.forced)
	sign(drivers.AlarmTailgate, &s.tailgate)
	raise(drivers.AlarmFire, s.fire.active, "fire input")
	var stays, foreign string
	for _, r := range s.relays {
		if r.stays {
			stays = staysOn(r.channel)
		}
		if r.foreign {
			foreign = fmt.Sprintf("relay %d is switched on by somebody else", r.channel)
		}
	}
	raise(drivers.AlarmFault, stays != "", stays)
	raise(drivers.AlarmFree, foreign != "", foreign)
}
