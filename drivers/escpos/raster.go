package escpos

import (
	"bytes"

	"yipiao/drivers/face"
)

// Bands of raster. A band is small so that one which was broken off is soon filled up.
const (
	bandRows    = 64 // the language allows 256
	maxBandRows = 256
)

// AppendRaster adds a page as bands of GS v 0, each as wide as its ink.
func AppendRaster(p []byte, b *face.Bitmap, rows int) []byte {
	rows = min(max(rows, 1), maxBandRows)
	for y := 0; y < b.Height; y += rows {
		n := min(rows, b.Height-y)
		w := 1
		for i := range n {
			w = max(w, len(bytes.TrimRight(b.Row(y+i), "\x00")))
		}
		p = append(p, gs, 'v', '0', 0, byte(w), byte(w>>8), byte(n), byte(n>>8))
		start := len(p)
		for i := range n {
			p = append(p, b.Row(y + i)[:w]...)
		}
		defuse(p[start:])
	}
	return p
}

// defuse changes a dot wherever dots would spell a real-time command: printers obey those wherever they
// stand, in graphics as well, and one of them opens the cash drawer, another prints again.
func defuse(p []byte) {
	for i := 0; i+1 < len(p); i++ {
		if p[i] == dle && (p[i+1] == eot || p[i+1] == enq || p[i+1] == 0x14) {
			p[i+1] ^= 0x08
		}
	}
}
