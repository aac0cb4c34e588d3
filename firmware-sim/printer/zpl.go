package printer

import (
	"fmt"
	"strconv"
	"strings"
)

// zplFirmware speaks ZPL.
type zplFirmware struct {
	p       *Printer
	tail    string
	formats int // in the buffer; guarded by p.mu, as left is
	left    int // labels to print
}

func (z *zplFirmware) receive(b byte) {
	if z.tail += string(rune(b)); len(z.tail) > 3 {
		z.tail = z.tail[1:]
	}
	switch z.tail {
	case "^XZ":
		z.count(1, 0)
	case "~HS":
		z.p.send("sent", "主机状态 ~HS / host status", z.status())
	case "~JA":
		z.p.rec.Add("received", "全部取消 ~JA / cancel all", nil)
		z.clear()
		z.p.forget()
	}
}

func (z *zplFirmware) count(formats, labels int) {
	z.p.mu.Lock()
	defer z.p.mu.Unlock()
	z.formats = max(z.formats+formats, 0)
	z.left = max(z.left+labels, 0)
}

func (z *zplFirmware) clear() {
	z.p.mu.Lock()
	defer z.p.mu.Unlock()
	z.formats, z.left = 0, 0
}

// status is the answer to ~HS.
func (z *zplFirmware) status() []byte {
	c := z.p.Condition()
	z.p.mu.Lock()
	formats, left := z.formats, z.left
	z.p.mu.Unlock()
	bit := map[bool]int{true: 1}
	lines := []string{
		fmt.Sprintf("030,%d,%d,1245,%03d,0,0,0,000,0,0,0", bit[c.PaperOut], bit[!c.Online || c.Cutter], formats),
		fmt.Sprintf("000,0,%d,%d,1,2,6,0,%08d,1,000", bit[c.Cover], bit[c.RibbonOut], left),
		"1234,0",
	}
	var out []byte
	for _, l := range lines {
		out = append(out, "\x02"+l+"\x03\r\n"...)
	}
	return out
}

// changed says nothing: a ZPL printer speaks when asked.
func (z *zplFirmware) changed(_, _ Condition) {}

func (z *zplFirmware) poweredOn() { z.clear() }

// A zplRun is one start of the interpreter.
type zplRun struct {
	*machine
	fw            *zplFirmware
	width, length int
	x, y          int
	char          int
	copies        int
	field         byte // what ^FD is: 0 text, 'Q', 'C'
	module, high  int
	label         *canvas
}

func (z *zplFirmware) run(m *machine) {
	r := &zplRun{machine: m, fw: z}
	for m.err == nil {
		if b := m.next(); b == '^' && m.next() == 'X' && m.next() == 'A' {
			r.format()
		}
	}
}

// format runs from ^XA to ^XZ.
func (r *zplRun) format() {
	r.width, r.length, r.copies, r.char, r.module = r.p.set.Dots, 1200, 1, 30, 2
	r.label = newCanvas(r.p.set.Dots, 4000)
	r.seek()
	for r.err == nil {
		name := string([]byte{r.next(), r.next()})
		if name == "XZ" {
			r.print()
			return
		}
		rest := ""
		if name == "A0" || name == "GF" { // longer names
			rest = string(rune(r.next()))
		}
		r.command(name, rest+r.until())
	}
}

// seek skips to the first command.
func (r *zplRun) seek() {
	for r.err == nil && r.next() != '^' {
		continue
	}
}

// until reads parameters up to the next command, whose caret it takes too.
func (r *zplRun) until() string {
	var b strings.Builder
	for r.err == nil {
		c := r.next()
		if c == '^' || c == '~' {
			return strings.TrimRight(b.String(), "\r\n")
		}
		b.WriteByte(c)
	}
	return ""
}

func ints(s string) (n [6]int) {
	for i, f := range strings.SplitN(s, ",", 6) {
		n[i], _ = strconv.Atoi(strings.TrimSpace(f))
	}
	return n
}

func (r *zplRun) command(name, p string) {
	n := ints(p)
	switch name {
	case "PW":
		r.width = n[0]
	case "LL":
		r.length = n[0]
	case "FO":
		r.x, r.y = n[0], n[1]
	case "PQ":
		r.copies = n[0]
	case "A0":
		r.char = ints(strings.TrimLeft(p, "NRIB,"))[0]
	case "BQ":
		r.field, r.module = 'Q', ints(strings.TrimPrefix(p, "N,"))[1]
	case "BY":
		r.module = n[0]
	case "BC":
		r.field, r.high = 'C', ints(strings.TrimPrefix(p, "N,"))[0]
	case "GB":
		r.box(n[0], n[1], max(n[2], 1))
	case "GF":
		r.graphic(p)
	case "FD":
		r.data(p)
	case "FS":
		r.field = 0
	}
}

func (r *zplRun) box(w, h, t int) {
	w, h = max(w, t), max(h, t)
	r.label.rect(r.x, r.y, w, t)
	r.label.rect(r.x, r.y+h-t, w, t)
	r.label.rect(r.x, r.y, t, h)
	r.label.rect(r.x+w-t, r.y, t, h)
}

func (r *zplRun) data(s string) {
	switch r.field {
	case 'Q':
		if len(s) > 3 { // such as "MA,": correction and mode
			qrCode(r.label, r.x, r.y+10, r.module, level(s[0]), s[3:])
		}
	case 'C':
		bars(r.label, r.x, r.y, r.module, r.high, s)
	default:
		r.p.glyph.write(r.label, r.x, r.y, r.char, 1, s)
	}
}

// graphic is ^GFA: hexadecimal digits with Zebra's run lengths.
func (r *zplRun) graphic(p string) {
	part := strings.SplitN(p, ",", 5)
	if len(part) != 5 || part[0] != "A" {
		r.p.rec.Add("error", "不支持的图形 / graphic of an unknown form", nil)
		return
	}
	wide, _ := strconv.Atoi(part[3])
	if wide <= 0 || wide > 1000 {
		return
	}
	for y, row := range inflate(part[4], wide) {
		r.label.bits(r.x, r.y+y, row)
	}
	r.p.rec.Add("received", fmt.Sprintf("图形宽 %d 字节 / graphic, %d bytes wide", wide, wide), nil)
}

// inflate reads ASCII hex: G to Y repeat 1 to 19 times, g to z 20 to 400 times; a comma ends a row with
// zeros, an exclamation mark with ones, a colon repeats the row before.
func inflate(s string, wide int) (rows [][]byte) {
	var digits []byte
	times := 0
	flush := func(pad byte) {
		for len(digits) < wide*2 {
			digits = append(digits, pad)
		}
		row := make([]byte, wide)
		for i := range row {
			v, _ := strconv.ParseUint(string(digits[2*i:2*i+2]), 16, 8)
			row[i] = byte(v)
		}
		rows, digits = append(rows, row), nil
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'G' && c <= 'Y':
			times += int(c - 'F')
			continue
		case c >= 'g' && c <= 'z':
			times += int(c-'f') * 20
			continue
		case c == ',':
			flush('0')
		case c == '!':
			flush('F')
		case c == ':' && len(rows) > 0:
			rows = append(rows, rows[len(rows)-1])
		case c >= '0' && c <= '9' || c >= 'A' && c <= 'F':
			for range max(times, 1) {
				if digits = append(digits, c); len(digits) == wide*2 {
					flush('0')
				}
			}
		}
		times = 0
	}
	return rows
}

func (r *zplRun) print() {
	if r.err != nil {
		return
	}
	r.fw.count(0, r.copies)
	r.fw.count(-1, 0)
	r.p.rec.Add("received", fmt.Sprintf("标签 %d 份 / label, %d copies", r.copies, r.copies), nil)
	r.label.rows = r.label.rows[:min(max(r.length, 1), len(r.label.rows))]
	for range r.copies {
		r.page(r.label)
		r.cut()
		if r.err == nil {
			r.fw.count(0, -1)
		}
	}
}
