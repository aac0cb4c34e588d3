package pn532

import (
	"bytes"
	"fmt"
)

// Bytes of a frame, UM0701-02 §6.2.
const (
	tfiHost = 0xD4
	tfiChip = 0xD5
	// around is what a frame has besides its data: preamble, start code (2), length, its checksum, checksum, postamble.
	around = 7
)

// start is preamble and start code.
var start = []byte{0x00, 0x00, 0xFF}

// Commands, UM0701-02 §7.
const (
	cmdFirmware  = 0x02
	cmdSAM       = 0x14
	cmdConfigure = 0x32
	cmdList      = 0x4A
)

// Parameters of the commands.
var (
	normalMode = []byte{0x01, 0x14, 0x01} // no SAM, time-out 1 s, IRQ
	// retries: item 5, activation tried three times. [M]: without it the chip looks for a card without end.
	retries  = []byte{0x05, 0xFF, 0x01, 0x02}
	oneTypeA = []byte{0x01, 0x00} // one card, 106 kbit/s type A
)

var (
	// wakeUp is what the UART needs to come out of power down.
	wakeUp = append([]byte{0x55, 0x55}, make([]byte, 14)...)
	// ack ends whatever the chip is doing.
	ack = []byte{0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00}
)

// A frame is one frame of the chip.
type frame struct {
	Control bool // ACK, NACK or error frame
	Error   bool // error frame: the chip did not understand
	Code    byte // of an answer: the command and one
	Data    []byte
}

func sum(p []byte) (s byte) {
	for _, b := range p {
		s += b
	}
	return s
}

// AppendCommand adds a command to dst.
func AppendCommand(dst []byte, command byte, param ...byte) []byte {
	n := byte(len(param) + 2)
	dst = append(append(dst, start...), n, -n)
	at := len(dst)
	dst = append(append(dst, tfiHost, command), param...)
	return append(dst, -sum(dst[at:]), 0)
}

// cut finds the first intact frame in p; see dialogue.Cut. The start code may occur in data, so only the checksums make
// a frame.
func cut(p []byte) (f frame, skip, size int) {
	for {
		at := bytes.Index(p[skip:], start)
		if at < 0 {
			return f, max(skip, len(p)-partOfStart(p)), 0
		}
		skip += at
		f, size, more := head(p[skip:])
		if size > 0 || more {
			return f, skip, size
		}
		skip++
	}
}

// partOfStart is how many bytes at the end of p may be the beginning of a frame.
func partOfStart(p []byte) int {
	for n := min(len(p), len(start)-1); n > 0; n-- {
		if bytes.HasSuffix(p, start[:n]) {
			return n
		}
	}
	return 0
}

// head reads the frame at the front of p. more says that it is not complete; size 0 without more that it is none.
func head(p []byte) (f frame, size int, more bool) {
	if len(p) < 6 {
		return f, 0, true
	}
	n, whole := int(p[3]), around+int(p[3])
	switch {
	case n == 0 && p[4] == 0xFF, n == 0xFF && p[4] == 0: // ACK, NACK
		return frame{Control: true}, 6, false
	case p[3]+p[4] != 0 || n == 0:
		return f, 0, false
	case len(p) < whole:
		return f, 0, true
	case sum(p[5:whole-1]) != 0:
		return f, 0, false
	case n == 1:
		return frame{Control: true, Error: true}, whole, false
	case p[5] != tfiChip:
		return f, 0, false
	}
	return frame{Code: p[6], Data: bytes.Clone(p[7 : whole-2])}, whole, false
}

// card reads the answer to a look for a card: number, then of the first its target number, SENS_RES (2), SEL_RES, length
// and UID. ok is false for an answer that makes no sense; uid is nil where there is no card.
func (f frame) card() (uid []byte, ok bool) {
	if len(f.Data) == 0 {
		return nil, false
	}
	if f.Data[0] == 0 {
		return nil, true
	}
	if len(f.Data) < 6 {
		return nil, false
	}
	n := int(f.Data[5])
	if n != 4 && n != 7 && n != 10 || len(f.Data) < 6+n {
		return nil, false
	}
	return f.Data[6 : 6+n], true
}

// version reads the answer to the question for the firmware: IC, version, revision, support.
func (f frame) version() string {
	if len(f.Data) < 3 {
		return ""
	}
	return fmt.Sprintf("PN5%02X %d.%d", f.Data[0], f.Data[1], f.Data[2])
}
