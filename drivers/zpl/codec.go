package zpl

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"yipiao/drivers"
	"yipiao/drivers/face"
)

// Framing of a string of the host status.
const (
	stx = 0x02
	etx = 0x03
)

// fields are how many fields each of the three strings has.
var fields = [3]int{12, 11, 2}

// maxString is how long a string may be; the longest has 60 bytes.
const maxString = 128

// Next takes the first string off p: what stands between STX and ETX. n is how many bytes it took, 0 where
// more are needed; ok is false for bytes that are no string.
func Next(p []byte) (s string, n int, ok bool) {
	start := bytes.IndexByte(p, stx)
	switch {
	case start < 0:
		return "", len(p), len(bytes.Trim(p, "\r\n")) == 0
	case len(bytes.Trim(p[:start], "\r\n")) > 0:
		return "", start, false
	}
	end := bytes.IndexByte(p[start:], etx)
	again := bytes.IndexByte(p[start+1:], stx)
	switch {
	case again >= 0 && (end < 0 || again+1 < end): // broke off, and another began
		return "", start + 1 + again, false
	case end < 0 && len(p)-start > maxString:
		return "", start + 1, false
	case end < 0:
		return "", 0, true
	}
	return string(p[start+1 : start+end]), start + end + 1, true
}

// A HostStatus is what ~HS says.
type HostStatus struct {
	PaperOut, Paused, BufferFull bool
	Formats                      int // received and not yet printed
	Corrupt, UnderTemp, OverTemp bool
	HeadOpen, RibbonOut, Waiting bool
	Left                         int // labels of the batch
	hasPaper, hasHead, hasRest   bool
}

// Parse adds one of the three strings. Which one it is shows by its number of fields. It returns an error
// for anything else.
func (h *HostStatus) Parse(s string) error {
	f := strings.Split(s, ",")
	n := make([]int, len(f))
	for i, x := range f {
		v, err := strconv.Atoi(x)
		if err != nil || v < 0 {
			return fmt.Errorf("zpl: field %d of a status is no number", i+1)
		}
		n[i] = v
	}
	switch len(f) {
	case fields[0]:
		h.PaperOut, h.Paused, h.Formats, h.BufferFull = n[1] != 0, n[2] != 0, n[4], n[5] != 0
		h.Corrupt, h.UnderTemp, h.OverTemp = n[9] != 0, n[10] != 0, n[11] != 0
		h.hasPaper = true
	case fields[1]:
		h.HeadOpen, h.RibbonOut, h.Waiting, h.Left = n[2] != 0, n[3] != 0, n[7] != 0, n[8]
		h.hasHead = true
	case fields[2]:
		h.hasRest = true
	default:
		return fmt.Errorf("zpl: a status of %d fields", len(f))
	}
	return nil
}

// Whole reports whether all three strings are there.
func (h HostStatus) Whole() bool { return h.hasPaper && h.hasHead && h.hasRest }

// Idle reports whether nothing is left to print.
func (h HostStatus) Idle() bool { return h.Formats == 0 && h.Left == 0 && !h.Waiting }

// Status is what it means for a printer. ZPL does not know "low".
func (h HostStatus) Status() drivers.PrinterStatus {
	st := drivers.PrinterStatus{Online: !h.Paused, Paper: drivers.LevelOK, Ribbon: drivers.LevelOK, Cover: h.HeadOpen}
	if h.PaperOut {
		st.Paper = drivers.LevelOut
	}
	if h.RibbonOut {
		st.Ribbon = drivers.LevelOut
	}
	switch {
	case h.Corrupt:
		st.Note = "memory was lost"
	case h.OverTemp:
		st.Note = "head too hot"
	case h.UnderTemp:
		st.Note = "head too cold"
	}
	st.Error = st.Note != ""
	return st
}

// Commands.
const (
	hostStatus = "~HS"
	cancelAll  = "~JA"
)

// AppendLabel adds a page as one label with one graphic. The printer is told not to print again by itself
// after an error (^JZN [M]).
func AppendLabel(p []byte, b *face.Bitmap, cut bool) []byte {
	p = fmt.Appendf(p, "^XA^JZN^PW%d^LL%d^LH0,0^FO0,0", b.Width, b.Height)
	if cut {
		p = append(p, "^MMC"...)
	}
	p = fmt.Appendf(p, "^GFA,%d,%d,%d,", b.Stride*b.Height, b.Stride*b.Height, b.Stride)
	return append(AppendGraphic(p, b), "^FS^PQ1^XZ\r\n"...)
}

// AppendGraphic writes rows as hexadecimal digits with ZPL's run lengths: G to Y stand for 1 to 19 times,
// g to z for 20 to 400, a comma for zeros to the end of the row, a colon for the row before.
func AppendGraphic(p []byte, b *face.Bitmap) []byte {
	var before []byte
	for y := range b.Height {
		row := b.Row(y)
		if before != nil && bytes.Equal(row, before) {
			p = append(p, ':')
			continue
		}
		before = row
		digits := bytes.ToUpper([]byte(hex.EncodeToString(row)))
		ink := bytes.TrimRight(digits, "0")
		for i := 0; i < len(ink); {
			n := 1
			for i+n < len(ink) && ink[i+n] == ink[i] {
				n++
			}
			p = append(appendRun(p, n), ink[i])
			i += n
		}
		if len(ink) < len(digits) {
			p = append(p, ',')
		}
	}
	return p
}

// appendRun adds the letters for a number of repetitions; none for one, and it sums letters up.
func appendRun(p []byte, n int) []byte {
	if n == 1 {
		return p
	}
	for n >= 20 {
		k := min(n/20, 20)
		p = append(p, byte('f'+k))
		n -= k * 20
	}
	if n > 0 {
		p = append(p, byte('F'+n))
	}
	return p
}
