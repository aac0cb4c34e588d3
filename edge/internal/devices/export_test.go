package devices

import (
	"yipiao/drivers/port"
	"yipiao/drivers/port/serialport"
)

// SetOpener lets a test hand out ports of its own.
func (s *Set) SetOpener(open func(serialport.Config) (port.Port, error)) { s.open = open }

// MaxScans is how many scans wait for a subscriber.
const MaxScans = maxScans

// LongestWait is the longest time between two attempts to open a port.
const LongestWait = longestWait
