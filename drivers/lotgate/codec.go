package lotgate

import (
	"fmt"

	"yipiao/drivers"
)

// Holding registers, devices.md §5.5. The maker's addresses are hexadecimal: so its C++ library
// (TurnstileCPP/uController.cpp) has them.
const (
	regPermits    = 0x0040 // entry, then exit: 0 closed, 1 to FFFE passes left, FFFF free
	regMode       = 0x3000 // 0 normal, 1 blocked, 2 anti-panic
	regAccumulate = 0x3010 // whether a grant adds to the passes left
	regStartTime  = 0x3011 // seconds a permit waits for the person to start passing

	// statusRegs from regPermits are the whole status; reading back after a lost answer leaves the
	// last one out, so that a late answer to a poll has another length and is not taken for it.
	statusRegs   = 9
	readBackRegs = 8
)

// A Mode is the turnstile's own state, register 0x3000.
type Mode uint16

// Modes.
const (
	Normal    Mode = 0
	Blocked   Mode = 1
	AntiPanic Mode = 2
)

// A Status is registers 0x0040 to 0x0048 at one instant.
type Status struct {
	Permits [2]uint16 // passes left, by side
	Body    [2]bool   // the sensor sees somebody, by side
	Counts  [2]uint32 // passages, wrapping, by side
	Errors  uint16    // error bits
}

// side is the index of a direction in Status.
func side(d drivers.Direction) int { return int(d - drivers.Entry) }

// DecodeStatus reads the registers from 0x0040 on: nine, or eight without the error bits.
func DecodeStatus(regs []uint16) (Status, error) {
	if len(regs) != statusRegs && len(regs) != readBackRegs {
		return Status{}, fmt.Errorf("lotgate: %d status registers, want %d or %d", len(regs), readBackRegs, statusRegs)
	}
	s := Status{
		Permits: [2]uint16{regs[0], regs[1]},
		Body:    [2]bool{regs[2] != 0, regs[3] != 0},
		Counts:  [2]uint32{long(regs[4], regs[5]), long(regs[6], regs[7])},
	}
	if len(regs) == statusRegs {
		s.Errors = regs[8]
	}
	return s, nil
}

// AppendStatus adds the nine registers of a status to dst.
func AppendStatus(dst []uint16, s Status) []uint16 {
	return append(dst,
		s.Permits[0], s.Permits[1], bit(s.Body[0]), bit(s.Body[1]),
		uint16(s.Counts[0]), uint16(s.Counts[0]>>16),
		uint16(s.Counts[1]), uint16(s.Counts[1]>>16), s.Errors)
}

// Counters are the status as the contract has it.
func (s Status) Counters() drivers.Counters {
	return drivers.Counters{
		Entry: s.Counts[0], Exit: s.Counts[1],
		EntryPermits: s.Permits[0], ExitPermits: s.Permits[1],
	}
}

// long puts a counter together, low word first.
func long(low, high uint16) uint32 { return uint32(high)<<16 | uint32(low) }

func bit(on bool) uint16 {
	if on {
		return 1
	}
	return 0
}

// advance is how far a counter moved, across its wrap at 32 bits; back is true if it moved backwards
// instead, as after a repair.
func advance(from, to uint32) (n uint32, back bool) {
	n = to - from
	return n, n > 1<<31
}
