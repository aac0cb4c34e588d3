package relayboard

import (
	"encoding/binary"
	"time"

	"yipiao/firmware-sim/rtu"
)

const channels = 8

// Addresses of the Waveshare board, from the maker's wiki; function 5 but for the reads.
const (
	waveshareAll       = 0x00FF
	waveshareToggleAll = 0x01FF
	wavesharePulse     = 0x0200
	tick               = 100 * time.Millisecond
)

// Registers of the LC-Tech boards: two words for each channel.
const (
	lctechFirst = 3
	lctechStep  = 5
	lctechWords = 2
)

// A contacts is the board without its line. Its methods take the time and are called under the Sim's lock.
type contacts struct {
	set    Settings
	on     [channels]bool
	until  [channels]time.Time // a pulse ends; zero = none
	stuck  [channels]bool      // a relay that does not open any more
	turned func(now time.Time, channel int, on bool, wire []byte)
	// inputs says how the inputs stand.
	inputs func() [channels]bool
}

// turn switches a relay, for d or (0) for good.
func (c *contacts) turn(now time.Time, channel int, on bool, d time.Duration, wire []byte) {
	c.until[channel] = time.Time{}
	if on && d > 0 {
		c.until[channel] = now.Add(d)
	}
	if !on && c.stuck[channel] || c.on[channel] == on {
		return
	}
	c.on[channel] = on
	c.turned(now, channel, on, wire)
}

// answer carries out one intact request; nil is no answer.
func (c *contacts) answer(now time.Time, req []byte) []byte {
	unit := c.set.unit()
	if req[0] != unit && req[0] != 0 {
		return nil
	}
	body := req[2 : len(req)-2]
	reply, no := c.carryOut(now, req, body)
	switch {
	case req[0] == 0:
		return nil
	case no != 0:
		return rtu.Exception(req, no)
	}
	return rtu.Seal(append([]byte{unit, req[1]}, reply...))
}

func (c *contacts) carryOut(now time.Time, req, body []byte) ([]byte, rtu.Refusal) {
	if len(body) < 4 {
		return nil, rtu.NoFunction
	}
	addr, arg := binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
	switch req[1] {
	case 1:
		return bits(c.on, addr, arg)
	case 2:
		return bits(c.inputs(), addr, arg)
	case 5:
		return body, c.single(now, addr, arg, req)
	case 16:
		return body[:4], c.registers(now, addr, arg, body[4:], req)
	}
	return nil, rtu.NoFunction
}

func bits(all [channels]bool, addr, n uint16) ([]byte, rtu.Refusal) {
	if n == 0 {
		return nil, rtu.BadValue
	}
	if int(addr)+int(n) > channels {
		return nil, rtu.NoAddress
	}
	var b byte
	for i := range n {
		if all[addr+i] {
			b |= 1 << i
		}
	}
	return []byte{1, b}, 0
}

// single is function 5.
func (c *contacts) single(now time.Time, addr, arg uint16, wire []byte) rtu.Refusal {
	plain := arg == 0 || arg == 0xFF00
	switch {
	case addr < channels && plain:
		c.turn(now, int(addr), arg != 0, 0, wire)
	case c.set.Board == LCTech:
		return rtu.NoAddress
	case addr == waveshareAll && plain:
		for ch := range channels {
			c.turn(now, ch, arg != 0, 0, wire)
		}
	case addr == waveshareToggleAll && plain:
		for ch := range channels {
			c.turn(now, ch, !c.on[ch], 0, wire)
		}
	case addr >= wavesharePulse && addr < wavesharePulse+channels && arg > 0 && arg <= 0x7FFF:
		c.turn(now, int(addr-wavesharePulse), true, time.Duration(arg)*tick, wire)
	default:
		return rtu.NoAddress
	}
	return 0
}

// registers is function 16: the pulse of LC-Tech.
func (c *contacts) registers(now time.Time, addr, n uint16, data, wire []byte) rtu.Refusal {
	channel := (int(addr) - lctechFirst) / lctechStep
	switch {
	case c.set.Board != LCTech:
		return rtu.NoFunction
	case n != lctechWords || len(data) != 1+2*lctechWords || data[0] != 2*lctechWords:
		return rtu.BadValue
	case addr < lctechFirst || (addr-lctechFirst)%lctechStep != 0 || channel >= channels:
		return rtu.NoAddress
	}
	code, ticks := binary.BigEndian.Uint16(data[1:]), binary.BigEndian.Uint16(data[3:])
	switch code {
	case c.set.onFor():
		c.turn(now, channel, true, time.Duration(ticks)*tick, wire)
	case 2, 4: // the other of the two: off for a time, and then on
		c.turn(now, channel, true, 0, wire)
	default:
		return rtu.BadValue
	}
	return 0
}

// next is when a pulse ends; zero if none does.
func (c *contacts) next() (at time.Time) {
	for _, t := range c.until {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}

// release ends the pulses that are over.
func (c *contacts) release(now time.Time) {
	for ch, t := range c.until {
		if !t.IsZero() && !t.After(now) {
			c.turn(t, ch, false, 0, nil)
		}
	}
}
