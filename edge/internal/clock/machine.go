package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// thisMachine reads the clocks of the machine.
func thisMachine() Machine { return Machine{Wall: time.Now, Passed: sinceBoot, Synced: ntp} }

// sinceBoot counts the time that the machine has slept, which Go's monotonic clock does not.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("clock: CLOCK_BOOTTIME: " + err.Error()) // every Linux has it since 2.6.39
	}
	return time.Duration(ts.Nano())
}

// unsynced is STA_UNSYNC of adjtimex(2): nobody keeps the clock.
const unsynced = 0x40

// ntp reports whether the kernel's clock is kept by NTP or something like it.
func ntp() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != timeError && t.Status&unsynced == 0
}

// timeError is TIME_ERROR of adjtimex(2): the clock is not synchronized.
const timeError = 5
