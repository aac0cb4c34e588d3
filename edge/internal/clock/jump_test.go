package clock_test

import (
	"testing"
	"time"

	"yipiao/edge/internal/clock"
)

// A machine has a wall clock that can be set, a time that passes all the same, and NTP or none.
type machine struct {
	wall   time.Time
	passed time.Duration
	slept  time.Duration
	ntp    bool
}

func (m *machine) pass(d time.Duration) { m.wall, m.passed = m.wall.Add(d), m.passed+d }

func (m *machine) clock(floor time.Time) *clock.Clock {
	return clock.NewOn(floor.UnixMilli(), clock.Machine{
		Wall: func() time.Time { return m.wall }, Passed: func() time.Duration { return m.passed },
		Slept: func() time.Duration { return m.slept }, Synced: func() bool { return m.ntp },
	})
}

func is(t *testing.T, what string, c *clock.Clock, want time.Time, trust bool) {
	t.Helper()
	if ms, _, trusted := c.Now(); ms != want.UnixMilli() || trusted != trust {
		t.Errorf("%s: %s, trusted %v; want %s, %v", what, time.UnixMilli(ms).UTC(), trusted, want.UTC(), trust)
	}
}

// TestClock_SetByHandWhileItRuns: a jump is noticed, told once and not followed (sync.md section 8, issue "can
// neither admit a ticket outside its window nor lose one inside it").
func TestClock_SetByHandWhileItRuns(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour, 40 * 24 * time.Hour} {
		m := &machine{wall: base}
		c := m.clock(base)
		m.pass(10 * time.Minute)
		m.wall = m.wall.Add(by)
		is(t, "before anybody looked", c, base.Add(10*time.Minute), true)
		if got, followed := c.Watch(); got != by || followed {
			t.Errorf("Watch: %v, %v; want %v, not followed", got, followed, by)
		}
		m.pass(time.Minute)
		if got, _ := c.Watch(); got != 0 {
			t.Errorf("told again: %v", got)
		}
		is(t, "a minute later", c, base.Add(11*time.Minute), true)
		m.wall = m.wall.Add(-by)
		if got, _ := c.Watch(); got != -by {
			t.Errorf("set back: %v", got)
		}
		is(t, "set back", c, base.Add(11*time.Minute), true)
	}
}

// TestClock_MeasuredAcrossAJump: the cloud's word is right, wherever the machine's clock is.
func TestClock_MeasuredAcrossAJump(t *testing.T) {
	m := &machine{wall: base}
	c := m.clock(base)
	right := base.Add(3 * time.Second)
	c.Measured(right.UnixMilli(), m.wall, m.wall)
	is(t, "measured", c, right, true)
	m.wall = m.wall.Add(2 * time.Hour)
	is(t, "jumped", c, right, true)
	if change := c.Measured(right.UnixMilli(), m.wall, m.wall); change != 0 {
		t.Errorf("the correction changes by %v: the station's own time has not jumped", change)
	}
	is(t, "measured again", c, right, true)
	m.ntp = true
	if by, followed := c.Watch(); by != 2*time.Hour || followed {
		t.Errorf("Watch: %v, %v", by, followed)
	}
	m.pass(time.Minute)
	is(t, "kept by NTP now", c, right.Add(time.Minute), true)
}

// TestClock_NTPSetsItAfterTheStart: a machine without a battery starts in 1970 and is told the time by NTP.
func TestClock_NTPSetsItAfterTheStart(t *testing.T) {
	m := &machine{wall: time.Unix(0, 0)}
	c := m.clock(base)
	is(t, "in 1970", c, base, false)
	m.wall, m.ntp = base.Add(time.Hour), true
	if by, followed := c.Watch(); by != base.Add(time.Hour).Sub(time.Unix(0, 0)) || !followed {
		t.Errorf("Watch: %v, %v", by, followed)
	}
	is(t, "by NTP", c, base.Add(time.Hour), true)
	if by, _ := c.Watch(); by != 0 {
		t.Errorf("told again: %v", by)
	}
	m.ntp = false // the server has gone; the clock was set since the start all the same
	m.pass(time.Hour)
	c.Watch()
	is(t, "NTP gone", c, base.Add(2*time.Hour), true)
}

// TestClock_SleepIsNoJump: a machine that was suspended for an hour is an hour later, and nobody has set its clock.
func TestClock_SleepIsNoJump(t *testing.T) {
	m := &machine{wall: base}
	c := m.clock(base)
	m.wall, m.slept = m.wall.Add(time.Hour), time.Hour
	if by, _ := c.Watch(); by != 0 {
		t.Errorf("Watch: %v", by)
	}
	is(t, "after the sleep", c, base.Add(time.Hour), true)
}

// TestClock_SlewIsNoJump: NTP that pulls the clock gently is followed without a word.
func TestClock_SlewIsNoJump(t *testing.T) {
	m := &machine{wall: base}
	c := m.clock(base)
	m.pass(time.Hour)
	m.wall = m.wall.Add(300 * time.Millisecond)
	if by, _ := c.Watch(); by != 0 {
		t.Errorf("Watch: %v", by)
	}
}

func TestClock_OfThisMachinePasses(t *testing.T) {
	c := clock.New(0, nil)
	a, _, _ := c.Now()
	for {
		if b, _, _ := c.Now(); b > a {
			break
		}
	}
	if by, _ := c.Watch(); by != 0 {
		t.Errorf("jumped by %v", by)
	}
}
