package printer

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// Status bytes of Boca printers.
const (
	fglAck       = 0x06
	fglLow       = 0x0F
	fglOut       = 0x10
	fglXON       = 0x11
	fglPowerOn   = 0x12
	fglXOFF      = 0x13
	fglIllegal   = 0x15
	fglRibbonLow = 0x16
	fglRibbonOut = 0x17
	fglJam       = 0x18
	fglCutter    = 0x1D
)

// fglHeight is how long a ticket may be, in dots.
const fglHeight = 4000

// fglFirmware speaks Boca FGL.
type fglFirmware struct {
	p    *Printer
	tail []byte
}

// statusRequest is answered at once [M].
var statusRequest = []byte("<S1>")

func (f *fglFirmware) receive(b byte) {
	if f.tail = append(f.tail, b); len(f.tail) > len(statusRequest) {
		f.tail = f.tail[1:]
	}
	if bytes.Equal(f.tail, statusRequest) && !f.p.set.Mute {
		f.p.send("sent", "状态 / status", []byte{fglStatus(f.p.Condition())})
	}
}

// fglStatus is the byte for what is worst.
func fglStatus(c Condition) byte {
	switch {
	case c.Cutter:
		return fglCutter
	case c.Cover:
		return fglJam // the path is open
	case c.PaperOut:
		return fglOut
	case c.RibbonOut:
		return fglRibbonOut
	case !c.Online:
		return fglXOFF
	case c.RibbonLow:
		return fglRibbonLow
	case c.PaperLow:
		return fglLow
	}
	return fglXON
}

func (f *fglFirmware) changed(before, after Condition) {
	if is, was := fglStatus(after), fglStatus(before); is != was {
		f.p.send("sent", fmt.Sprintf("事件 %02X / event %02X", is, is), []byte{is})
	}
}

func (f *fglFirmware) poweredOn() {
	f.p.send("sent", "上电 / power on", []byte{fglPowerOn})
}

// An fglRun is one start of the interpreter.
type fglRun struct {
	*machine
	page     *canvas
	used     int // rows with something on them
	row, col int
	char     int // height of a character
	times    [2]int
	qr       int // dots of a module; 0 = what follows is text
}

func (f *fglFirmware) run(m *machine) {
	r := &fglRun{machine: m}
	r.reset()
	for m.err == nil {
		r.step()
	}
}

func (r *fglRun) reset() {
	r.page, r.used, r.row, r.col, r.char, r.times, r.qr = newCanvas(r.p.set.Dots, fglHeight), 0, 0, 0, 24, [2]int{1, 1}, 0
}

func (r *fglRun) step() {
	switch b := r.next(); b {
	case '<':
		r.command(r.until('>'))
	case '{':
		data := r.until('}')
		if side := qrCode(r.page, r.col, r.row, max(r.qr, 1), qr.M, data); side > 0 {
			r.mark(r.row + side)
			r.say("二维码 %d 字节 / QR code of %d bytes", len(data), len(data))
		}
	case 0, '\r', '\n':
	default:
		text := string(b) + r.until('\r')
		r.p.glyph.write(r.page, r.col, r.row, r.char*r.times[0], r.times[1], text)
		r.mark(r.row + r.char*r.times[0])
	}
}

func (r *fglRun) until(end byte) string {
	var b []byte
	for r.err == nil && len(b) < 4096 {
		c := r.next()
		if c == end {
			break
		}
		b = append(b, c)
	}
	return string(b)
}

func (r *fglRun) mark(row int) { r.used = max(r.used, min(row, fglHeight)) }

func (r *fglRun) say(format string, args ...any) {
	if r.err == nil {
		r.p.rec.Add("received", fmt.Sprintf(format, args...), nil)
	}
}

func (r *fglRun) command(c string) {
	n, ok := 0, true
	number := func(prefix string) bool {
		rest, is := strings.CutPrefix(c, prefix)
		if !is || rest == "" {
			return false
		}
		var err error
		n, err = strconv.Atoi(rest)
		return err == nil && n >= 0
	}
	switch {
	case r.err != nil, c == "NR", c == "S1", number("F"), number("P"), number("CC"):
	case strings.HasPrefix(c, "RC"):
		r.row, r.col, ok = pair(c[2:])
	case strings.HasPrefix(c, "HW"):
		r.times[0], r.times[1], ok = pair(c[2:])
	case number("QR"):
		r.qr = n
	case number("G"):
		r.graphics(r.take(n))
	case c == "p", c == "q":
		r.print(c == "p")
	case c == "CB":
		r.reset()
	default:
		ok = false
	}
	if !ok && r.err == nil {
		r.p.send("sent", fmt.Sprintf("非法命令 %q / illegal command %q", c, c), []byte{fglIllegal})
	}
}

func pair(s string) (a, b int, ok bool) {
	x, y, ok := strings.Cut(s, ",")
	if !ok {
		return 0, 0, false
	}
	a, err1 := strconv.Atoi(x)
	b, err2 := strconv.Atoi(y)
	return a, b, err1 == nil && err2 == nil && a >= 0 && b >= 0
}

// graphics are columns of eight dots, the highest bit on top.
func (r *fglRun) graphics(p []byte) {
	for i, column := range p {
		for bit := range 8 {
			if column&(0x80>>bit) != 0 {
				r.page.dot(r.col+i, r.row+bit, true)
			}
		}
	}
	r.mark(r.row + 8)
}

func (r *fglRun) print(cut bool) {
	r.say("打印 %d 行 / print %d rows", r.used, r.used)
	for _, row := range r.page.rows[:r.used] {
		r.machine.row(row)
	}
	if cut {
		r.cut()
	}
	if r.err == nil {
		r.p.send("sent", "票已出 06 / ticket ACK 06", []byte{fglAck})
	}
	r.reset()
}
