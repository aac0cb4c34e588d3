package tspl

import (
	"bytes"
	"fmt"

	"yipiao/drivers"
	"yipiao/drivers/face"
)

// Bits of the answer to <ESC>!? (TSC and Gprinter manuals).
const (
	bitHead    = 0x01
	bitJam     = 0x02
	bitPaper   = 0x04
	bitRibbon  = 0x08
	bitPause   = 0x10
	bitBusy    = 0x20
	bitCover   = 0x40
	bitTooHot  = 0x80
	bitsFaulty = bitHead | bitJam | bitPaper | bitRibbon | bitPause | bitCover | bitTooHot
)

// Status is what the byte means. TSPL does not know "low", and a jam may be anywhere.
func Status(b byte) drivers.PrinterStatus {
	st := drivers.PrinterStatus{
		Online: b&bitPause == 0, Paper: drivers.LevelOK, Ribbon: drivers.LevelOK,
		Cover: b&(bitHead|bitCover) != 0, Cutter: b&bitJam != 0,
	}
	if b&bitPaper != 0 {
		st.Paper = drivers.LevelOut
	}
	if b&bitRibbon != 0 {
		st.Ribbon = drivers.LevelOut
	}
	if b&bitTooHot != 0 {
		st.Error, st.Note = true, "head too hot"
	}
	return st
}

// Busy reports whether the printer prints.
func Busy(b byte) bool { return b&bitBusy != 0 }

// Faulty reports whether something keeps the printer from printing.
func Faulty(b byte) bool { return b&bitsFaulty != 0 }

// A Long is the answer to <ESC>!S: message, warning, and two bytes of errors.
type Long [4]byte

// longSize is STX, four bytes, ETX, CR and LF.
const longSize = 8

// DecodeLong reads the answer to <ESC>!S from the front of p. n is how many bytes it took, 0 where more are
// needed; ok is false where the front is no such answer.
func DecodeLong(p []byte) (l Long, n int, ok bool) {
	want := [longSize]byte{0: 0x02, 5: 0x03, 6: '\r', 7: '\n'}
	for i := range min(len(p), longSize) {
		inner := i > 0 && i < 5
		if inner && (p[i] < 0x40 || p[i] > 0x7F) || !inner && p[i] != want[i] {
			return l, 1, false
		}
	}
	if len(p) < longSize {
		return l, 0, true
	}
	return Long(p[1:5]), longSize, true
}

// Idle reports whether the message is "normal": not printing, paused, nor in error.
func (l Long) Idle() bool { return l[0] == '@' }

// Note names what the error byte says [M beyond A, B and D].
func (l Long) Note() string {
	switch l[3] {
	case 'A':
		return "paper is out"
	case 'B':
		return "paper jam"
	case 'D':
		return "ribbon is out"
	case 'H':
		return "head is open"
	}
	return ""
}

// Commands.
const (
	askByte   = "\x1b!?"
	askLong   = "\x1b!S"
	cancelAll = "\x1b!." // [M]
)

// bandRows is how high one BITMAP is: one that was broken off is soon filled up.
const bandRows = 64

// AppendTicket adds a page as one label: bitmaps of its black parts. The printer is told not to print again
// by itself after an error (SET REPRINT OFF [M]).
func AppendTicket(p []byte, b *face.Bitmap, dpi int, cut bool) []byte {
	mm := func(dots int) float64 { return float64(dots) * 25.4 / float64(dpi) }
	p = fmt.Appendf(p, "SIZE %.2f mm,%.2f mm\r\nSET REPRINT OFF\r\n", mm(b.Width), mm(b.Height))
	if cut {
		p = append(p, "SET CUTTER 1\r\n"...)
	}
	p = append(p, "CLS\r\n"...)
	for y := 0; y < b.Height; y += bandRows {
		p = appendBand(p, b, y, min(bandRows, b.Height-y))
	}
	return append(p, "PRINT 1,1\r\n"...)
}

// appendBand adds the black part of some rows; nothing where there is none. A 0 prints.
func appendBand(p []byte, b *face.Bitmap, y, rows int) []byte {
	left, right := b.Stride, 0
	for i := range rows {
		row := b.Row(y + i)
		if ink := len(bytes.TrimRight(row, "\x00")); ink > 0 {
			right = max(right, ink)
			left = min(left, len(row)-len(bytes.TrimLeft(row, "\x00")))
		}
	}
	if right == 0 {
		return p
	}
	p = fmt.Appendf(p, "BITMAP %d,%d,%d,%d,0,", left*8, y, right-left, rows)
	start := len(p)
	for i := range rows {
		for _, x := range b.Row(y + i)[left:right] {
			p = append(p, ^x)
		}
	}
	defuse(p[start:])
	return append(p, "\r\n"...)
}

// defuse changes a dot wherever dots would spell the beginning of an immediate command: printers obey
// those wherever they stand.
func defuse(p []byte) {
	for i := 0; i+1 < len(p); i++ {
		if p[i] == 0x1B && p[i+1] == '!' {
			p[i+1] ^= 0x08
		}
	}
}
