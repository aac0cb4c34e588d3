package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// thisMachine reads the clocks of the machine.
func thisMachine() Machine {
	from := time.Now()
	return Machine{Wall: time.Now, Passed: func() time.Duration { return time.Since(from) }, Slept: slept, Synced: ntp}
}

// slept is how much further the clock that counts sleep is than the one that does not.
func slept() time.Duration {
	return read(unix.CLOCK_BOOTTIME) - read(unix.CLOCK_MONOTONIC)
}

func read(clock int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		panic("clock: clock_gettime: " + err.Error()) // every Linux has both since 2.6.39
	}
	return time.Duration(ts.Nano())
}

// unsynced is STA_UNSYNC of adjtimex(2), and timeError its TIME_ERROR: nobody keeps the clock.
const (
	unsynced  = 0x40
	timeError = 5
)

// ntp reports whether the kernel's clock is kept by NTP or something like it.
func ntp() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != timeError && t.Status&unsynced == 0
}
