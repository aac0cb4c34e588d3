package cr95hf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
)

// Commands, devices.md §5.4.
var (
	cmdEcho      = []byte{0x55}
	cmdIDN       = []byte{0x01, 0x00}
	cmdSelect    = []byte{0x02, 0x02, 0x01, 0x09}       // ISO 15693, 26 kbit/s, one subcarrier, 100 % modulation
	cmdInventory = []byte{0x04, 0x03, 0x26, 0x01, 0x00} // one slot
)

// Results.
const (
	resGood    = 0x00
	resEcho    = 0x55
	resReply   = 0x80
	resNoReply = 0x87
)

// idnSize is the length of what the chip calls itself: text, 0 and a CRC.
const idnSize = 15

// replySize is the length of the reply to an inventory: flags, DSFID, UID (8), CRC (2), status.
const replySize = 13

// longest is more than any answer here has.
const longest = 64

// Faults of a reply.
var (
	errCRC       = errors.New("cr95hf: wrong CRC")
	errCollision = errors.New("cr95hf: several chips at once")
	errNotVCD    = errors.New("cr95hf: not an ISO 15693 chip")
)

// A frame is one answer: a result and its data.
type frame struct {
	Result byte
	Data   []byte
}

// cut takes the answer at the front of p; see dialogue.Cut. Answers have no checksum and no start, so one is known by its
// result, and whoever asks must look whether it fits.
func cut(p []byte) (f frame, skip, size int) {
	for ; skip < len(p); skip++ {
		q := p[skip:]
		switch {
		case q[0] == resEcho:
			return frame{Result: resEcho}, skip, 1
		case q[0] != resGood && (q[0] < 0x80 || q[0] > 0x93):
		case len(q) < 2:
			return f, skip, 0
		case int(q[1]) > longest:
		case len(q) < 2+int(q[1]):
			return f, skip, 0
		default:
			return frame{q[0], bytes.Clone(q[2 : 2+int(q[1])])}, skip, 2 + int(q[1])
		}
	}
	return f, skip, 0
}

// uid reads the reply to an inventory; the UID comes back most significant byte first.
func (f frame) uid() ([]byte, error) {
	if len(f.Data) != replySize {
		return nil, errNotVCD
	}
	body, status := f.Data[:10], f.Data[12]
	switch {
	case status&0x01 != 0: // [M]: the bit that tells of a collision
		return nil, errCollision
	case crc(body) != binary.LittleEndian.Uint16(f.Data[10:]):
		return nil, errCRC
	case body[0] != 0 || body[9] != 0xE0: // flags without error; every such UID begins with E0
		return nil, errNotVCD
	}
	uid := bytes.Clone(body[2:])
	slices.Reverse(uid)
	return uid, nil
}

// crc is that of ISO 15693: reflected 1021, FFFF, inverted.
func crc(p []byte) uint16 {
	reg := uint16(0xFFFF)
	for _, b := range p {
		reg ^= uint16(b)
		for range 8 {
			if reg&1 != 0 {
				reg = reg>>1 ^ 0x8408
			} else {
				reg >>= 1
			}
		}
	}
	return ^reg
}

// name reads what the chip calls itself, without its CRC.
func (f frame) name() string {
	text, _, _ := bytes.Cut(f.Data, []byte{0})
	for _, b := range text {
		if b < ' ' || b > '~' {
			return ""
		}
	}
	return string(text)
}
