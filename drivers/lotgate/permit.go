package lotgate

import (
	"context"
	"time"

	"yipiao/drivers"
)

const (
	// confirmPolls is how many polls in a row must agree before a permit counts as lapsed, or a count
	// as made without it: the gate need not change its registers all at once.
	confirmPolls = 2
	// overdue is how long after its own time a permit that does not end is ended.
	overdue = 20 * time.Second
)

// An openPermit is a permit that the gate has acknowledged and that has not ended.
type openPermit struct {
	drivers.Permit
	base    uint32    // counter of the direction before it
	shut    int       // polls in a row which found it closed, nobody counted and nobody in the lane
	odd     int       // polls in a row which found it open and somebody counted
	endless time.Time // it should have ended long ago
}

// track begins to follow a permit.
func (s *session) track(p drivers.Permit, base uint32) {
	now := time.Now()
	s.permit = &openPermit{Permit: p, base: base, endless: now.Add(p.For + overdue)}
	s.nextPoll = now.Add(s.interval())
}

// follow looks at what has become of the open permit.
func (s *session) follow(now time.Time, st Status) {
	p := s.permit
	if p == nil {
		return
	}
	at := side(p.Direction)
	open, count := st.Permits[at] != 0, st.Counts[at]
	if st.Permits[at] == freePassage { // somebody's key has taken it over: a count tells nothing of our person
		s.finish(drivers.Unknown, count)
		return
	}
	n, back := advance(p.base, count)
	if back { // the counter was set back, by a repair or a power cut
		p.base, n = count, 0
	}
	if n > 0 && open {
		if p.odd++; p.odd < confirmPolls {
			return
		}
		s.forced.by(now, "count while the permit stayed open") // somebody else: the permit is still there
		p.base = count
	}
	p.odd = 0
	switch {
	case n > 0 && !open:
		s.finish(drivers.Passed, count)
		if n > 1 {
			s.tailgate.by(now, "more than one count for a permit")
		}
	case open || st.Body[at]: // not yet, or on the way through
		p.shut = 0
	default:
		if p.shut++; p.shut >= confirmPolls {
			s.finish(drivers.Lapsed, count)
		}
	}
}

// finish ends the open permit.
func (s *session) finish(o drivers.PassageOutcome, count uint32) {
	id, at := s.permit.ID, side(s.permit.Direction)
	s.permit = nil
	if o == drivers.Passed {
		s.passedAt[at] = time.Now()
	}
	s.emit(drivers.Passage{Permit: id, Outcome: o, Count: count})
}

// expire ends a permit that the gate does not end, so that a broken sensor cannot hold the lane for ever.
func (s *session) expire(ctx context.Context, now time.Time) error {
	if s.permit == nil || now.Before(s.permit.endless) {
		return nil
	}
	if err := s.close(ctx, s.permit.Direction); err != nil {
		return err
	}
	s.finish(drivers.Lapsed, s.status.Counts[side(s.permit.Direction)])
	return nil
}
