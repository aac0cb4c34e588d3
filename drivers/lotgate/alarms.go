package lotgate

import (
	"fmt"
	"time"

	"yipiao/drivers"
)

const (
	// freePassage in a permit register lets everybody through.
	freePassage = 0xFFFF
	// forcedHold is how long a forced passage stays an alarm after the last sign of it.
	forcedHold = 3 * time.Second
	// behind is how soon after a passage another count is somebody who followed.
	behind = 3 * time.Second
	// leaveWithin is how long a sensor may still see somebody whose passage has ended.
	leaveWithin = 10 * time.Second
)

// forced is what points to somebody without a permit.
type forced struct {
	at    time.Time // last sign; zero = none
	note  string
	until time.Time // a body in the lane is excused until then: it belongs to a passage that has ended
}

func (f *forced) by(now time.Time, note string) { f.at, f.note = now, note }

func (f *forced) lasts(now time.Time) bool { return !f.at.IsZero() && now.Sub(f.at) < forcedHold }

// freeNote says which direction somebody has switched to free passage.
func freeNote(st Status) string {
	switch entry, exit := st.Permits[0] == freePassage, st.Permits[1] == freePassage; {
	case entry && exit:
		return "entry and exit are free"
	case entry:
		return "entry is free"
	}
	return "exit is free"
}

// watch compares two polls for signs of somebody without a permit. ours is the permit that was open
// between them; its own direction is judged by follow.
func (s *session) watch(now time.Time, prev, st Status, ours *openPermit) {
	if s.mode == AntiPanic {
		return // the gate stands open
	}
	permitted := ours != nil
	for at := range st.Counts {
		permitted = permitted || prev.Permits[at] != 0 || st.Permits[at] != 0
		n, back := advance(prev.Counts[at], st.Counts[at])
		if n == 0 || back || prev.Permits[at] != 0 || ours != nil && side(ours.Direction) == at {
			continue
		}
		s.uninvited(now, at)
	}
	body := st.Body[0] || st.Body[1]
	switch {
	case permitted:
		s.forced.until = now.Add(leaveWithin)
	case !body:
		s.forced.until = time.Time{}
	case now.After(s.forced.until):
		s.forced.by(now, "body in the lane without a permit")
	}
}

// uninvited judges a count without a permit by what was before it.
func (s *session) uninvited(now time.Time, at int) {
	if last := s.passedAt[at]; !last.IsZero() && now.Sub(last) < behind {
		s.tailgate.by(now, "somebody followed on a permit that was used")
		return
	}
	s.forced.by(now, "count without a permit")
}

// raiseAll raises and clears the alarms.
func (s *session) raiseAll(now time.Time, st Status) {
	s.raise(drivers.AlarmForced, s.forced.lasts(now), s.forced.note)
	s.raise(drivers.AlarmTailgate, s.tailgate.lasts(now), s.tailgate.note)
	s.raise(drivers.AlarmFree, st.Permits[0] == freePassage || st.Permits[1] == freePassage, freeNote(st))
	s.raise(drivers.AlarmFire, s.mode == AntiPanic, "anti-panic")
	fault := ""
	switch {
	case st.Errors != 0:
		fault = fmt.Sprintf("error bits %#04x", st.Errors)
	case s.mode == Blocked:
		fault = "blocked"
	}
	s.raise(drivers.AlarmFault, fault != "", fault)
}

// raise tells an alarm that has changed. What was on when an earlier run ended is remembered, so that
// it is cleared by this one.
func (s *session) raise(kind drivers.AlarmKind, on bool, note string) {
	told, was := s.gate.raised[kind]
	switch {
	case on && (!was || told != note):
		s.gate.raised[kind] = note
		s.emit(drivers.Alarm{Kind: kind, On: true, Note: note})
	case !on && was:
		delete(s.gate.raised, kind)
		s.emit(drivers.Alarm{Kind: kind})
	}
}
