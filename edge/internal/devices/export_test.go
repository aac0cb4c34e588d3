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

// FourBytes is on the test page.
const FourBytes = fourBytes

// MaskNumber and the others are what a test leaves of personal data.
var (
	MaskNumber = maskNumber
	MaskName   = maskName
)

// MaskCode is for codes.
func MaskCode(code string) string { return maskCode([]byte(code)) }

// MaskID is for chips.
func MaskID(id string) string { return maskID([]byte(id)) }
