package printer

import (
	"bytes"
	"fmt"
	"sync/atomic"

	"github.com/boombuler/barcode/qr"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// escposFirmware speaks ESC/POS.
type escposFirmware struct {
	p    *Printer
	tail []byte      // the last bytes that came, for commands which cannot wait
	asb  atomic.Bool // automatic status back is on
	note atomic.Bool // GS ( H function 49: report going offline
}

// receive obeys real-time commands wherever they stand, in graphics as well.
func (e *escposFirmware) receive(b byte) {
	e.tail = append(e.tail, b)
	if len(e.tail) > 10 {
		e.tail = e.tail[1:]
	}
	switch t := e.tail; {
	case ends(t, 0x10, 0x04) && b >= 1 && b <= 4:
		e.p.send("sent", fmt.Sprintf("实时状态 %d / real-time status %d", b, b), []byte{e.status(b)})
	case ends(t, 0x10, 0x05) && (b == 1 || b == 2):
		e.recover(b == 2)
	case bytes.Equal(t, []byte{0x10, 0x14, 8, 1, 3, 0x14, 1, 6, 2, 8}):
		e.p.rec.Add("received", "清缓冲 DLE DC4 8 / clear buffers", nil)
		e.p.forget()
		e.p.send("sent", "缓冲已清 / buffers cleared", []byte{0x37, 0x25, 0})
	case ends(t, 0x10, 0x14) && b == 1:
		e.p.rec.Add("drawer", "弹钱箱 / cash drawer kicked", nil)
	}
}

// ends reports whether a command of these two bytes and one more ends here.
func ends(t []byte, first, second byte) bool {
	n := len(t)
	return n >= 3 && t[n-3] == first && t[n-2] == second
}

// recover is DLE ENQ.
func (e *escposFirmware) recover(clear bool) {
	e.p.rec.Add("received", fmt.Sprintf("恢复 DLE ENQ，清除 %v / recover, clear %v", clear, clear), nil)
	if clear {
		e.p.forget()
	}
	if !e.p.Condition().Cutter {
		e.p.change(func(c *Condition) { c.Waiting = false })
	}
}

// status is the answer to DLE EOT n.
func (e *escposFirmware) status(n byte) byte {
	c := e.p.Condition()
	var bits byte
	set := func(on bool, bit byte) {
		if on {
			bits |= bit
		}
	}
	switch n {
	case 1:
		set(true, 0x04) // the drawer's pin is high: nothing is connected
		set(c.stopped(), 0x08)
		set(c.Waiting, 0x20)
	case 2:
		set(c.Cover, 0x04)
		set(c.PaperOut, 0x20)
		set(c.Cutter || c.Waiting, 0x40)
	case 3:
		set(c.Cutter || c.Waiting, 0x08)
	case 4:
		set(c.PaperLow || c.PaperOut, 0x0C)
		set(c.PaperOut, 0x60)
	}
	return 0x12 | bits
}

// back is the automatic status.
func back(c Condition) []byte {
	b := []byte{0x14, 0, 0, 0}
	for _, x := range []struct {
		on  bool
		at  int
		bit byte
	}{
		{c.stopped(), 0, 0x08},
		{c.Cover, 0, 0x20},
		{c.Waiting, 1, 0x01},
		{c.Cutter || c.Waiting, 1, 0x08},
		{c.PaperLow || c.PaperOut, 2, 0x03},
		{c.PaperOut, 2, 0x0C},
	} {
		if x.on {
			b[x.at] |= x.bit
		}
	}
	return b
}

func (e *escposFirmware) changed(before, after Condition) {
	if e.asb.Load() && !bytes.Equal(back(before), back(after)) {
		e.p.send("sent", "自动状态 / automatic status", back(after))
	}
	if e.note.Load() && after.stopped() && !before.stopped() {
		e.p.send("sent", "脱机通知 / going offline", []byte{0x37, 0x23, 0})
	}
}

func (e *escposFirmware) poweredOn() {
	e.asb.Store(false)
	e.note.Store(false)
}

// An escposRun is one start of the interpreter.
type escposRun struct {
	*machine
	fw     *escposFirmware
	line   *canvas
	x      int // where the next character goes
	align  byte
	width  int // of characters, times
	height int
	qr     struct {
		module int
		level  qr.ErrorCorrectionLevel
		data   string
	}
}

// lineDots is the height of a line of text, charDots that of a character.
const (
	lineDots = 30
	charDots = 24
)

func (e *escposFirmware) run(m *machine) {
	r := &escposRun{machine: m, fw: e}
	r.reset()
	for m.err == nil {
		r.command()
	}
}

func (r *escposRun) reset() {
	r.line, r.x, r.align, r.width, r.height = newCanvas(r.p.set.Dots, charDots*8), 0, 0, 1, 1
	r.qr.module, r.qr.level = 3, qr.L
}

func (r *escposRun) say(format string, args ...any) {
	if r.err == nil {
		r.p.rec.Add("received", fmt.Sprintf(format, args...), nil)
	}
}

func (r *escposRun) command() {
	switch b := r.next(); b {
	case 0x1B:
		r.esc(r.next())
	case 0x1D:
		r.gs(r.next())
	case 0x1C: // FS & and FS . : two-byte characters are always on here
		r.next()
	case 0x10:
		r.realtime(r.next())
	case '\n':
		r.flush()
	case 0, '\r':
	default:
		if b >= 0x20 {
			r.text(b)
		}
	}
}

// realtime skips what was obeyed when it arrived.
func (r *escposRun) realtime(b byte) {
	switch b {
	case 0x04, 0x05:
		r.next()
	case 0x14:
		r.take(3)
	}
}

func (r *escposRun) esc(b byte) {
	switch b {
	case '@':
		r.say("初始化 / initialise")
		r.reset()
	case 'a':
		r.align = r.next() & 3
	case 'd':
		n := int(r.next())
		r.say("走纸 %d 行 / feed %d lines", n, n)
		r.flush()
		r.feed(n * lineDots)
	case 'J':
		r.flush()
		r.feed(int(r.next()))
	case 'E', 't', '3', 'M', '-':
		r.next()
	case 'p':
		r.take(3)
		r.p.rec.Add("drawer", "弹钱箱 / cash drawer kicked", nil)
	}
}

func (r *escposRun) gs(b byte) {
	switch b {
	case 'a':
		on := r.next() != 0
		r.say("自动状态 %v / automatic status %v", on, on)
		if r.fw.asb.Store(on); on && r.err == nil {
			r.p.send("sent", "自动状态 / automatic status", back(r.p.Condition()))
		}
	case '!':
		n := r.next()
		r.width, r.height = int(n>>4)+1, int(n&7)+1
	case 'V':
		if n := r.next(); n >= 65 {
			r.flush()
			r.feed(int(r.next()) + 60) // to the cutter
		}
		r.say("切纸 / cut")
		r.cut()
	case 'v':
		r.raster()
	case '(':
		r.block(r.next())
	case 'r':
		r.next()
		r.ready() // not while the paper is out
		if r.err == nil {
			r.p.send("sent", "纸状态 GS r / paper status", []byte{map[bool]byte{true: 0x03}[r.p.Condition().PaperLow]})
		}
	}
}

// raster is GS v 0.
func (r *escposRun) raster() {
	h := r.take(6) // '0', mode, xL, xH, yL, yH
	if r.err != nil {
		return
	}
	w, rows := int(h[2])+int(h[3])<<8, int(h[4])+int(h[5])<<8
	r.say("光栅 %d × %d / raster of %d × %d dots", w*8, rows, w*8, rows)
	for range rows {
		if bits := r.take(w); r.err == nil {
			r.row(bits)
		}
	}
}

// block is GS ( and a letter.
func (r *escposRun) block(kind byte) {
	if kind == 'H' && r.p.set.Clone { // does not know it, and prints what follows
		r.take(2)
		return
	}
	h := r.take(2)
	if r.err != nil {
		return
	}
	data := r.take(int(h[0]) + int(h[1])<<8)
	if r.err != nil || len(data) < 2 {
		return
	}
	switch {
	case kind == 'k' && data[0] == 0x31:
		r.qrCode(data[1], data[2:])
	case kind == 'H' && data[0] == 0x30 && len(data) == 6:
		r.ready()
		if id := data[2:]; r.err == nil {
			r.p.send("sent", fmt.Sprintf("进程号 %s / process id %s", id, id), append(append([]byte{0x37, 0x22}, id...), 0))
		}
	case kind == 'H' && data[0] == 0x31 && len(data) == 3:
		r.fw.note.Store(data[2]&3 != 0)
	}
}

// qrCode is GS ( k for QR codes.
func (r *escposRun) qrCode(fn byte, data []byte) {
	switch fn {
	case 0x43:
		r.qr.module = int(data[0])
	case 0x45:
		r.qr.level = level(data[0])
	case 0x50:
		r.qr.data = string(data[1:])
	case 0x51:
		c := newCanvas(r.p.set.Dots, 177*r.qr.module)
		side := qrCode(c, 0, 0, r.qr.module, r.qr.level, r.qr.data)
		at := newCanvas(r.p.set.Dots, side)
		qrCode(at, (r.p.set.Dots-side)*int(r.align)/2, 0, r.qr.module, r.qr.level, r.qr.data)
		r.say("二维码 %d 字节 / QR code of %d bytes", len(r.qr.data), len(r.qr.data))
		r.page(at)
	}
}

// text reads one character of GB 18030: one, two or four bytes.
func (r *escposRun) text(b byte) {
	char := []byte{b}
	if b > 0x80 {
		char = append(char, r.next())
		if char[1] >= 0x30 && char[1] <= 0x39 {
			char = append(char, r.take(2)...)
		}
	}
	s, err := simplifiedchinese.GB18030.NewDecoder().Bytes(char)
	if err != nil || r.err != nil {
		return
	}
	w := charDots * r.width
	if len(char) == 1 {
		w /= 2
	}
	if r.x+w > r.p.set.Dots {
		r.flush()
	}
	r.x = r.p.glyph.write(r.line, r.x, 0, charDots*r.height, 1, string(s))
}

// flush prints the line of text.
func (r *escposRun) flush() {
	if r.x == 0 {
		return
	}
	out := newCanvas(r.p.set.Dots, max(lineDots, charDots*r.height+6))
	shift := (r.p.set.Dots - r.x) * int(r.align) / 2
	for y := range min(out.h, r.line.h) {
		out.bits(shift, y, r.line.rows[y])
	}
	r.say("一行文字 / a line of text")
	r.line, r.x = newCanvas(r.p.set.Dots, charDots*8), 0
	for _, row := range out.rows {
		r.row(row)
	}
}
