// Package clock is the station's clock: the machine's, corrected by the offset measured to the cloud, with the rule
// that says whether it may be trusted, and deaf to whoever sets the machine's clock while the station runs. It must
// not know who asks.
package clock

import (
	"math"
	"sync"
	"time"
)

// trustAfter is how long after the last journalled time an unmeasured clock is still believed
// (sync.md section 8): after a restart without the cloud this bound is all there is.
const trustAfter = 12 * time.Hour

// jumpFrom is how far the machine's clock must have been set to be a jump: below that it is being slewed.
const jumpFrom = time.Second

// A Machine is what a clock reads.
type Machine struct {
	Wall func() time.Time
	// Passed is the time that has passed since some moment, whatever the wall clock was set to meanwhile. It is
	// read for every decision and has to be cheap.
	Passed func() time.Duration
	// Slept is how much time the machine has slept, which Passed leaves out.
	Slept func() time.Duration
	// Synced reports whether NTP keeps the wall clock.
	Synced func() bool
}

// A Clock is safe for concurrent use.
type Clock struct {
	mu       sync.Mutex
	m        Machine
	base     time.Time     // wall clock when Passed was since
	since    time.Duration // see base
	slept    time.Duration // that base knows of
	drift    time.Duration // by which the wall clock was set since, as told by Watch
	offset   time.Duration
	measured bool      // the cloud or an operator has set it since the process began
	synced   bool      // NTP has, since the process began
	floor    time.Time // last time known to have passed
}

// New returns a clock whose last journalled time is floorMs (Unix milliseconds, 0 for none), reading
// wall; nil means the machine's clocks. With a wall of a test's own, time passes as the wall clock says.
func New(floorMs int64, wall func() time.Time) *Clock {
	if wall == nil {
		return NewOn(floorMs, thisMachine())
	}
	from := wall()
	return NewOn(floorMs, Machine{
		Wall: wall, Passed: func() time.Duration { return wall().Sub(from) },
		Slept: func() time.Duration { return 0 }, Synced: func() bool { return false },
	})
}

// NewOn returns a clock on a machine.
func NewOn(floorMs int64, m Machine) *Clock {
	c := &Clock{m: m, base: m.Wall().Round(0), since: m.Passed(), slept: m.Slept(), synced: m.Synced()}
	if floorMs != 0 {
		c.floor = time.UnixMilli(floorMs)
	}
	return c
}

// own is the machine's clock as it would be if nobody had set it. It is called under mu.
func (c *Clock) own() time.Time { return c.base.Add(c.m.Passed() - c.since) }

// Floor raises the last time known to have passed, Unix milliseconds.
func (c *Clock) Floor(ms int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := time.UnixMilli(ms); at.After(c.floor) {
		c.floor = at
	}
}

// Measured sets the offset: cloudMs is the cloud's clock in the middle between sent and got, both read
// from this machine a moment ago. It returns the change of the offset.
func (c *Clock) Measured(cloudMs int64, sent, got time.Time) (change time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	drift := c.m.Wall().Round(0).Sub(c.own())
	middle := sent.Add(got.Sub(sent) / 2).Round(0).Add(-drift)
	offset := time.UnixMilli(cloudMs).Sub(middle).Round(time.Millisecond)
	change = offset - c.offset
	if c.measured && change.Abs() < got.Sub(sent)/2+20*time.Millisecond {
		return 0 // within what the measurement can tell
	}
	c.offset, c.measured = offset, true
	return change
}

// Now returns the corrected time in Unix milliseconds, the offset in it, and whether it may be trusted. A
// time before the last one known to have passed, or long after it, cannot be; that one is returned
// instead.
func (c *Clock) Now() (ms int64, offsetMs int32, trusted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.own().Add(c.offset)
	trusted = c.measured || c.synced || !c.floor.IsZero() && !now.Before(c.floor) && now.Before(c.floor.Add(trustAfter))
	if !trusted && !c.floor.IsZero() {
		now = c.floor // what is journalled now must not move the floor of the next start to where it is trusted
	}
	// A machine that starts in 1970 is further off than the journal's 32 bits can say.
	offset := min(max(c.offset.Milliseconds(), math.MinInt32), math.MaxInt32)
	return now.UnixMilli(), int32(offset), trusted
}

// Watch tells by how much the machine's clock was set since it was last asked, 0 for not; ask it every second or two.
// What was set by hand, or by whatever else, is not followed: nobody is let in or turned away by it. What NTP has set
// is followed where the cloud has not said better, and so is, without a word, the time that the machine has slept.
func (c *Clock) Watch() (by time.Duration, followed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slept := c.m.Slept(); slept-c.slept >= jumpFrom {
		c.base, c.slept = c.base.Add(slept-c.slept), slept
	}
	synced := c.m.Synced()
	drift := c.m.Wall().Round(0).Sub(c.own())
	by = drift - c.drift
	if by.Abs() < jumpFrom {
		by = 0
	}
	if !synced {
		if by != 0 {
			c.drift = drift
		}
		return by, false
	}
	c.synced = true
	if by == 0 && c.drift == 0 {
		return 0, false
	}
	c.base, c.drift = c.base.Add(drift), 0
	if c.measured {
		c.offset -= drift // the cloud's word stands
		return by, false
	}
	return drift, true
}
