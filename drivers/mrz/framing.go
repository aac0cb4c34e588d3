package mrz

import (
	"bytes"
	"slices"

	"yipiao/drivers/internal/dialogue"
)

// A Framing is how a reader encloses the lines.
type Framing string

// Framings, devices.md §5.3.
const (
	Lines   Framing = "lines"   // lines ended by CR or CR LF, or by nothing; silence ends the document
	Elyctis Framing = "elyctis" // 49 L1 L2 text, and commands
	RTE6701 Framing = "rte6701" // 3M: SOH length(2) "OU" STX flag text ETX BCC
	DESKO   Framing = "desko"   // CUTE: SOD STX text ETX EOD
)

func framings() []Framing { return []Framing{Lines, Elyctis, RTE6701, DESKO} }

// Bytes of the framings.
const (
	soh = 0x01
	stx = 0x02
	etx = 0x03
	// Elyctis, scanner command set 1.7.
	elyctisText       = 0x49
	elyctisContinuous = 0x43
	// longest is more than any reader says in one piece.
	longest = 512
)

// elyctisOn makes an Elyctis reader read the next document by itself; it echoes this.
var elyctisOn = []byte{elyctisContinuous, 0, 1, 1}

// rteHead is how many bytes go before the text of a RTE6701: SOH, length (2), "OU", STX, flag. The length is not
// relied on and the BCC not checked ([M]: how they are computed was not found); the text's own check digits are.
const rteHead = 7

// A frame is what a reader said.
type frame struct {
	text string
	ack  bool // an Elyctis reader has taken a command
}

// cutOf returns the Cut of a framing, and its Silence where silence ends a frame.
func cutOf(f Framing) (cut dialogue.Cut[frame], silence func([]byte) (frame, bool)) {
	switch f {
	case Elyctis:
		return cutElyctis, nil
	case RTE6701:
		return cutRTE, nil
	case DESKO:
		return cutDESKO, func(p []byte) (frame, bool) { return frame{}, len(p) == 1 } // the EOD of the last
	default:
		return cutLines, func(p []byte) (frame, bool) { return frame{text: string(p)}, true }
	}
}

// cutLines leaves everything to silence, but does not hoard.
func cutLines(p []byte) (frame, int, int) { return frame{}, max(0, len(p)-longest), 0 }

func cutElyctis(p []byte) (f frame, skip, size int) {
	for ; skip < len(p); skip++ {
		q := p[skip:]
		switch {
		case bytes.HasPrefix(elyctisOn[:3], q[:min(len(q), 3)]):
			if len(q) < 4 {
				return f, skip, 0
			}
			if q[3] <= 1 {
				return frame{ack: true}, skip, 4
			}
		case q[0] != elyctisText:
		case len(q) < 3:
			return f, skip, 0
		default:
			n := int(q[1])<<8 | int(q[2])
			switch {
			case n > longest || !textual(q[3:min(len(q), 3+n)]):
			case len(q) < 3+n:
				return f, skip, 0
			default:
				return frame{text: string(q[3 : 3+n])}, skip, 3 + n
			}
		}
	}
	return f, skip, 0
}

func cutRTE(p []byte) (f frame, skip, size int) {
	for ; skip < len(p); skip++ {
		q := p[skip:]
		switch {
		case q[0] != soh:
		case len(q) < rteHead:
			return f, skip, 0
		case string(q[3:6]) != "OU\x02":
		default:
			end := bytes.IndexByte(q[rteHead:], etx)
			switch {
			case end < 0 && len(q) < longest && textual(q[rteHead:]), end >= 0 && len(q) < rteHead+end+2:
				return f, skip, 0
			case end >= 0 && textual(q[rteHead:rteHead+end]):
				return frame{text: string(q[rteHead : rteHead+end])}, skip, rteHead + end + 2
			}
		}
	}
	return f, skip, 0
}

// cutDESKO takes what stands between STX and ETX. The bytes around them name the device within it and differ ([M]: their
// values were not found), so one of them belongs to the frame and is nothing to complain about.
func cutDESKO(p []byte) (f frame, skip, size int) {
	for {
		at := bytes.IndexByte(p[skip:], stx)
		if at < 0 {
			return f, max(skip, len(p)-1), 0
		}
		head := at
		if at > 0 {
			skip, head = skip+at-1, 1
		}
		q := p[skip+head+1:]
		end := bytes.IndexByte(q, etx)
		switch {
		case end < 0 && len(q) < longest && textual(q):
			return f, skip, 0
		case end >= 0 && textual(q[:end]):
			return frame{text: string(q[:end])}, skip, head + 1 + end + 1
		}
		skip += head + 1
	}
}

// textual reports whether bytes can be lines of a zone, with blanks and with marks for what was not read.
func textual(p []byte) bool {
	return !slices.ContainsFunc(p, func(c byte) bool { return c != '\r' && c != '\n' && (c < ' ' || c > '~') })
}
