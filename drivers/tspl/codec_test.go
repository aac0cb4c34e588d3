package tspl_test

import (
	"bytes"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/face"
	"yipiao/drivers/tspl"
	"yipiao/drivers/vectors"
)

// meaning is what a tspl vector's meaning holds.
type meaning struct {
	Status    *status  `json:"status"` // of an answer to <ESC>!?
	Busy      bool     `json:"busy"`
	Long      string   `json:"long"` // of an answer to <ESC>!S
	Idle      bool     `json:"idle"`
	Note      string   `json:"note"`
	Condition string   `json:"condition"` // in which a simulator sends it
	Rows      []string `json:"rows"`
	None      bool     `json:"none"`
}

type status struct {
	Online bool          `json:"online"`
	Paper  drivers.Level `json:"paper"`
	Ribbon drivers.Level `json:"ribbon"`
	Cover  bool          `json:"cover"`
	Cutter bool          `json:"cutter"`
	Error  bool          `json:"error"`
	Note   string        `json:"note"`
}

func load(t testing.TB, direction string, each func(vectors.Vector, meaning)) {
	t.Helper()
	vs, err := vectors.Load("tspl")
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

func TestStatusVectors(t *testing.T) {
	load(t, vectors.DeviceToHost, func(v vectors.Vector, m meaning) {
		if m.Status == nil {
			l, n, ok := tspl.DecodeLong(v.Wire)
			if ok != v.Valid || ok && (n != len(v.Wire) || string(l[:]) != m.Long || l.Idle() != m.Idle || l.Note() != m.Note) {
				t.Errorf("%s: %q, %d, %v", v.Name, l, n, ok)
			}
			return
		}
		want := drivers.PrinterStatus{
			Online: m.Status.Online, Paper: m.Status.Paper, Ribbon: m.Status.Ribbon,
			Cover: m.Status.Cover, Cutter: m.Status.Cutter, Error: m.Status.Error, Note: m.Status.Note,
		}
		if got := tspl.Status(v.Wire[0]); got != want || tspl.Busy(v.Wire[0]) != m.Busy {
			t.Errorf("%s: %+v, want %+v", v.Name, got, want)
		}
		if ready := !tspl.Faulty(v.Wire[0]); ready != (want == tspl.Status(0)) {
			t.Errorf("%s: faulty %v", v.Name, !ready)
		}
	})
}

func bitmap(rows []string) *face.Bitmap {
	b := face.NewBitmap(len(rows[0]), len(rows))
	for y, row := range rows {
		for x, c := range row {
			b.Set(x, y, c == '1')
		}
	}
	return b
}

func TestTicketVectors(t *testing.T) {
	load(t, vectors.HostToDevice, func(v vectors.Vector, m meaning) {
		if got := tspl.AppendTicket(nil, bitmap(m.Rows), 203, false); !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: %q, want %q", v.Name, got, v.Wire)
		}
	})
}

func TestBitmapNeverSpellsACommand(t *testing.T) {
	b := face.NewBitmap(24, 1)
	copy(b.Row(0), []byte{^byte(0x1B), ^byte('!'), ^byte('?')})
	if wire := tspl.AppendTicket(nil, b, 203, true); bytes.Contains(wire, []byte("\x1b!")) {
		t.Errorf("%q spells a command", wire)
	}
}

func FuzzDecodeLong(f *testing.F) {
	load(f, vectors.DeviceToHost, func(v vectors.Vector, _ meaning) { f.Add(v.Wire) })
	f.Fuzz(func(t *testing.T, wire []byte) {
		l, n, ok := tspl.DecodeLong(wire)
		switch {
		case n < 0 || n > len(wire):
			t.Fatalf("took %d of %d", n, len(wire))
		case n == 0 && (!ok || len(wire) >= 8):
			t.Fatalf("waits after %d bytes", len(wire))
		case ok && n > 0:
			again := append(append([]byte{2}, l[:]...), 3, '\r', '\n')
			if !bytes.Equal(again, wire[:n]) {
				t.Errorf("%q reads as %q", wire[:n], l)
			}
		}
	})
}
