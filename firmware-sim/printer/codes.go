package printer

import (
	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/code128"
	"github.com/boombuler/barcode/qr"
)

// qrCode draws a QR code with modules of so many dots; it returns its side, 0 where the data does not fit.
func qrCode(c *canvas, x, y, module int, level qr.ErrorCorrectionLevel, data string) int {
	code, err := qr.Encode(data, level, qr.Auto)
	if err != nil || module < 1 || module > 32 {
		return 0
	}
	draw(c, x, y, module, module, code.Bounds().Dy(), code)
	return code.Bounds().Dx() * module
}

// bars draws a Code 128 and returns its width.
func bars(c *canvas, x, y, module, height int, data string) int {
	code, err := code128.Encode(data)
	if err != nil || module < 1 || module > 32 {
		return 0
	}
	draw(c, x, y, module, height, 1, code)
	return code.Bounds().Dx() * module
}

func draw(c *canvas, x, y, w, h, rows int, code barcode.Barcode) {
	for j := range rows {
		for i := range code.Bounds().Dx() {
			if r, _, _, _ := code.At(i, j).RGBA(); r < 0x8000 {
				c.rect(x+i*w, y+j*h, w, h)
			}
		}
	}
}

// level reads the letter or number of an error correction level.
func level(b byte) qr.ErrorCorrectionLevel {
	switch b {
	case 'L', 0x30:
		return qr.L
	case 'Q', 0x32:
		return qr.Q
	case 'H', 0x33:
		return qr.H
	}
	return qr.M
}
