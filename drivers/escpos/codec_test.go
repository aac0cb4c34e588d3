package escpos_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/escpos"
	"yipiao/drivers/face"
	"yipiao/drivers/vectors"
)

// meaning is what an escpos vector's meaning holds.
type meaning struct {
	Frames []struct {
		Kind string `json:"kind"`
		Hex  string `json:"hex"`
	} `json:"frames"`
	EOT       *status  `json:"eot"`       // what the bytes say as answers to DLE EOT 1 to 4
	ASB       *status  `json:"asb"`       // what they say as automatic status
	Condition string   `json:"condition"` // in which a simulator sends them
	Command   string   `json:"command"`
	N         byte     `json:"n"`
	ID        string   `json:"id"`
	Cut       string   `json:"cut"`
	Rows      []string `json:"rows"`
	Answer    string   `json:"answer"` // a simulator's, in hex
}

type status struct {
	Online bool          `json:"online"`
	Paper  drivers.Level `json:"paper"`
	Cover  bool          `json:"cover"`
	Cutter bool          `json:"cutter"`
	Error  bool          `json:"error"`
	Note   string        `json:"note"`
}

func (s status) want() drivers.PrinterStatus {
	return drivers.PrinterStatus{Online: s.Online, Paper: s.Paper, Cover: s.Cover, Cutter: s.Cutter, Error: s.Error, Note: s.Note}
}

var kinds = map[string]escpos.FrameKind{
	"unknown": escpos.Unknown, "realtime": escpos.Realtime, "asb": escpos.ASB, "id": escpos.ID,
	"offline": escpos.Offline, "cleared": escpos.Cleared, "response": escpos.Response, "flow": escpos.Flow,
}

func load(t testing.TB, direction string, each func(vectors.Vector, meaning)) {
	t.Helper()
	vs, err := vectors.Load("escpos")
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

func decodeAll(p []byte) (all []escpos.Frame) {
	for {
		f, n := escpos.Decode(p)
		if n == 0 {
			return all
		}
		all = append(all, f)
		p = p[n:]
	}
}

func TestDecodeVectors(t *testing.T) {
	load(t, vectors.DeviceToHost, func(v vectors.Vector, m meaning) {
		var want []escpos.Frame
		valid := true
		for _, f := range m.Frames {
			data, err := hex.DecodeString(f.Hex)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, escpos.Frame{Kind: kinds[f.Kind], Data: data})
			valid = valid && f.Kind != "unknown"
		}
		got := decodeAll(v.Wire)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", v.Name, got, want)
		}
		if valid != v.Valid {
			t.Errorf("%s: valid %v, but the meaning says otherwise", v.Name, v.Valid)
		}
		if m.EOT != nil {
			if st := escpos.FromEOT([4]byte(v.Wire)); st != m.EOT.want() {
				t.Errorf("%s: %+v, want %+v", v.Name, st, m.EOT.want())
			}
		}
		if m.ASB != nil {
			if st := escpos.FromASB([4]byte(v.Wire)); st != m.ASB.want() {
				t.Errorf("%s: %+v, want %+v", v.Name, st, m.ASB.want())
			}
		}
	})
}

func TestAppendVectors(t *testing.T) {
	load(t, vectors.HostToDevice, func(v vectors.Vector, m meaning) {
		var got []byte
		switch m.Command {
		case "status":
			got = escpos.AppendStatus(nil, m.N)
		case "asb":
			got = escpos.AppendASB(nil)
		case "init":
			got = escpos.AppendInit(nil)
		case "id":
			got = escpos.AppendID(nil, m.ID)
		case "paper":
			got = escpos.AppendPaper(nil)
		case "recover":
			got = escpos.AppendRecover(nil)
		case "cut":
			got = escpos.AppendCut(nil, escpos.Cut(m.Cut))
		case "raster":
			got = escpos.AppendRaster(nil, bitmap(m.Rows), 256)
		case "none":
			return
		}
		if !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: % x, want % x", v.Name, got, v.Wire)
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

func TestRasterNeverSpellsACommand(t *testing.T) {
	b := face.NewBitmap(24, 3)
	for y, row := range [][]byte{{0x10, 0x04, 0x01}, {0x10, 0x05, 0x01}, {0x10, 0x14, 0x01}} {
		copy(b.Row(y), row)
	}
	wire := escpos.AppendRaster(nil, b, 64)
	for _, bad := range [][]byte{{0x10, 4}, {0x10, 5}, {0x10, 0x14}} {
		if bytes.Contains(wire, bad) {
			t.Errorf("% x spells % x", wire, bad)
		}
	}
}

func TestRasterBands(t *testing.T) {
	b := face.NewBitmap(576, 700)
	b.Set(100, 0, true)
	b.Set(575, 699, true)
	wire := escpos.AppendRaster(nil, b, 1000)
	if want := 3*8 + 256*13 + 256 + 188*72; len(wire) != want {
		t.Errorf("%d bytes, want %d: bands of 256 rows at most, each as wide as its ink", len(wire), want)
	}
}

func FuzzDecode(f *testing.F) {
	load(f, vectors.DeviceToHost, func(v vectors.Vector, _ meaning) { f.Add(v.Wire, 3) })
	f.Fuzz(func(t *testing.T, wire []byte, at int) {
		whole := decodeAll(wire)
		total := 0
		for _, fr := range whole {
			total += max(len(fr.Data), 1)
		}
		if total > len(wire) {
			t.Errorf("%d bytes of data in %d", total, len(wire))
		}
		if at <= 0 || at >= len(wire) {
			return
		}
		// In two pieces it means the same.
		var pieces []escpos.Frame
		var rest []byte
		for _, p := range [][]byte{wire[:at], wire[at:]} {
			rest = append(rest, p...)
			for {
				fr, n := escpos.Decode(rest)
				if n == 0 {
					break
				}
				pieces = append(pieces, fr)
				rest = rest[n:]
			}
		}
		if !reflect.DeepEqual(whole, pieces) {
			t.Errorf("whole  %+v\npieces %+v", whole, pieces)
		}
	})
}
