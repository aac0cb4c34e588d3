package face

import (
	"github.com/boombuler/barcode/code128"
	qrcode "github.com/skip2/go-qrcode"
)

// Codes are drawn crisp: a module is a whole number of dots, and at least so many that a worn print head
// leaves them readable.
const (
	qrQuiet      = 4  // modules around, ISO/IEC 18004
	code128Quiet = 10 // modules left and right, ISO/IEC 15417
	minModule    = 2  // dots
)

func (s *sheet) qr(i int, p pen) error {
	e := &s.page.Elements[i]
	q, err := qrcode.New(e.Text, qrcode.Medium)
	if err != nil {
		return s.wrong(i, "text", "does not fit into a QR code")
	}
	q.DisableBorder = true
	modules := q.Bitmap()
	n, side := len(modules), dots(e.W, s.dpi)
	module := side / (n + 2*qrQuiet)
	if module < minModule {
		return s.wrong(i, "w", "%v mm, but %d modules with their quiet zone take %.1f mm at %d dpi",
			e.W, n, float64((n+2*qrQuiet)*minModule)*25.4/float64(s.dpi), s.dpi)
	}
	p.fill(0, 0, side, side, false)
	edge := (side - n*module) / 2
	for y, row := range modules {
		for x, black := range row {
			if black {
				p.fill(edge+x*module, edge+y*module, module, module, true)
			}
		}
	}
	return nil
}

func (s *sheet) code128(i int, p pen) error {
	e := &s.page.Elements[i]
	bars, err := code128.Encode(e.Text)
	if err != nil {
		return s.wrong(i, "text", "cannot be a Code 128: want 1 to 80 ASCII characters")
	}
	n, w, h := bars.Bounds().Dx(), dots(e.W, s.dpi), dots(e.H, s.dpi)
	module := w / (n + 2*code128Quiet)
	if module < minModule {
		return s.wrong(i, "w", "%v mm, but %d modules with their quiet zones take %.1f mm at %d dpi",
			e.W, n, float64((n+2*code128Quiet)*minModule)*25.4/float64(s.dpi), s.dpi)
	}
	p.fill(0, 0, w, h, false)
	edge := (w - n*module) / 2
	for x := range n {
		if r, _, _, _ := bars.At(x, 0).RGBA(); r < 0x8000 {
			p.fill(edge+x*module, 0, module, h, true)
		}
	}
	return nil
}
