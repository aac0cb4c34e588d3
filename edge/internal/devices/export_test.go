package devices

import (
	"context"

	"yipiao/drivers/port"
)

// SetOpener lets a test hand out ports of its own.
func (s *Set) SetOpener(open func(context.Context, Port) (port.Port, error)) { s.open = open }

// MaxScans is how many scans wait for a subscriber.
const MaxScans = maxScans

// LongestWait is the longest time between two attempts to open a port.
const LongestWait = longestWait
