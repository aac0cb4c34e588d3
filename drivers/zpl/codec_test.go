package zpl_test

import (
	"strings"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/face"
	"yipiao/drivers/vectors"
	"yipiao/drivers/zpl"
)

// meaning is what a zpl vector's meaning holds.
type meaning struct {
	Status    *status  `json:"status"`
	Idle      bool     `json:"idle"`
	Bad       int      `json:"bad"`
	Condition string   `json:"condition"` // in which a simulator sends it
	Rows      []string `json:"rows"`
	None      bool     `json:"none"`
}

type status struct {
	Online bool          `json:"online"`
	Paper  drivers.Level `json:"paper"`
	Ribbon drivers.Level `json:"ribbon"`
	Cover  bool          `json:"cover"`
	Error  bool          `json:"error"`
	Note   string        `json:"note"`
}

func load(t testing.TB, direction string, each func(vectors.Vector, meaning)) {
	t.Helper()
	vs, err := vectors.Load("zpl")
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

// decode takes all strings of a wire.
func decode(wire []byte) (h zpl.HostStatus, bad int) {
	for len(wire) > 0 {
		s, n, ok := zpl.Next(wire)
		if n == 0 {
			break
		}
		wire = wire[n:]
		if !ok || s != "" && h.Parse(s) != nil {
			bad++
		}
	}
	return h, bad
}

func TestStatusVectors(t *testing.T) {
	load(t, vectors.DeviceToHost, func(v vectors.Vector, m meaning) {
		h, bad := decode(v.Wire)
		if bad != m.Bad || v.Valid != (bad == 0) {
			t.Errorf("%s: %d bad strings, want %d", v.Name, bad, m.Bad)
		}
		if m.Status == nil {
			return
		}
		want := drivers.PrinterStatus{
			Online: m.Status.Online, Paper: m.Status.Paper, Ribbon: m.Status.Ribbon,
			Cover: m.Status.Cover, Error: m.Status.Error, Note: m.Status.Note,
		}
		if !h.Whole() || h.Status() != want || h.Idle() != m.Idle {
			t.Errorf("%s: %+v, idle %v; want %+v, %v", v.Name, h.Status(), h.Idle(), want, m.Idle)
		}
	})
}

func TestGraphicVectors(t *testing.T) {
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
		if got := zpl.AppendGraphic(nil, b); string(got) != string(v.Wire) {
			t.Errorf("%s: %q, want %q", v.Name, got, v.Wire)
		}
		label := string(zpl.AppendLabel(nil, b, true))
		if !strings.HasPrefix(label, "^XA^JZN") || !strings.Contains(label, "^MMC") || !strings.HasSuffix(label, "^FS^PQ1^XZ\r\n") {
			t.Errorf("%s: label %q", v.Name, label)
		}
	})
}

func FuzzNext(f *testing.F) {
	load(f, vectors.DeviceToHost, func(v vectors.Vector, _ meaning) { f.Add(v.Wire) })
	f.Fuzz(func(t *testing.T, wire []byte) {
		for rest := wire; len(rest) > 0; {
			s, n, ok := zpl.Next(rest)
			if n < 0 || n > len(rest) || len(s) > n {
				t.Fatalf("took %d of %d bytes for %d", n, len(rest), len(s))
			}
			if n == 0 {
				if !ok || len(rest) > 200 {
					t.Fatalf("waits for more after %d bytes", len(rest))
				}
				return
			}
			rest = rest[n:]
			var h zpl.HostStatus
			if err := h.Parse(s); err == nil && strings.Count(s, ",") < 1 {
				t.Errorf("%q is a status", s)
			}
		}
	})
}
