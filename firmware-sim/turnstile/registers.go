package turnstile

import (
	"time"

	"yipiao/firmware-sim/rtu"
)

// Holding registers. The maker's addresses are hexadecimal (register description in the LOT Modbus
// SDK, and the constants of its C++ library).
const (
	regEntryPermits = 0x0040
	regExitPermits  = 0x0041
	regEntryBody    = 0x0042
	regExitBody     = 0x0043
	regEntryLow     = 0x0044
	regEntryHigh    = 0x0045
	regExitLow      = 0x0046
	regExitHigh     = 0x0047
	regErrors       = 0x0048
	regMode         = 0x3000
	regAccumulate   = 0x3010
	regStart        = 0x3011
	regFinish       = 0x3012

	longestWait = 255 // seconds; the register is a byte in the maker's library
)

// registers is the mechanism as its line sees it, at one instant.
type registers struct {
	m   *mechanism
	now time.Time
}

var _ bank = registers{}

func (r registers) load(addr, n uint16) ([]uint16, rtu.Refusal) {
	values := make([]uint16, 0, n)
	for i := range n {
		v, ok := r.get(addr + i)
		if !ok {
			return nil, rtu.NoAddress
		}
		values = append(values, v)
	}
	return values, 0
}

func (r registers) get(addr uint16) (v uint16, ok bool) {
	m := r.m
	switch addr {
	case regEntryPermits:
		return m.permits[Entry], true
	case regExitPermits:
		return m.permits[Exit], true
	case regEntryBody:
		return m.body(Entry), true
	case regExitBody:
		return m.body(Exit), true
	case regEntryLow:
		return uint16(m.counts[Entry]), true
	case regEntryHigh:
		return uint16(m.counts[Entry] >> 16), true
	case regExitLow:
		return uint16(m.counts[Exit]), true
	case regExitHigh:
		return uint16(m.counts[Exit] >> 16), true
	case regErrors:
		return m.faultBits, true
	case regMode:
		return m.mode, true
	case regAccumulate:
		return m.accumulate, true
	case regStart:
		return m.startSecs, true
	case regFinish:
		return m.finishSecs, true
	}
	return 0, false
}

func (m *mechanism) body(d Direction) uint16 {
	if m.lane != nil && m.lane.dir == d {
		return 1
	}
	return 0
}

// store refuses a write as a whole before it changes anything.
func (r registers) store(addr uint16, values []uint16, wire []byte) rtu.Refusal {
	for i, v := range values {
		if no := writable(addr+uint16(i), v); no != 0 {
			return no
		}
	}
	for i, v := range values {
		if no := r.set(addr+uint16(i), v, wire); no != 0 {
			return no
		}
	}
	return 0
}

func writable(addr, v uint16) rtu.Refusal {
	switch addr {
	case regEntryPermits, regExitPermits, regErrors:
		return 0
	case regMode:
		if v > antiPanic {
			return rtu.BadValue
		}
		return 0
	case regAccumulate:
		if v > 1 {
			return rtu.BadValue
		}
		return 0
	case regStart, regFinish:
		if v == 0 || v > longestWait {
			return rtu.BadValue
		}
		return 0
	}
	return rtu.NoAddress
}

func (r registers) set(addr, v uint16, wire []byte) rtu.Refusal {
	m := r.m
	switch addr {
	case regEntryPermits:
		return m.grant(r.now, Entry, v, wire)
	case regExitPermits:
		return m.grant(r.now, Exit, v, wire)
	case regMode:
		m.mode = v
	case regAccumulate:
		m.accumulate = v
	case regStart:
		m.startSecs = v
	case regFinish:
		m.finishSecs = v
	case regErrors: // written, it is the motor's time-out, which a simulation does not need
	}
	return 0
}
