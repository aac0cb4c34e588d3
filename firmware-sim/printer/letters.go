package printer

import (
	"image"
	"os"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// lettering is the printer's own font, read at its first use.
type lettering struct {
	path string
	once sync.Once
	font *sfnt.Font
}

func (l *lettering) load() *sfnt.Font {
	l.once.Do(func() {
		raw, err := os.Open(l.path)
		if err != nil {
			return // letters then are boxes: a printer without its font still prints
		}
		all, err := opentype.ParseCollectionReaderAt(raw)
		if err != nil {
			return
		}
		for i := range all.NumFonts() {
			f, err := all.Font(i)
			if err != nil {
				return
			}
			name, _ := f.Name(nil, sfnt.NameIDFamily)
			if l.font == nil || strings.Contains(name, "CJK SC") && !strings.Contains(name, "Mono") {
				l.font = f
			}
		}
	})
	return l.font
}

// maxLetter is how high a character may be, in dots.
const maxLetter = 400

// write draws text whose top left corner is at (x, y), with characters so many dots high, and returns where
// it ends. An ASCII character takes half the place of a Chinese one, as in printers' own fonts.
func (l *lettering) write(c *canvas, x, y, height, widthTimes int, text string) int {
	height, widthTimes = min(max(height, 4), maxLetter), min(max(widthTimes, 1), 16)
	f := l.load()
	var face font.Face
	if f != nil {
		face, _ = opentype.NewFace(f, &opentype.FaceOptions{Size: float64(height), DPI: 72})
	}
	for _, r := range text {
		w := height
		if r < 0x80 {
			w = height / 2
		}
		if face == nil {
			c.rect(x+1, y+1, w*widthTimes-2, height-2)
		} else {
			stamp(c, face, x, y, height, widthTimes, r)
		}
		x += w * widthTimes
	}
	return x
}

func stamp(c *canvas, face font.Face, x, y, height, times int, r rune) {
	base := fixed.Point26_6{Y: fixed.I(height * 88 / 100)}
	dr, mask, at, _, ok := face.Glyph(base, r)
	if !ok {
		return
	}
	alpha, ok := mask.(*image.Alpha)
	if !ok {
		return
	}
	for j := range dr.Dy() {
		for i := range dr.Dx() {
			if alpha.AlphaAt(at.X+i, at.Y+j).A < 0x80 {
				continue
			}
			for k := range times {
				c.dot(x+(dr.Min.X+i)*times+k, y+dr.Min.Y+j, true)
			}
		}
	}
}
