package face

import (
	"image"
	"image/color"
	"math/bits"
)

// A Bitmap is dots of one colour, as print heads take them: rows of bytes, the most significant bit left,
// 1 prints. Bits right of Width are 0.
type Bitmap struct {
	Width, Height int // dots
	Stride        int // bytes from row to row
	Bits          []byte
}

// NewBitmap makes white paper.
func NewBitmap(width, height int) *Bitmap {
	stride := (width + 7) / 8
	return &Bitmap{Width: width, Height: height, Stride: stride, Bits: make([]byte, stride*height)}
}

// Black reports whether a dot prints; outside of the paper none does.
func (b *Bitmap) Black(x, y int) bool {
	return x >= 0 && y >= 0 && x < b.Width && y < b.Height && b.Bits[y*b.Stride+x/8]&(0x80>>(x%8)) != 0
}

// Set makes a dot black or white; outside of the paper it does nothing.
func (b *Bitmap) Set(x, y int, black bool) {
	if x < 0 || y < 0 || x >= b.Width || y >= b.Height {
		return
	}
	at, bit := y*b.Stride+x/8, byte(0x80)>>(x%8)
	if black {
		b.Bits[at] |= bit
	} else {
		b.Bits[at] &^= bit
	}
}

// Row returns the bytes of a row.
func (b *Bitmap) Row(y int) []byte { return b.Bits[y*b.Stride : (y+1)*b.Stride] }

// Ink counts the black dots.
func (b *Bitmap) Ink() (n int) {
	for _, x := range b.Bits {
		n += bits.OnesCount8(x)
	}
	return n
}

// Rotate returns the dots turned clockwise by 0, 90, 180 or 270 degrees; the bitmap itself for 0.
func (b *Bitmap) Rotate(degrees int) *Bitmap {
	if degrees == 0 {
		return b
	}
	w, h := b.Width, b.Height
	out := NewBitmap(h, w)
	if degrees == 180 {
		out = NewBitmap(w, h)
	}
	for y := range h {
		for x := range w {
			if !b.Black(x, y) {
				continue
			}
			switch degrees {
			case 90:
				out.Set(h-1-y, x, true)
			case 180:
				out.Set(w-1-x, h-1-y, true)
			case 270:
				out.Set(y, w-1-x, true)
			}
		}
	}
	return out
}

// Image is the bitmap as a picture, black on white.
func (b *Bitmap) Image() *image.Gray {
	m := image.NewGray(image.Rect(0, 0, b.Width, b.Height))
	for y := range b.Height {
		for x := range b.Width {
			if !b.Black(x, y) {
				m.SetGray(x, y, color.Gray{Y: 0xFF})
			}
		}
	}
	return m
}
