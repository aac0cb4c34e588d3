package uhfbb

import (
	"bytes"
	"encoding/binary"
)

const (
	head = 0xBB
	tail = 0x7E
)

// Types of frames.
const (
	typeCommand = 0x00
	typeAnswer  = 0x01
	typeNotice  = 0x02
)

// Commands, devices.md §5.4.
const (
	cmdInfo   = 0x03
	cmdSingle = 0x22 // also that of a notice of a chip
	cmdMany   = 0x27
	cmdStop   = 0x28
	cmdError  = 0xFF // of an answer only
)

// errNoTag is the error that says that a round found nothing.
const errNoTag = 0x15

// longest is more parameters than any frame has. A chip's EPC has at most 62 bytes.
const longest = 128

// around is what a frame has besides its parameters: head, type, command, length (2), sum, tail.
const around = 7

// rounds is how many rounds are asked for at once, as the maker's example has it.
var rounds = []byte{0x22, 0x27, 0x10}

// A frame is one frame of a module.
type frame struct {
	Type, Command byte
	Param         []byte
}

func sum(p []byte) (s byte) {
	for _, b := range p {
		s += b
	}
	return s
}

// AppendCommand adds a command to dst.
func AppendCommand(dst []byte, command byte, param ...byte) []byte {
	at := len(dst)
	dst = append(dst, head, typeCommand, command, byte(len(param)>>8), byte(len(param)))
	dst = append(dst, param...)
	return append(dst, sum(dst[at+1:]), tail)
}

// cut finds the first intact frame in p; see dialogue.Cut. BB and 7E may occur in parameters, so length, sum and tail
// together make a frame.
func cut(p []byte) (f frame, skip, size int) {
	for {
		at := bytes.IndexByte(p[skip:], head)
		if at < 0 {
			return f, len(p), 0
		}
		skip += at
		q := p[skip:]
		if len(q) < 5 {
			return f, skip, 0
		}
		n := int(binary.BigEndian.Uint16(q[3:]))
		whole := n + around
		switch {
		case n > longest || q[1] > typeNotice:
		case len(q) < whole:
			return f, skip, 0
		case q[whole-1] == tail && sum(q[1:whole-2]) == q[whole-2]:
			return frame{q[1], q[2], bytes.Clone(q[5 : whole-2])}, skip, whole
		}
		skip++
	}
}

// A sight is one chip seen once.
type sight struct {
	EPC  []byte
	RSSI int // dBm
}

// sight reads a notice of a chip: strength, PC, EPC, CRC. The EPC must be as long as its PC says. The CRC is that of
// the air; the module has checked it, and the frame has its sum.
func (f frame) sight() (s sight, ok bool) {
	n := len(f.Param) - 5
	if f.Type != typeNotice || f.Command != cmdSingle || n < 2 || n != int(binary.BigEndian.Uint16(f.Param[1:])>>11)*2 {
		return s, false
	}
	return sight{EPC: f.Param[3 : 3+n], RSSI: int(int8(f.Param[0]))}, true
}

// nothing reports whether a frame says that a round found nothing.
func (f frame) nothing() bool {
	return f.Type == typeAnswer && f.Command == cmdError && len(f.Param) > 0 && f.Param[0] == errNoTag
}
