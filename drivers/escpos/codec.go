package escpos

import "bytes"

// Control bytes.
const (
	nul = 0x00
	eot = 0x04
	enq = 0x05
	dle = 0x10
	xon = 0x11
	xof = 0x13
	esc = 0x1B
	gs  = 0x1D
)

// How a byte from the printer tells its class [M: the masks of the classes are of several manuals].
const (
	maskFixed    = 0x93
	fixedEOT     = 0x12 // an answer to DLE EOT
	fixedASB     = 0x10 // the first of four bytes of automatic status back
	maskRest     = 0x90 // bytes 2 to 4 of it, and answers to GS r: both bits 0
	blockHead    = 0x37 // begins a block that ends with NUL
	blockID      = 0x22 // GS ( H function 48
	blockOffline = 0x23 // GS ( H function 49
	blockCleared = 0x25 // DLE DC4 function 8 [M]
	maxBlock     = 16
)

// A FrameKind is what sort of message a printer has sent.
type FrameKind uint8

// Kinds of frames. The zero value is a byte that no message begins with.
const (
	Unknown  FrameKind = iota
	Realtime           // Data[0] answers DLE EOT
	ASB                // Data are the four bytes of automatic status back
	ID                 // Data is the process id of GS ( H function 48
	Offline            // GS ( H function 49: the printer goes offline; Data is the cause, if any
	Cleared            // buffers were cleared
	Response           // Data[0] answers GS r
	Flow               // Data[0] is XON or XOFF
)

// A Frame is one message of a printer.
type Frame struct {
	Kind FrameKind
	Data []byte // owned by the receiver
}

// Decode takes the first frame off p. n is how many bytes it took; 0 means that more are needed.
func Decode(p []byte) (f Frame, n int) {
	if len(p) == 0 {
		return Frame{}, 0
	}
	b := p[0]
	switch {
	case b == blockHead:
		return decodeBlock(p)
	case b == xon || b == xof:
		return frame(Flow, p[:1]), 1
	case b&maskFixed == fixedEOT:
		return frame(Realtime, p[:1]), 1
	case b&maskFixed == fixedASB:
		return decodeASB(p)
	case b&maskRest == 0:
		return frame(Response, p[:1]), 1
	}
	return frame(Unknown, p[:1]), 1
}

func frame(k FrameKind, data []byte) Frame { return Frame{Kind: k, Data: bytes.Clone(data)} }

func decodeASB(p []byte) (Frame, int) {
	for i := 1; i < 4; i++ {
		switch {
		case i >= len(p):
			return Frame{}, 0
		case p[i]&maskRest != 0: // not of a status: the first byte stands alone
			return frame(Unknown, p[:1]), 1
		}
	}
	return frame(ASB, p[:4]), 4
}

func decodeBlock(p []byte) (Frame, int) {
	if len(p) < 2 {
		return Frame{}, 0
	}
	kind, ok := map[byte]FrameKind{blockID: ID, blockOffline: Offline, blockCleared: Cleared}[p[1]]
	if !ok {
		return frame(Unknown, p[:1]), 1
	}
	for i := 2; i < len(p) && i < maxBlock; i++ {
		switch {
		case p[i] == nul && (kind != ID || i == 2+idSize):
			return frame(kind, p[2:i]), i + 1
		case p[i] < 0x20 || p[i] > 0x7E:
			return frame(Unknown, p[:1]), 1
		}
	}
	if len(p) >= maxBlock {
		return frame(Unknown, p[:1]), 1
	}
	return Frame{}, 0
}

// idSize is how long a process id is.
const idSize = 4

// Commands.

// AppendStatus asks for DLE EOT n, 1 to 4.
func AppendStatus(p []byte, n byte) []byte { return append(p, dle, eot, n) }

// AppendASB switches automatic status back on for everything.
func AppendASB(p []byte) []byte { return append(p, gs, 'a', 0xFF) }

// AppendInit resets the printer's modes.
func AppendInit(p []byte) []byte { return append(p, esc, '@') }

// AppendRecover ends an error and throws away what is in the buffers: never the function that reprints.
func AppendRecover(p []byte) []byte { return append(p, dle, enq, 2) }

// AppendID asks the printer to send a process id of four characters, 20 to 7E, when everything before is
// done (GS ( H function 48).
func AppendID(p []byte, id string) []byte {
	return append(append(p, gs, '(', 'H', 6, 0, 0x30, 0x30), id...)
}

// AppendPaper asks for the paper status in turn (GS r 1).
func AppendPaper(p []byte) []byte { return append(p, gs, 'r', 1) }

// A Cut is how a ticket is cut off.
type Cut string

// Cuts.
const (
	CutPartial Cut = "partial"
	CutFull    Cut = "full"
	CutNone    Cut = "none" // paper is fed so far that it can be torn off
)

// AppendCut feeds to the cutter and cuts.
func AppendCut(p []byte, c Cut) []byte {
	switch c {
	case CutFull:
		return append(p, gs, 'V', 65, 0)
	case CutNone:
		return append(p, esc, 'd', 6)
	}
	return append(p, gs, 'V', 66, 0)
}
