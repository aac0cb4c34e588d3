package clock_test

import (
	"math"
	"testing"
	"time"

	"yipiao/edge/internal/clock"
)

var base = time.Date(2026, 5, 20, 19, 0, 0, 0, time.UTC)

// wall is a machine's clock set by the test.
type wall struct{ at time.Time }

func (w *wall) now() time.Time { return w.at }

func newClock(floor, now time.Time) (*clock.Clock, *wall) {
	w := &wall{at: now}
	ms := int64(0)
	if !floor.IsZero() {
		ms = floor.UnixMilli()
	}
	return clock.New(ms, w.now), w
}

func trusted(c *clock.Clock) bool {
	_, _, ok := c.Now()
	return ok
}

// sync.md section 8, Clock: between the last journalled time and twelve hours after it.
func TestClock_WithoutTheCloudIsTrustedForTwelveHoursAfterTheLastFact(t *testing.T) {
	for _, c := range []struct {
		name string
		off  time.Duration
		want bool
	}{
		{"a year before", -365 * 24 * time.Hour, false},
		{"a millisecond before", -time.Millisecond, false},
		{"the same instant", 0, true},
		{"a millisecond less than twelve hours after", 12*time.Hour - time.Millisecond, true},
		{"twelve hours after", 12 * time.Hour, false},
		{"a year after", 365 * 24 * time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, _ := newClock(base, base.Add(c.off))
			if got := trusted(k); got != c.want {
				t.Fatalf("trusted = %v", got)
			}
		})
	}
}

func TestClock_WithNothingToGoByIsNotTrusted(t *testing.T) {
	k, _ := newClock(time.Time{}, base)
	if trusted(k) {
		t.Fatal("trusted")
	}
}

func TestClock_FloorOnlyRises(t *testing.T) {
	k, w := newClock(base, base)
	k.Floor(base.Add(time.Hour).UnixMilli())
	if trusted(k) {
		t.Fatal("a time before the last fact is trusted")
	}
	k.Floor(base.UnixMilli())
	if trusted(k) {
		t.Fatal("the floor came down")
	}
	w.at = base.Add(13*time.Hour - time.Millisecond)
	if !trusted(k) {
		t.Fatal("twelve hours count from the newest fact")
	}
}

// A clock that was set back is not trusted after a second restart either: what is journalled while it is
// not trusted does not bear its time.
func TestClock_SetBackIsNotTrustedByItsOwnFacts(t *testing.T) {
	k, _ := newClock(base, base.Add(-time.Hour))
	ms, _, ok := k.Now()
	if ok || ms != base.UnixMilli() {
		t.Fatalf("now %d, want %d; trusted %v", ms, base.UnixMilli(), ok)
	}
	again, _ := newClock(time.UnixMilli(ms), base.Add(-time.Hour+time.Minute))
	if trusted(again) {
		t.Fatal("trusted")
	}
}

// TestClock_SetAheadIsNotTrustedByItsOwnFacts: the same for a clock that runs days ahead.
func TestClock_SetAheadIsNotTrustedByItsOwnFacts(t *testing.T) {
	floor := time.Date(2026, 5, 1, 20, 0, 0, 0, time.UTC)
	for range 3 { // each start takes the time of the last fact as its floor
		c := clock.New(floor.UnixMilli(), func() time.Time { return floor.Add(48 * time.Hour) })
		ms, _, trusted := c.Now()
		if trusted || ms != floor.UnixMilli() {
			t.Fatalf("time %s, trusted %v", time.UnixMilli(ms).UTC(), trusted)
		}
		floor = time.UnixMilli(ms)
	}
}

func TestClock_MeasuredTakesTheMiddleAndIsTrusted(t *testing.T) {
	k, w := newClock(time.Time{}, base)
	got := base.Add(200 * time.Millisecond)
	cloud := base.Add(100*time.Millisecond + 3*time.Second)
	if change := k.Measured(cloud.UnixMilli(), base, got); change != 3*time.Second {
		t.Fatalf("changed by %s", change)
	}
	w.at = got
	ms, offset, ok := k.Now()
	if ms != got.Add(3*time.Second).UnixMilli() || offset != 3000 || !ok {
		t.Fatalf("now %d, offset %d, trusted %v", ms, offset, ok)
	}
	w.at = base.Add(30 * 24 * time.Hour) // a long outage after it was set
	if !trusted(k) {
		t.Fatal("a clock set since the start is not trusted")
	}
}

func TestClock_ChangesWithinTheMeasurementsErrorAreIgnored(t *testing.T) {
	k, _ := newClock(base, base)
	measure := func(off, roundTrip time.Duration) time.Duration {
		return k.Measured(base.Add(roundTrip/2+off).UnixMilli(), base, base.Add(roundTrip))
	}
	if got := measure(time.Second, 0); got != time.Second {
		t.Fatalf("first: %s", got)
	}
	for _, c := range []struct{ off, roundTrip, want time.Duration }{
		{time.Second + 19*time.Millisecond, 0, 0},
		{time.Second - 119*time.Millisecond, 200 * time.Millisecond, 0},
		{time.Second - 120*time.Millisecond, 200 * time.Millisecond, -120 * time.Millisecond},
	} {
		if got := measure(c.off, c.roundTrip); got != c.want {
			t.Errorf("offset %s over %s: changed by %s, want %s", c.off, c.roundTrip, got, c.want)
		}
	}
}

// A machine whose battery is empty starts in 1970; the journal's field has 32 bits.
func TestClock_OffsetBeyondTheJournalsFieldIsCutNotWrapped(t *testing.T) {
	for _, c := range []struct {
		machine time.Time
		want    int32
	}{{time.Unix(0, 0), math.MaxInt32}, {base.Add(60 * 365 * 24 * time.Hour), math.MinInt32}} {
		k, _ := newClock(base, c.machine)
		k.Measured(base.UnixMilli(), c.machine, c.machine)
		ms, offset, ok := k.Now()
		if ms != base.UnixMilli() || offset != c.want || !ok {
			t.Errorf("now %d, offset %d, trusted %v", ms, offset, ok)
		}
	}
}

func TestClock_ReadsTheMachineByDefault(t *testing.T) {
	before := time.Now().UnixMilli()
	ms, _, _ := clock.New(0, nil).Now()
	if after := time.Now().UnixMilli(); ms < before || ms > after {
		t.Fatalf("%d is not between %d and %d", ms, before, after)
	}
}
