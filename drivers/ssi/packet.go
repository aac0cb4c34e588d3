package ssi

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Op says what a packet is about.
type Op byte

// Opcodes, devices.md 5.1 and Zebra 72E-40451.
const (
	OpRevisionRequest Op = 0xA3
	OpRevisionReply   Op = 0xA4
	OpAck             Op = 0xD0
	OpNak             Op = 0xD1
	OpStartSession    Op = 0xE4
	OpStopSession     Op = 0xE5
	OpBeep            Op = 0xE6
	OpScanEnable      Op = 0xE9
	OpScanDisable     Op = 0xEA
	OpDecodeData      Op = 0xF3
	OpEvent           Op = 0xF6
)

// Who a packet comes from.
const (
	FromDecoder byte = 0x00
	FromHost    byte = 0x04
)

// Bits of the status byte. Others are ignored: newer scanners set some (20 and 80 were seen).
const (
	Retransmit   byte = 0x01 // sent again
	Continuation byte = 0x02 // the message goes on in the next packet
)

// NakResend is the reason of a NAK that asks for the packet again; any other is a refusal.
const NakResend byte = 0x01

const (
	headSize  = 4 // length, opcode, source, status
	checkSize = 2
	// MaxData is the most data that one packet holds.
	MaxData = 0xFF - headSize
)

// ErrTooLong is returned for data that does not fit into one packet.
var ErrTooLong = errors.New("ssi: data does not fit into one packet")

// A Packet is one packet, its length and checksum left out.
type Packet struct {
	Op     Op
	Source byte
	Status byte
	Data   []byte
}

// Append adds the packet's bytes to dst.
func (p Packet) Append(dst []byte) ([]byte, error) {
	if len(p.Data) > MaxData {
		return nil, ErrTooLong
	}
	at := len(dst)
	dst = append(dst, byte(headSize+len(p.Data)), byte(p.Op), p.Source, p.Status)
	dst = append(dst, p.Data...)
	return binary.BigEndian.AppendUint16(dst, checksum(dst[at:])), nil
}

// checksum is the two's complement of the sum of a packet without it.
func checksum(p []byte) uint16 {
	var sum uint16
	for _, b := range p {
		sum += uint16(b)
	}
	return -sum
}

// A Framer finds packets of one sender in a byte stream. What it finds until silence does not depend on how the
// stream was split into reads.
type Framer struct {
	// Source is whom packets are taken from.
	Source byte

	buf     []byte
	skipped int
}

// Push is given bytes that have arrived.
func (f *Framer) Push(p []byte) { f.buf = append(f.buf, p...) }

// Next takes a packet off the front, and before it what cannot belong to one. ok is false until more arrives.
func (f *Framer) Next() (p Packet, ok bool) {
	for len(f.buf) > 0 {
		size, begun := f.front()
		switch {
		case !begun:
			f.skip()
		case size > len(f.buf):
			return Packet{}, false
		default:
			return f.take(size), true
		}
	}
	return Packet{}, false
}

// front looks at what may be a packet at the front: how long it is, the least that it can be where that is not
// known, and whether it may be one at all.
func (f *Framer) front() (size int, begun bool) {
	n := int(f.buf[0])
	size = n + checkSize
	switch {
	case n < headSize:
		return 0, false
	case len(f.buf) >= 3 && f.buf[2] != f.Source:
		return 0, false
	case len(f.buf) < size:
		return size, true
	}
	return size, binary.BigEndian.Uint16(f.buf[n:]) == checksum(f.buf[:n])
}

func (f *Framer) take(size int) Packet {
	raw := f.buf[:size-checkSize]
	p := Packet{Op: Op(raw[1]), Source: raw[2], Status: raw[3], Data: bytes.Clone(raw[headSize:])}
	f.buf = f.buf[size:]
	return p
}

func (f *Framer) skip() {
	f.buf = f.buf[1:]
	f.skipped++
}

// Pending reports whether something is there that may become a packet.
func (f *Framer) Pending() bool { return len(f.buf) > 0 }

// Idle is told that the line has been silent: what waits for more bytes is none, and there may be packets in it.
func (f *Framer) Idle() (all []Packet) {
	for {
		p, ok := f.Next()
		switch {
		case ok:
			all = append(all, p)
		case len(f.buf) == 0:
			return all
		default:
			f.skip()
		}
	}
}

// Skipped returns how many bytes have belonged to no packet since the last call.
func (f *Framer) Skipped() int {
	n := f.skipped
	f.skipped = 0
	return n
}
