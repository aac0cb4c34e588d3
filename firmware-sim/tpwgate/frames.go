package tpwgate

// Frames are 02 type length content 04 (manual, appendix C).
const (
	start = 0x02
	stop  = 0x04

	connect     = 0xFF
	success     = 0x44
	failure     = 0xF4
	workingMode = 0x41
	sideModes   = 0x14
	delayTime   = 0x18
	switches    = 0x21 // from the board: entry counting
	reset       = 0x22 // from the board: exit counting
	readCount   = 0x28
	speed       = 0x42
	infrared    = 0x81
	panel       = 0x82
	model       = 0xF1
	version     = 0xF2
	identity    = 0xF8

	// longest content of a command; anything longer is noise.
	longest = 8
)

// contents are the lengths of the commands' contents.
var contents = map[byte]int{
	connect: 0, success: 0, workingMode: 1, sideModes: 2, delayTime: 3, switches: 1, reset: 1, readCount: 1, speed: 1, infrared: 1, panel: 2,
}

func frame(typ byte, content ...byte) []byte {
	return append(append([]byte{start, typ, byte(len(content))}, content...), stop)
}

// next finds the first command in p: its type and content, and how many bytes are done with. ok is false while there
// is none.
func next(p []byte) (typ byte, content []byte, used int, ok bool) {
	for i := range p {
		if p[i] != start {
			continue
		}
		if len(p)-i < 4 {
			return 0, nil, i, false
		}
		n := int(p[i+2])
		if n > longest {
			continue
		}
		if len(p)-i < n+4 {
			return 0, nil, i, false
		}
		if p[i+3+n] == stop {
			return p[i+1], p[i+3 : i+3+n], i + n + 4, true
		}
	}
	return 0, nil, len(p), false
}

// between reports whether each byte of p lies in a range.
func between(p []byte, low, high byte) bool {
	for _, b := range p {
		if b < low || b > high {
			return false
		}
	}
	return true
}
