package linescan_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/linescan"
	"yipiao/drivers/vectors"
)

// meaning is what a linescan vector's meaning holds.
type meaning struct {
	Reads      []read `json:"reads"`
	Terminator string `json:"terminator"` // where a scanner with this setting sends exactly these bytes
}

type read struct {
	Data    string `json:"data"`
	DataHex string `json:"data_hex"` // instead of data
	AIM     string `json:"aim"`
	Fault   string `json:"fault"`
	Bytes   int    `json:"bytes"`
}

func (r read) frame(t *testing.T) linescan.Frame {
	t.Helper()
	data := []byte(r.Data)
	if r.DataHex != "" {
		var err error
		if data, err = hex.DecodeString(r.DataHex); err != nil {
			t.Fatal(err)
		}
	}
	return linescan.Frame{Data: data, AIM: r.AIM, Bytes: r.Bytes, Fault: drivers.ScanFault(r.Fault)}
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("linescan")
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func TestDecodeVectors(t *testing.T) {
	for _, v := range load(t) {
		t.Run(v.Name, func(t *testing.T) {
			var m meaning
			if err := v.Mean(&m); err != nil {
				t.Fatal(err)
			}
			var want []linescan.Frame
			clean := true
			for _, r := range m.Reads {
				want = append(want, r.frame(t))
				clean = clean && r.Fault == ""
			}
			got := (&linescan.Framer{}).Decode(v.Wire)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if v.Valid != clean {
				t.Errorf("valid %v, but the meaning says otherwise", v.Valid)
			}
		})
	}
}

func TestAppendVectors(t *testing.T) {
	tried := 0
	for _, v := range load(t) {
		var m meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		if m.Terminator == "" {
			continue
		}
		tried++
		got, err := linescan.Append(nil, m.Reads[0].frame(t), linescan.Terminator(m.Terminator))
		if err != nil || !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: % x, %v; want % x", v.Name, got, err, v.Wire)
		}
	}
	if tried < 5 {
		t.Errorf("only %d vectors name a terminator", tried)
	}
	if _, err := linescan.Append(nil, linescan.Frame{}, "CRCR"); err == nil {
		t.Error("unknown terminator: nil, want an error")
	}
}

func TestFramerOptions(t *testing.T) {
	cases := []struct {
		name   string
		framer linescan.Framer
		wire   string
		want   []linescan.Frame
	}{
		{"TAB ends a line if asked", linescan.Framer{Tab: true}, "AB\tCD\r", []linescan.Frame{
			{Data: []byte("AB"), Bytes: 3}, {Data: []byte("CD"), Bytes: 3},
		}},
		{"an identifier is kept if asked", linescan.Framer{KeepAIM: true}, "]Q1AB\r", []linescan.Frame{
			{Data: []byte("]Q1AB"), Bytes: 6},
		}},
		{"a code as long as the limit", linescan.Framer{Limit: 16}, strings.Repeat("x", 16) + "\r", []linescan.Frame{
			{Data: []byte(strings.Repeat("x", 16)), Bytes: 17},
		}},
		{"a byte over the limit", linescan.Framer{Limit: 16}, strings.Repeat("x", 17) + "\r", []linescan.Frame{
			{Data: []byte(strings.Repeat("x", 17)), Bytes: 17, Fault: drivers.ScanOverlong},
		}},
		{"an identifier alone is an empty line", linescan.Framer{}, "]Q1\rAB\r", []linescan.Frame{
			{Data: []byte("AB"), Bytes: 3},
		}},
		{"ETX ends an overlong burst", linescan.Framer{Limit: 16}, "\x02" + strings.Repeat("x", 40) + "\x03AB\r", []linescan.Frame{
			{Data: []byte(strings.Repeat("x", 17)), Bytes: 18, Fault: drivers.ScanOverlong}, {Data: []byte("AB"), Bytes: 3},
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.framer.Decode([]byte(c.wire)); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestSilenceEndsTheDroppingOfABurst(t *testing.T) {
	f := &linescan.Framer{Limit: 16}
	if _, n, ok := f.Next([]byte(strings.Repeat("x", 17))); !ok || n != 17 {
		t.Fatalf("taken %d, %v; want an overlong frame", n, ok)
	}
	if !f.Pending() {
		t.Error("not pending: silence would not be noticed")
	}
	if fr, ok := f.Idle(); ok {
		t.Errorf("silence after an overlong frame gave %+v", fr)
	}
	if fr, _, ok := f.Next([]byte("AB\r")); !ok || string(fr.Data) != "AB" || fr.Fault != drivers.ScanOK {
		t.Errorf("after silence: %+v, %v", fr, ok)
	}
	if f.Pending() {
		t.Error("pending between lines")
	}
}

// chunked decodes a stream in random pieces.
func chunked(f *linescan.Framer, p []byte, r *rand.Rand) []linescan.Frame {
	var frames []linescan.Frame
	for len(p) > 0 {
		piece := p[:1+r.IntN(len(p))]
		p = p[len(piece):]
		for len(piece) > 0 {
			fr, n, ok := f.Next(piece)
			if ok {
				frames = append(frames, fr)
			}
			piece = piece[n:]
		}
	}
	if fr, ok := f.Idle(); ok {
		frames = append(frames, fr)
	}
	return frames
}

func FuzzFramer(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire, uint64(1), uint16(0), false)
	}
	f.Add([]byte("]Q1AB\tCD\r\n\x02EF\x03"), uint64(7), uint16(16), true)
	f.Fuzz(func(t *testing.T, wire []byte, seed uint64, limit uint16, tab bool) {
		f := linescan.Framer{Limit: int(limit % (linescan.MaxLimit + 1)), Tab: tab}
		whole, pieces := f, f
		got := whole.Decode(wire)
		if again := chunked(&pieces, wire, rand.New(rand.NewPCG(seed, 0))); !reflect.DeepEqual(got, again) {
			t.Fatalf("whole  %+v\npieces %+v", got, again)
		}
		if whole.Pending() {
			t.Error("pending after silence")
		}
		total := 0
		for _, fr := range got {
			total += fr.Bytes
			checkFrame(t, fr, f)
		}
		if total > len(wire) {
			t.Errorf("frames count %d bytes of %d", total, len(wire))
		}
	})
}

func checkFrame(t *testing.T, fr linescan.Frame, f linescan.Framer) {
	t.Helper()
	limit := f.Limit
	if limit == 0 {
		limit = linescan.DefaultLimit
	}
	if fr.Fault != drivers.ScanOK {
		if len(fr.Data) > 64 {
			t.Errorf("a fault keeps %d bytes", len(fr.Data))
		}
		return
	}
	if len(fr.Data) == 0 || len(fr.AIM)+len(fr.Data) > limit {
		t.Errorf("%d bytes with a limit of %d", len(fr.AIM)+len(fr.Data), limit)
	}
	wire, err := linescan.Append(nil, fr, linescan.CRLF)
	if err != nil {
		t.Fatal(err)
	}
	again := (&linescan.Framer{Limit: f.Limit}).Decode(wire)
	want := fr
	want.Bytes = len(fr.AIM) + len(fr.Data) + 1
	if !reflect.DeepEqual(again, []linescan.Frame{want}) {
		t.Errorf("round trip of %+v gave %+v", fr, again)
	}
}
