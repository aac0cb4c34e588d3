// Package clock is the station's clock: the machine's, corrected by the offset measured to the cloud,
// with the rule that says whether it may be trusted. It must not know who asks.
package clock

import (
	"math"
	"sync"
	"time"
)

// trustAfter is how long after the last journalled time an unmeasured clock is still believed
// (sync.md section 8): after a restart without the cloud this bound is all there is.
const trustAfter = 12 * time.Hour

// A Clock is safe for concurrent use.
type Clock struct {
	mu       sync.Mutex
	wall     func() time.Time
	offset   time.Duration
	measured bool      // the cloud or an operator has set it since the process began
	floor    time.Time // last time known to have passed
}

// New returns a clock whose last journalled time is floorMs (Unix milliseconds, 0 for none), reading
// wall; nil means the machine's clock.
func New(floorMs int64, wall func() time.Time) *Clock {
	if wall == nil {
		wall = time.Now
	}
	c := &Clock{wall: wall}
	if floorMs != 0 {
		c.floor = time.UnixMilli(floorMs)
	}
	return c
}

// Floor raises the last time known to have passed, Unix milliseconds.
func (c *Clock) Floor(ms int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := time.UnixMilli(ms); at.After(c.floor) {
		c.floor = at
	}
}

// Measured sets the offset: cloudMs is the cloud's clock in the middle between sent and got, both read
// from this machine. It returns the change of the offset.
func (c *Clock) Measured(cloudMs int64, sent, got time.Time) (change time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	middle := sent.Add(got.Sub(sent) / 2)
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
	now := c.wall().Add(c.offset)
	trusted = c.measured || !c.floor.IsZero() && !now.Before(c.floor) && now.Before(c.floor.Add(trustAfter))
	if !trusted && !c.floor.IsZero() {
		now = c.floor // what is journalled now must not move the floor of the next start to where it is trusted
	}
	// A machine that starts in 1970 is further off than the journal's 32 bits can say.
	offset := min(max(c.offset.Milliseconds(), math.MinInt32), math.MaxInt32)
	return now.UnixMilli(), int32(offset), trusted
}
