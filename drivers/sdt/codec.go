package sdt

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// A Command is CMD and PARA of a request, devices.md §5.2.
type Command [2]byte

// Commands of the reader.
var (
	CmdStatus = Command{0x11, 0xFF} // is the security module well
	CmdID     = Command{0x12, 0xFF} // its number
	CmdFind   = Command{0x20, 0x01}
	CmdSelect = Command{0x20, 0x02}
	CmdRead   = Command{0x30, 0x01} // text and photo
)

// Third byte of the status; the first two are always 0.
const (
	swOK     = 0x90
	swFound  = 0x9F
	swNoCard = 0x80
)

const (
	maxLen   = 4096 // of LEN; the longest answer known is 2316
	shortest = 4    // LEN of an answer without data: three bytes of status and the checksum
	headSize = 7    // preamble and LEN
)

// preamble begins every frame, and may occur within one.
var preamble = []byte{0xAA, 0xAA, 0xAA, 0x96, 0x69}

// faults are the stable codes of the statuses that are no success; ofReader tells which are not about a card.
var faults = map[byte]string{
	0x10: "bad_checksum",   // our request arrived damaged
	0x11: "bad_length",     // likewise
	0x21: "bad_command",    // the reader does not know the command
	0x24: "unknown_error",  //
	0x31: "card_refused",   // the card does not accept the security module
	0x32: "module_refused", // the security module does not accept the card
	0x33: "not_verified",   // verification between the two failed
	0x40: "unknown_card",   // a card, but none of these
	0x41: "damaged",        // reading failed
	0x47: "random_failed",  // no random number from the card
	0x60: "self_test",      // the security module is broken
	0x66: "not_authorised", // the security module is not authorised
	0x80: "removed",        // no card
	0x81: "damaged",        // selecting failed
	0x91: "item_absent",    // the card holds no such item
}

// FaultOf is the stable code of a status that is no success; "unknown_error" for one that is not in the table.
func FaultOf(sw byte) string {
	if code, ok := faults[sw]; ok {
		return code
	}
	return "unknown_error"
}

// ofReader reports whether a status is about the reader or the line and not about a card.
func ofReader(sw byte) bool {
	switch sw {
	case 0x31, 0x32, 0x33, 0x40, 0x41, 0x47, 0x80, 0x81, 0x91:
		return false
	}
	return true
}

// An Answer is what a reader sends.
type Answer struct {
	SW   byte   // third byte of the status
	Data []byte // what follows the status
}

// ErrAnswer is returned for a frame that is intact but no answer.
var ErrAnswer = errors.New("sdt: not an answer")

// checksum is the exclusive or of everything from LEN on.
func checksum(p []byte) (x byte) {
	for _, b := range p {
		x ^= b
	}
	return x
}

// AppendRequest adds a request without data to dst.
func AppendRequest(dst []byte, c Command) []byte {
	dst = append(dst, preamble...)
	at := len(dst)
	dst = append(dst, 0, 3, c[0], c[1])
	return append(dst, checksum(dst[at:]))
}

// cut finds the first intact answer in p; see dialogue.Cut. The preamble may occur in data and in noise, so
// only length and checksum make a frame.
func cut(p []byte) (a Answer, skip, size int) {
	for {
		i := bytes.Index(p[skip:], preamble)
		if i < 0 {
			return Answer{}, len(p) - partOfPreamble(p[skip:]), 0
		}
		skip += i
		q := p[skip:]
		if len(q) < headSize {
			return Answer{}, skip, 0
		}
		n := int(binary.BigEndian.Uint16(q[len(preamble):]))
		whole := headSize + n
		switch {
		case n < shortest || n > maxLen:
		case len(q) < whole:
			return Answer{}, skip, 0
		case checksum(q[len(preamble):whole]) == 0 && q[headSize] == 0 && q[headSize+1] == 0:
			return Answer{SW: q[headSize+2], Data: bytes.Clone(q[headSize+3 : whole-1])}, skip, whole
		}
		skip++
	}
}

// partOfPreamble is how many bytes at the end of p may be the beginning of a preamble.
func partOfPreamble(p []byte) int {
	for n := min(len(p), len(preamble)-1); n > 0; n-- {
		if bytes.HasSuffix(p, preamble[:n]) {
			return n
		}
	}
	return 0
}

// Block sizes of a read.
const (
	textSize  = 256
	photoSize = 1024
)

// split takes the blocks of a read apart: two lengths, text, photo.
func split(data []byte) (text, photo []byte, err error) {
	if len(data) < 4 {
		return nil, nil, ErrAnswer
	}
	t, p := int(binary.BigEndian.Uint16(data)), int(binary.BigEndian.Uint16(data[2:]))
	data = data[4:]
	if t != textSize || p > photoSize || len(data) < t+p {
		return nil, nil, ErrAnswer
	}
	return data[:t], data[t : t+p], nil
}

// answers tells which answer fits a command. Answers do not say what they answer, but each has its shape.
func answers(c Command) func(Answer) bool {
	size, good := 0, byte(swOK)
	switch c {
	case CmdFind:
		size, good = 4, swFound
	case CmdSelect:
		size = 8
	case CmdID:
		size = 16
	case CmdRead:
		return func(a Answer) bool { return a.SW != swFound && (a.SW != swOK || len(a.Data) >= 4+textSize) }
	}
	return func(a Answer) bool {
		if a.SW == swOK || a.SW == swFound {
			return a.SW == good && len(a.Data) == size
		}
		return true
	}
}
