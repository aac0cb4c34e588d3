package relaygate

import (
	"fmt"
	"time"

	"yipiao/drivers/modbus"
)

// A Board is a make of relay board.
type Board string

// Boards.
const (
	Waveshare Board = "waveshare" // Modbus RTU Relay 8CH and its like
	LCTech    Board = "lctech"    // LC-Tech boards with 1 to 8 relays
)

const (
	// tick is the unit of both boards' pulse times.
	tick = 100 * time.Millisecond
	// longestPulse is what fits into both boards' time registers.
	longestPulse = 0x7FFF * tick

	// wavesharePulse is the first of the addresses that switch a relay on for a time (function 5).
	wavesharePulse = 0x0200
	// lctechPulse is the first of the registers that do (function 16), lctechStep how far they lie apart.
	lctechPulse = 0x0003
	lctechStep  = 5
	// lctechOnFor is the code for "on, and off after the time". Not confirmed: the maker's example has 4, a list of
	// registers on the web calls 4 "off for a time" and 2 this. Where a relay stays on, the driver switches it off
	// and says so.
	lctechOnFor = 0x0004

	channels = 8
)

// unit is the address that the board comes with.
func (b Board) unit() int {
	if b == LCTech {
		return 255
	}
	return 1
}

// Pulse is the request that switches a relay (from 1) on, and off again by the board's own timer. d is rounded up to
// a tenth of a second.
func (b Board) Pulse(unit byte, relay int, d time.Duration) (modbus.Request, error) {
	if relay < 1 || relay > channels || d <= 0 || d > longestPulse {
		return modbus.Request{}, fmt.Errorf("relaygate: relay %d for %v", relay, d)
	}
	ticks := uint16((d + tick - 1) / tick)
	at := uint16(relay - 1)
	switch b {
	case Waveshare:
		return modbus.Request{Unit: unit, Func: modbus.WriteSingleCoil, Addr: wavesharePulse + at, Values: []uint16{ticks}}, nil
	case LCTech:
		return modbus.Request{
			Unit: unit, Func: modbus.WriteRegisters, Addr: lctechPulse + lctechStep*at, Values: []uint16{lctechOnFor, ticks},
		}, nil
	}
	return modbus.Request{}, fmt.Errorf("relaygate: board %q", b)
}

// off switches a relay off, now. Doing it twice is the same as once.
func off(unit byte, relay int) modbus.Request {
	return modbus.Request{
		Unit: unit, Func: modbus.WriteSingleCoil, Addr: uint16(relay - 1), Bits: []bool{false}, Repeatable: true,
	}
}

// reading asks for the first n coils (relays) or discrete inputs.
func reading(unit byte, f modbus.Function, n int) modbus.Request {
	return modbus.Request{Unit: unit, Func: f, Count: uint16(n)}
}
