package printer

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"time"
)

// row prints one row of dots, most significant bit left. It waits while the printer cannot print.
func (m *machine) row(bits []byte) {
	m.ready()
	m.pause(time.Duration(m.p.set.RowUs) * time.Microsecond)
	m.ready() // somebody may have opened it meanwhile
	if m.err != nil {
		return
	}
	line := make([]byte, (m.p.set.Dots+7)/8)
	copy(line, bits)
	p := m.p
	p.mu.Lock()
	p.paper = append(p.paper, line)
	out, dark := count(&p.outIn), count(&p.darkIn)
	p.mu.Unlock()
	if out {
		p.rec.Add("paper", "打印中缺纸 / paper is out in the middle", nil)
		p.change(func(c *Condition) { c.PaperOut = true })
	}
	if dark {
		p.PowerOff()
	}
}

// count counts down; true at zero, once.
func count(n *int) bool {
	if *n < 0 {
		return false
	}
	*n--
	return *n < 0
}

// feed moves the paper without printing.
func (m *machine) feed(rows int) {
	for range rows {
		m.row(nil)
	}
}

// cut ends a ticket, if there is paper to cut.
func (m *machine) cut() {
	m.ready()
	if m.err != nil {
		return
	}
	p := m.p
	p.mu.Lock()
	jam := p.jamNext
	p.jamNext = false
	p.mu.Unlock()
	if jam {
		p.JamNow()
		m.ready()
		if m.err != nil {
			return
		}
	}
	p.release(true)
}

// release takes the paper out of the printer.
func (p *Printer) release(cut bool) {
	p.mu.Lock()
	rows := p.paper
	p.paper = nil
	if len(rows) == 0 {
		p.mu.Unlock()
		return
	}
	t := Ticket{Image: picture(rows, p.set.Dots), Cut: cut}
	p.tickets = append(p.tickets, t)
	n := len(p.tickets)
	p.mu.Unlock()
	if p.set.Dir != "" { // before it is told: who hears of a ticket wants to look at it
		if err := store(filepath.Join(p.set.Dir, fmt.Sprintf("ticket-%04d.png", n)), t.Image); err != nil {
			p.rec.Add("error", "存图失败 / picture not stored: "+err.Error(), nil)
		}
	}
	p.rec.Add("ticket", fmt.Sprintf("出票第 %d 张，%d × %d 点 / ticket %d, %d × %d dots",
		n, p.set.Dots, len(rows), n, p.set.Dots, len(rows)), nil)
}

func picture(rows [][]byte, width int) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, width, len(rows)))
	for y, row := range rows {
		pixels := m.Pix[y*m.Stride:]
		for x := range width {
			if row[x/8]&(0x80>>(x%8)) == 0 {
				pixels[x] = 0xFF
			}
		}
	}
	return m
}

func store(path string, m image.Image) error {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// A canvas is a page that is put together before it is printed.
type canvas struct {
	w, h int
	rows [][]byte
}

func newCanvas(w, h int) *canvas {
	c := &canvas{w: w, h: h, rows: make([][]byte, h)}
	for i := range c.rows {
		c.rows[i] = make([]byte, (w+7)/8)
	}
	return c
}

func (c *canvas) dot(x, y int, black bool) {
	if x < 0 || y < 0 || x >= c.w || y >= c.h {
		return
	}
	if bit := byte(0x80) >> (x % 8); black {
		c.rows[y][x/8] |= bit
	} else {
		c.rows[y][x/8] &^= bit
	}
}

// bits puts a row of bits at a place; only black ones count.
func (c *canvas) bits(x, y int, row []byte) {
	if x >= 0 && x%8 == 0 && y >= 0 && y < c.h && x/8+len(row) <= c.w/8 { // the usual case, byte by byte
		for i, b := range row {
			c.rows[y][x/8+i] |= b
		}
		return
	}
	for i := range len(row) * 8 {
		if row[i/8]&(0x80>>(i%8)) != 0 {
			c.dot(x+i, y, true)
		}
	}
}

func (c *canvas) rect(x, y, w, h int) {
	for j := max(y, 0); j < min(y+h, c.h); j++ {
		for i := max(x, 0); i < min(x+w, c.w); i++ {
			c.dot(i, j, true)
		}
	}
}

// page prints a canvas row by row.
func (m *machine) page(c *canvas) {
	m.p.change(func(c *Condition) { c.Busy = true })
	for _, row := range c.rows {
		m.row(row)
	}
	m.p.change(func(c *Condition) { c.Busy = false })
}
