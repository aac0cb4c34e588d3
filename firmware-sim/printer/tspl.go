package printer

import (
	"fmt"
	"strconv"
	"strings"
)

// tsplFirmware speaks TSPL.
type tsplFirmware struct {
	p    *Printer
	tail [3]byte
}

func (t *tsplFirmware) receive(b byte) {
	t.tail = [3]byte{t.tail[1], t.tail[2], b}
	switch t.tail {
	case [3]byte{0x1B, '!', '?'}:
		t.p.send("sent", "状态字节 / status byte", []byte{tsplStatus(t.p.Condition())})
	case [3]byte{0x1B, '!', 'S'}:
		t.p.send("sent", "状态四字节 / status of four bytes", tsplLong(t.p.Condition()))
	case [3]byte{0x1B, '!', '.'}:
		t.p.rec.Add("received", "取消 / cancel", nil)
		t.p.forget()
	}
}

func tsplStatus(c Condition) (b byte) {
	for bit, on := range []bool{false, c.Cutter, c.PaperOut, c.RibbonOut, !c.Online, c.Busy, c.Cover, false} {
		if on {
			b |= 1 << bit
		}
	}
	return b
}

func tsplLong(c Condition) []byte {
	b := []byte{'@', '@', '@', '@'}
	switch {
	case c.Cover || c.Cutter || c.PaperOut || c.RibbonOut:
		b[0] = 'E'
	case !c.Online:
		b[0] = '`'
	case c.Busy:
		b[0] = 'W'
	}
	switch {
	case c.Cover:
		b[3] = 'H'
	case c.PaperOut:
		b[3] = 'A'
	case c.Cutter:
		b[3] = 'B'
	case c.RibbonOut:
		b[3] = 'D'
	}
	return append(append([]byte{2}, b...), 3, '\r', '\n')
}

// changed says nothing: a TSPL printer speaks when asked.
func (t *tsplFirmware) changed(_, _ Condition) {}

func (t *tsplFirmware) poweredOn() {}

// A tsplRun is one start of the interpreter.
type tsplRun struct {
	*machine
	label *canvas
}

func (t *tsplFirmware) run(m *machine) {
	r := &tsplRun{machine: m, label: newCanvas(m.p.set.Dots, 1200)}
	for m.err == nil {
		r.command()
	}
}

// perMM is 203 dpi.
const perMM = 203 / 25.4

// command reads a line: a word, and parameters with commas. BITMAP has its bytes behind the last comma.
func (r *tsplRun) command() {
	var b []byte
	for r.err == nil && len(b) < 4096 {
		c := r.next()
		if c == 0x1B { // an immediate command was obeyed when it arrived
			r.take(2)
			continue
		}
		if c == '\n' {
			break
		}
		if c != 0 || len(b) > 0 {
			b = append(b, c)
		}
		if strings.HasPrefix(string(b), "BITMAP ") && c == ',' && strings.Count(string(b), ",") == 5 {
			r.bitmap(ints(strings.TrimPrefix(string(b), "BITMAP ")))
			b = nil
		}
	}
	word, rest, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	if r.err == nil {
		r.obey(word, rest)
	}
}

func (r *tsplRun) obey(word, rest string) {
	n := ints(rest)
	switch word {
	case "SIZE":
		r.size(rest)
	case "CLS":
		r.label = newCanvas(r.label.w, r.label.h)
	case "BAR":
		r.label.rect(n[0], n[1], n[2], n[3])
	case "TEXT":
		if f := fields(rest); len(f) == 7 {
			at := ints(rest)
			r.p.glyph.write(r.label, at[0], at[1], 24*max(atoi(f[5]), 1), max(atoi(f[4]), 1), f[6])
		}
	case "QRCODE":
		if f := fields(rest); len(f) >= 7 && f[2] != "" {
			qrCode(r.label, n[0], n[1], atoi(f[3]), level(f[2][0]), f[len(f)-1])
		}
	case "BARCODE":
		if f := fields(rest); len(f) >= 9 {
			bars(r.label, n[0], n[1], atoi(f[6]), n[3], f[len(f)-1])
		}
	case "PRINT":
		r.print(max(n[0], 1))
	}
}

func atoi(s string) int { n, _ := strconv.Atoi(strings.TrimSpace(s)); return n }

// fields splits at commas outside of quotes and takes the quotes off.
func fields(s string) (f []string) {
	quoted, start := false, 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] == '"' {
			quoted = !quoted
		}
		if i == len(s) || s[i] == ',' && !quoted {
			f = append(f, strings.Trim(strings.TrimSpace(s[start:i]), `"`))
			start = i + 1
		}
	}
	return f
}

func (r *tsplRun) size(rest string) {
	f := fields(strings.ReplaceAll(rest, " mm", ""))
	if len(f) != 2 {
		return
	}
	h, err := strconv.ParseFloat(f[1], 64)
	if err == nil && h > 0 && h < 500 {
		r.label = newCanvas(r.p.set.Dots, int(h*perMM+0.5))
	}
}

// bitmap is BITMAP x,y,bytes,rows,mode: a 0 prints.
func (r *tsplRun) bitmap(n [6]int) {
	for y := range n[3] {
		row := r.take(n[2])
		if r.err != nil {
			return
		}
		for i := range row {
			row[i] = ^row[i]
		}
		r.label.bits(n[0], n[1]+y, row)
	}
	r.p.rec.Add("received", fmt.Sprintf("位图 %d × %d / bitmap of %d × %d dots", n[2]*8, n[3], n[2]*8, n[3]), nil)
}

func (r *tsplRun) print(copies int) {
	r.p.rec.Add("received", fmt.Sprintf("打印 %d 份 / print %d copies", copies, copies), nil)
	for range copies {
		r.page(r.label)
		r.cut()
	}
}
