package fgl_test

import (
	"bytes"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/face"
	"yipiao/drivers/fgl"
	"yipiao/drivers/vectors"
)

// meaning is what an fgl vector's meaning holds.
type meaning struct {
	Acks      int      `json:"acks"`
	Bad       int      `json:"bad"`
	Stops     bool     `json:"stops"` // a ticket that is being printed may not be whole
	Status    *status  `json:"status"`
	Condition string   `json:"condition"` // in which a simulator sends the byte
	Rows      []string `json:"rows"`
	Answer    string   `json:"answer"`
}

type status struct {
	Online bool          `json:"online"`
	Paper  drivers.Level `json:"paper"`
	Ribbon drivers.Level `json:"ribbon"`
	Cutter bool          `json:"cutter"`
	Error  bool          `json:"error"`
	Note   string        `json:"note"`
}

func load(t testing.TB, direction string, each func(vectors.Vector, meaning)) {
	t.Helper()
	vs, err := vectors.Load("fgl")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vs {
		var m meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		if v.Direction == direction {
			each(v, m)
		}
	}
}

func TestEventVectors(t *testing.T) {
	load(t, vectors.DeviceToHost, func(v vectors.Vector, m meaning) {
		st, acks, bad, stops := fgl.Ready(), 0, 0, false
		for _, b := range v.Wire {
			c := fgl.Code(b)
			if !fgl.Known(c) {
				bad++
				continue
			}
			if c == fgl.Ack {
				acks++
			}
			stops = stops || fgl.Stops(c)
			st = fgl.Apply(st, c)
		}
		want := drivers.PrinterStatus{
			Online: m.Status.Online, Paper: m.Status.Paper, Ribbon: m.Status.Ribbon,
			Cutter: m.Status.Cutter, Error: m.Status.Error, Note: m.Status.Note,
		}
		if st != want || acks != m.Acks || bad != m.Bad || stops != m.Stops {
			t.Errorf("%s: %+v, %d acks, %d bad, stops %v; want %+v", v.Name, st, acks, bad, stops, m)
		}
		if v.Valid != (bad == 0) {
			t.Errorf("%s: valid %v, but %d bad bytes", v.Name, v.Valid, bad)
		}
	})
}

func TestGraphicsVectors(t *testing.T) {
	load(t, vectors.HostToDevice, func(v vectors.Vector, m meaning) {
		if m.Rows == nil {
			return
		}
		b := face.NewBitmap(len(m.Rows[0]), len(m.Rows))
		for y, row := range m.Rows {
			for x, c := range row {
				b.Set(x, y, c == '1')
			}
		}
		if got := fgl.AppendGraphics(nil, b); !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: %q, want %q", v.Name, got, v.Wire)
		}
	})
}

// FuzzAppendGraphics reads what it wrote with a small reader of its own.
func FuzzAppendGraphics(f *testing.F) {
	f.Add([]byte{0x80, 0x01, 0xFF, 0x00}, uint8(10))
	f.Add(bytes.Repeat([]byte{0xA5}, 900), uint8(255))
	f.Fuzz(func(t *testing.T, dots []byte, width uint8) {
		w := int(width) + 1
		b := face.NewBitmap(w, min(len(dots)*8/w, 100)+1)
		for i := range min(len(dots)*8, b.Width*b.Height) {
			b.Set(i%w, i/w, dots[i/8]&(0x80>>(i%8)) != 0)
		}
		got := face.NewBitmap(b.Width, b.Height)
		read(t, got, fgl.AppendGraphics(nil, b))
		if !bytes.Equal(got.Bits, b.Bits) {
			t.Error("what was written reads differently")
		}
	})
}

func read(t *testing.T, b *face.Bitmap, wire []byte) {
	t.Helper()
	number := func() (n int) {
		for len(wire) > 0 && wire[0] >= '0' && wire[0] <= '9' {
			n = n*10 + int(wire[0]-'0')
			wire = wire[1:]
		}
		return n
	}
	skip := func(s string) {
		if !bytes.HasPrefix(wire, []byte(s)) {
			t.Fatalf("%q, want %q", wire[:min(len(wire), 20)], s)
		}
		wire = wire[len(s):]
	}
	for len(wire) > 0 {
		skip("<RC")
		row := number()
		skip(",")
		col := number()
		skip("><G")
		n := number()
		skip(">")
		if n == 0 || n > 250 || n > len(wire) {
			t.Fatalf("graphics of %d bytes, %d are there", n, len(wire))
		}
		for i := range n {
			for bit := range 8 {
				b.Set(col+i, row+bit, wire[i]&(0x80>>bit) != 0)
			}
		}
		wire = wire[n:]
	}
}
