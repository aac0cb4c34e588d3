package tpw

import (
	"fmt"
	"strconv"
)

// A frame is 02 type length content 04; manual, appendix C. There is no checksum and no address.
const (
	begin    = 0x02
	end      = 0x04
	overhead = 4
	// longest content that is believed; the longest of the manual is a name.
	longest = 64
)

// Types of frames.
const (
	typeConnect  = 0xFF // both ways; the board then tells its parameters one by one
	typeOK       = 0x44 // a command was carried out
	typeFail     = 0xF4 // it was not
	typeModes    = 0x14 // modes of entry and exit
	typeCounting = 0x21 // to the board: switch a counter; from it: the entry counter
	typeExits    = 0x22 // from the board: the exit counter
	typeCounter  = 0x28 // asks for a counter
	typeModel    = 0xF1
	typeVersion  = 0xF2
	typeID       = 0xF8
	typeInfrared = 0x81 // the last of the parameters

	// typeTaken acknowledges a parameter. Not confirmed: the manual's table has 44 for it, its text FF.
	typeTaken = typeOK
)

// A Mode is how a direction works.
type Mode byte

// Modes.
const (
	Controlled Mode = 0x30
	Free       Mode = 0x31
	Forbidden  Mode = 0x32
	FreeCard   Mode = 0x33 // free passage after a card
)

// Contents of typeCounter and typeCounting.
const (
	entrySide  = 0x30
	exitSide   = 0x31
	entryCount = 0x30 // switch the entry counter on
	exitCount  = 0x32
)

// A Frame is one message.
type Frame struct {
	Type    byte
	Content []byte
}

// AppendFrame adds a frame to dst.
func AppendFrame(dst []byte, typ byte, content ...byte) []byte {
	dst = append(dst, begin, typ, byte(len(content)))
	return append(append(dst, content...), end)
}

// cut finds the first frame, see dialogue.Cut.
func cut(p []byte) (f Frame, skip, size int) {
	for skip = range p {
		rest := p[skip:]
		if rest[0] != begin || len(rest) > 2 && rest[2] > longest {
			continue
		}
		if len(rest) < 3 {
			return Frame{}, skip, 0
		}
		n := int(rest[2]) + overhead
		if len(rest) < n {
			return Frame{}, skip, 0
		}
		if rest[n-1] == end {
			return Frame{Type: rest[1], Content: append([]byte(nil), rest[3:n-1]...)}, skip, n
		}
	}
	return Frame{}, len(p), 0
}

// modes reads a typeModes.
func (f Frame) modes() (entry, exit Mode, ok bool) {
	if f.Type != typeModes || len(f.Content) != 2 || !Mode(f.Content[0]).valid() || !Mode(f.Content[1]).valid() {
		return 0, 0, false
	}
	return Mode(f.Content[0]), Mode(f.Content[1]), true
}

func (m Mode) valid() bool { return m >= Controlled && m <= FreeCard }

// String names a mode.
func (m Mode) String() string {
	switch m {
	case Controlled:
		return "controlled"
	case Free:
		return "free"
	case Forbidden:
		return "forbidden"
	case FreeCard:
		return "free after a card"
	}
	return fmt.Sprintf("mode %#02x", byte(m))
}

// count reads a counter, decimal digits in ASCII. How many digits there are the manual does not say.
func (f Frame) count() (n uint32, ok bool) {
	if f.Type != typeCounting && f.Type != typeExits || len(f.Content) == 0 || len(f.Content) > 10 {
		return 0, false
	}
	for _, c := range f.Content {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	v, err := strconv.ParseUint(string(f.Content), 10, 32)
	return uint32(v), err == nil
}

// text is a name, without what no name has.
func (f Frame) text() string {
	var b []byte
	for _, c := range f.Content {
		if c > ' ' && c < 0x7F {
			b = append(b, c)
		}
	}
	return string(b[:min(len(b), 32)])
}
