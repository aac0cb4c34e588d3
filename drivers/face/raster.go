package face

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"slices"
)

// Resolutions that Raster takes.
const (
	MinDPI = 100
	MaxDPI = 600
)

// A Renderer makes dots of pages with the fonts of a machine. It is safe for concurrent use; font files
// are opened at their first use and stay open.
type Renderer struct {
	sans, sansBold, serif, serifBold *typeface
}

// NewRenderer makes a renderer. It does no I/O.
func NewRenderer(f Fonts) *Renderer {
	return &Renderer{
		sans: &typeface{path: f.Sans}, sansBold: &typeface{path: f.SansBold},
		serif: &typeface{path: f.Serif}, serifBold: &typeface{path: f.SerifBold},
	}
}

// Check opens the fonts and says what is wrong with them.
func (r *Renderer) Check() error {
	for _, t := range []*typeface{r.sans, r.sansBold, r.serif, r.serifBold} {
		if t.path == "" && t != r.sans {
			continue
		}
		if _, err := t.load(); err != nil {
			return err
		}
	}
	return nil
}

// typeface finds the file for a style; twice says that it must serve as a bold one.
func (r *Renderer) typeface(s style) (t *typeface, twice bool) {
	t = r.sans
	switch {
	case s.font == Serif && s.bold && r.serifBold.path != "":
		return r.serifBold, false
	case s.font == Serif && r.serif.path != "":
		t = r.serif
	case s.bold && r.sansBold.path != "":
		return r.sansBold, false
	}
	return t, s.bold
}

// A Report says what a page could not show as it should.
type Report struct {
	Missing []rune // characters that the fonts do not have, each once; drawn as boxes
	Cut     []int  // elements of the page (index from 0) whose text did not fit even at its smallest
}

// Raster makes the dots of a page at dots per inch. It returns a *FieldError where an element cannot be
// drawn at all, for example a code that does not fit into its place, and an error that names the file
// where a font cannot be read.
func (r *Renderer) Raster(p *Page, dpi int) (*Bitmap, Report, error) {
	if dpi < MinDPI || dpi > MaxDPI {
		return nil, Report{}, fmt.Errorf("face: %d dpi, want %d to %d", dpi, MinDPI, MaxDPI)
	}
	s := &sheet{
		page: p, dpi: dpi, fonts: sheetFonts{r: r, dpi: dpi, made: make(map[style]*letters)},
		paper: NewBitmap(dots(p.Face.WidthMM, dpi), dots(p.Face.HeightMM, dpi)),
	}
	if err := s.base(); err != nil {
		return nil, Report{}, err
	}
	for i := range p.Elements {
		if err := s.draw(i); err != nil {
			return nil, Report{}, err
		}
	}
	slices.Sort(s.report.Missing)
	return s.paper, s.report, nil
}

func dots(mm float64, dpi int) int { return int(math.Round(mm / 25.4 * float64(dpi))) }

// A sheet is a page that is being drawn.
type sheet struct {
	page   *Page
	dpi    int
	fonts  sheetFonts
	paper  *Bitmap
	report Report
}

func (s *sheet) base() error {
	f := s.page.Face
	if len(f.Base) == 0 {
		return nil
	}
	m, err := png.Decode(bytes.NewReader(f.Base))
	if err != nil {
		return f.wrong("base", "is not a PNG: %v", err)
	}
	size := m.Bounds()
	for y := range s.paper.Height {
		for x := range s.paper.Width {
			at := m.At(size.Min.X+x*size.Dx()/s.paper.Width, size.Min.Y+y*size.Dy()/s.paper.Height)
			r, g, b, a := at.RGBA()
			if dark := (299*r+587*g+114*b)/1000 + (0xFFFF - a); dark < 0x8000 {
				s.paper.Set(x, y, true)
			}
		}
	}
	return nil
}

func (s *sheet) wrong(i int, field, problem string, args ...any) error {
	e := s.page.Elements[i]
	return &FieldError{Face: s.page.Face.Name, Element: i, Kind: e.Kind, Field: field, Problem: fmt.Sprintf(problem, args...)}
}

func (s *sheet) draw(i int) error {
	e := &s.page.Elements[i]
	pen := pen{paper: s.paper, x: dots(e.X, s.dpi), y: dots(e.Y, s.dpi), turn: e.Rotate, ink: !e.White}
	switch e.Kind {
	case Text:
		return s.text(i, pen)
	case QR:
		return s.qr(i, pen)
	case Code128:
		return s.code128(i, pen)
	case Line:
		s.line(e, pen)
	case Box:
		s.box(e, pen)
	}
	return nil
}

// A pen draws an element in its own coordinates, from its corner, before rotation.
type pen struct {
	paper *Bitmap
	x, y  int
	turn  int
	ink   bool
}

func (p pen) set(u, v int, ink bool) {
	switch p.turn {
	case 90:
		p.paper.Set(p.x-1-v, p.y+u, ink)
	case 180:
		p.paper.Set(p.x-1-u, p.y-1-v, ink)
	case 270:
		p.paper.Set(p.x+v, p.y-1-u, ink)
	default:
		p.paper.Set(p.x+u, p.y+v, ink)
	}
}

func (p pen) fill(u, v, w, h int, ink bool) {
	for y := range h {
		for x := range w {
			p.set(u+x, v+y, ink)
		}
	}
}

// defaultStroke is the width of lines and borders, in mm.
const defaultStroke = 0.25

func (s *sheet) stroke(e *Element) int {
	if e.Stroke == 0 {
		return max(dots(defaultStroke, s.dpi), 1)
	}
	return max(dots(e.Stroke, s.dpi), 1)
}

func (s *sheet) line(e *Element, p pen) {
	width, long := s.stroke(e), dots(e.W+e.H, s.dpi)
	dash := long
	if e.Dash {
		dash = max(dots(1, s.dpi), 1)
	}
	for at := 0; at < long; at += 2 * dash {
		n := min(dash, long-at)
		if e.W > 0 {
			p.fill(at, 0, n, width, p.ink)
		} else {
			p.fill(0, at, width, n, p.ink)
		}
	}
}

func (s *sheet) box(e *Element, p pen) {
	w, h, b := dots(e.W, s.dpi), dots(e.H, s.dpi), s.stroke(e)
	if e.Fill {
		p.fill(0, 0, w, h, p.ink)
		return
	}
	p.fill(0, 0, w, b, p.ink)
	p.fill(0, h-b, w, b, p.ink)
	p.fill(0, 0, b, h, p.ink)
	p.fill(w-b, 0, b, h, p.ink)
}
