package wiegand

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
)

// longest is more than any line has.
const longest = 64

// A frame is one line of the bridge: a card, or a sign of life.
type frame struct {
	ID   []byte // number without parity bits, big-endian; nil for a sign of life
	Life string // what the bridge calls itself
}

// cut takes the first line that is one; see dialogue.Cut.
func cut(p []byte) (f frame, skip, size int) {
	for {
		end := bytes.IndexByte(p[skip:], '\n')
		if end < 0 {
			return f, max(skip, len(p)-longest), 0
		}
		if f, ok := parse(bytes.TrimSuffix(p[skip:skip+end], []byte("\r"))); ok {
			return f, skip, end + 1
		}
		skip += end + 1
	}
}

// parse reads a line without its end.
func parse(line []byte) (f frame, ok bool) {
	kind, rest, _ := bytes.Cut(line, []byte(" "))
	switch string(kind) {
	case "H":
		for _, b := range rest {
			if b < ' ' || b > '~' {
				return f, false
			}
		}
		return frame{Life: string(rest)}, len(rest) > 0 && len(rest) <= 32
	case "W26":
		f.ID, ok = card(26, rest)
	case "W34":
		f.ID, ok = card(34, rest)
	}
	return f, ok
}

// card reads all bits of a card: even parity over the first half, the number, odd parity over the last half.
func card(width int, digits []byte) ([]byte, bool) {
	if len(digits) != (width+3)/4 || bytes.ContainsAny(digits, "abcdef_+-") {
		return nil, false
	}
	n, err := strconv.ParseUint(string(digits), 16, 64)
	if err != nil || n>>width != 0 {
		return nil, false
	}
	half := width / 2
	first, last := n>>half, n&(1<<half-1)
	if bits.OnesCount64(first)%2 != 0 || bits.OnesCount64(last)%2 != 1 {
		return nil, false
	}
	number := n >> 1 & (1<<(width-2) - 1)
	return binary.BigEndian.AppendUint32(nil, uint32(number))[4-(width-2)/8:], true
}
