package uhfa0

import (
	"bytes"
	"encoding/binary"
)

const head = 0xA0

// Anyone is the address that every reader answers to.
const Anyone = 0xFF

// Commands, devices.md §5.4.
const (
	cmdFirmware   = 0x72
	cmdSetAntenna = 0x74
	cmdInventory  = 0x89 // one round, told as it goes
)

// Codes of a short answer. Only codeNoAntenna was seen in a source; the others are [M].
const (
	codeOK        = 0x10
	codeNoAntenna = 0x22
	codeNoTag     = 0x36
)

// floor is what a strength of 0 means in dBm, as a reader's maker tabulates it.
const floor = -129

const (
	shortest  = 3 // length of a frame without data: address, command, check
	endLength = 10
)

// A frame is one frame of a reader.
type frame struct {
	Address, Command byte
	Data             []byte
}

// check is the byte that makes the sum of a frame 0.
func check(p []byte) (c byte) {
	for _, b := range p {
		c -= b
	}
	return c
}

// AppendFrame adds a frame to dst.
func AppendFrame(dst []byte, address, command byte, data ...byte) []byte {
	at := len(dst)
	dst = append(dst, head, byte(shortest+len(data)), address, command)
	dst = append(dst, data...)
	return append(dst, check(dst[at:]))
}

// cut finds the first intact frame in p; see dialogue.Cut. A0 may occur in data, so only the check makes a frame.
func cut(p []byte) (f frame, skip, size int) {
	for {
		at := bytes.IndexByte(p[skip:], head)
		if at < 0 {
			return f, len(p), 0
		}
		skip += at
		q := p[skip:]
		if len(q) < 2 {
			return f, skip, 0
		}
		whole := 2 + int(q[1])
		switch {
		case q[1] < shortest:
		case len(q) < whole:
			return f, skip, 0
		case check(q[:whole]) == 0:
			return frame{q[2], q[3], bytes.Clone(q[4 : whole-1])}, skip, whole
		}
		skip++
	}
}

// A sight is one chip seen once.
type sight struct {
	EPC     []byte
	Antenna int // from 1
	RSSI    int // dBm
}

// sight reads a frame that tells of a chip: channel and antenna, PC, EPC, strength. The EPC must be as long as
// its PC says.
func (f frame) sight() (s sight, ok bool) {
	n := len(f.Data) - 4
	if f.Command != cmdInventory || n < 2 || n != int(binary.BigEndian.Uint16(f.Data[1:])>>11)*2 {
		return s, false
	}
	strength := f.Data[3+n]
	s = sight{EPC: f.Data[3 : 3+n], Antenna: int(f.Data[0]&3) + 1, RSSI: floor + int(strength&0x7F)}
	if strength&0x80 != 0 {
		s.Antenna += 4
	}
	return s, true
}

// ends reports whether a frame ends a round: its result, or an error.
func (f frame) ends() bool {
	return f.Command == cmdInventory && (len(f.Data) == endLength-shortest || len(f.Data) == 1)
}

// code is the one byte of a short answer; ok is false for a longer one.
func (f frame) code() (c byte, ok bool) {
	if len(f.Data) != 1 {
		return 0, false
	}
	return f.Data[0], true
}
