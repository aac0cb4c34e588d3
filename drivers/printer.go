package drivers

import (
	"context"
	"errors"

	"yipiao/drivers/face"
)

// A Job is one ticket to print.
type Job struct {
	// Serial is the ticket's serial number on paper. A printer driver never sends the same serial twice
	// by itself: after an uncertain end a person decides (devices.md 5.6).
	Serial string
	Page   *face.Page
}

// A Proof says what is known of a job at its end.
type Proof uint8

// Proofs. The zero value is no proof.
const (
	Printed    Proof = 1 + iota // the printer has proved that the ticket is out
	NotPrinted                  // it certainly is not: nothing was sent, or the printer has refused
	Unproven                    // it was sent, and nobody can tell
)

// A Printer prints one job at a time. Print blocks until the end of the job is known, or can no longer
// become known, or ctx ends. The error says why for NotPrinted and Unproven; errors.Is ErrNotReady,
// ErrNotRunning, ErrNoAnswer.
type Printer interface {
	Print(ctx context.Context, j Job) (Proof, error)
}

// ErrNotReady is returned by Print when the printer says that it cannot print now; PrinterStatus says why.
var ErrNotReady = errors.New("drivers: printer is not ready")

// A Level is how much is left of something.
type Level string

// Levels.
const (
	LevelUnknown Level = ""
	LevelOK      Level = "ok"
	LevelLow     Level = "low"
	LevelOut     Level = "out"
)

// A PrinterStatus is reported when something of it changes.
type PrinterStatus struct {
	Online bool
	Paper  Level
	Ribbon Level
	Cover  bool // open
	Cutter bool // jammed
	Error  bool // another fault; Note says which
	Note   string
}

func (PrinterStatus) isEvent() {}
