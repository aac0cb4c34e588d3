package ssi_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"reflect"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/ssi"
	"yipiao/drivers/vectors"
)

// meaning is what a vector's meaning holds, docs/protocols/ssi.md.
type meaning struct {
	Packets []struct {
		Op      byte   `json:"op"`
		Status  byte   `json:"status"`
		DataHex string `json:"data_hex"`
	} `json:"packets"`
	Codes []struct {
		AIM     string `json:"aim"`
		Data    string `json:"data"`
		DataHex string `json:"data_hex"`
		Bytes   int    `json:"bytes"`
		Fault   string `json:"fault"`
	} `json:"codes"`
	Skipped int    `json:"skipped"`
	Command string `json:"command"`
	Send    any    `json:"send"`
}

func (m meaning) packets(t *testing.T, source byte) (all []ssi.Packet) {
	t.Helper()
	for _, p := range m.Packets {
		data, err := hex.DecodeString(p.DataHex)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ssi.Packet{Op: ssi.Op(p.Op), Source: source, Status: p.Status, Data: data})
	}
	return all
}

func (m meaning) scans(t *testing.T) (all []drivers.Scan) {
	t.Helper()
	for _, c := range m.Codes {
		data := []byte(c.Data)
		if c.DataHex != "" {
			data, _ = hex.DecodeString(c.DataHex)
		}
		all = append(all, drivers.Scan{Data: data, AIM: c.AIM, Bytes: c.Bytes, Fault: drivers.ScanFault(c.Fault)})
	}
	return all
}

func load(t testing.TB, take func(v vectors.Vector, m meaning)) {
	t.Helper()
	vs, err := vectors.Load("ssi")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vs {
		var m meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		take(v, m)
	}
}

// frame finds the packets of a recording which is read in pieces, silence at its end included.
func frame(f *ssi.Framer, wire []byte, piece func() int) (all []ssi.Packet) {
	for len(wire) > 0 {
		n := min(piece(), len(wire))
		f.Push(wire[:n])
		wire = wire[n:]
		for {
			p, ok := f.Next()
			if !ok {
				break
			}
			all = append(all, p)
		}
	}
	return append(all, f.Idle()...)
}

func decode(packets []ssi.Packet) (scans []drivers.Scan) {
	var a ssi.Assembler
	take := func(c ssi.Code) {
		if s, ok := c.Scan(true); ok {
			scans = append(scans, s)
		}
	}
	for _, p := range packets {
		if p.Op == ssi.OpDecodeData {
			for _, c := range a.Push(p) {
				take(c)
			}
		}
	}
	if c, ok := a.Expire(); ok {
		take(c)
	}
	return scans
}

func TestVectors(t *testing.T) {
	load(t, func(v vectors.Vector, m meaning) {
		t.Run(v.Name, func(t *testing.T) {
			source := ssi.FromDecoder
			if v.Direction == vectors.HostToDevice {
				source = ssi.FromHost
			}
			for _, size := range []int{len(v.Wire), 1, 3} {
				f := &ssi.Framer{Source: source}
				got := frame(f, v.Wire, func() int { return size })
				want := m.packets(t, source)
				if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
					t.Errorf("pieces of %d: %+v\nwant %+v", size, got, want)
				}
				if n := f.Skipped(); n != m.Skipped {
					t.Errorf("pieces of %d: %d bytes skipped, want %d", size, n, m.Skipped)
				}
				if scans := decode(got); !reflect.DeepEqual(scans, m.scans(t)) {
					t.Errorf("codes %+v\nwant  %+v", scans, m.scans(t))
				}
			}
		})
	})
}

func TestAppendIsThatOfTheVectors(t *testing.T) {
	load(t, func(v vectors.Vector, m meaning) {
		if v.Direction != vectors.HostToDevice {
			return
		}
		got, err := m.packets(t, ssi.FromHost)[0].Append([]byte{9})
		if err != nil || !bytes.Equal(got[1:], v.Wire) {
			t.Errorf("%s: % x, %v; want % x", v.Name, got, err, v.Wire)
		}
	})
	if _, err := (ssi.Packet{Data: make([]byte, ssi.MaxData+1)}).Append(nil); err == nil {
		t.Error("too much data: nil, want an error")
	}
}

func TestOverlongCode(t *testing.T) {
	var a ssi.Assembler
	p := ssi.Packet{Op: ssi.OpDecodeData, Status: ssi.Continuation, Data: bytes.Repeat([]byte{'x'}, 251)}
	var got []ssi.Code
	for range 20 {
		got = append(got, a.Push(p)...)
	}
	if len(got) != 1 || got[0].Fault != drivers.ScanOverlong || !a.Pending() {
		t.Fatalf("%d codes; want one overlong, and the rest pending", len(got))
	}
	p.Status = 0
	if got := a.Push(p); len(got) != 0 || a.Pending() {
		t.Errorf("the end of an overlong code: %d codes", len(got))
	}
}

func FuzzFramer(f *testing.F) {
	load(f, func(v vectors.Vector, _ meaning) { f.Add(v.Wire, uint64(1)) })
	f.Fuzz(func(t *testing.T, wire []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		whole, pieces := &ssi.Framer{}, &ssi.Framer{}
		got := frame(whole, wire, func() int { return len(wire) })
		if again := frame(pieces, wire, func() int { return 1 + r.IntN(len(wire)) }); !reflect.DeepEqual(got, again) {
			t.Fatalf("whole  %+v\npieces %+v", got, again)
		}
		total := whole.Skipped()
		for _, p := range got {
			again, err := p.Append(nil)
			if err != nil || !bytes.Contains(wire, again) {
				t.Errorf("% x is not in the stream, %v", again, err)
			}
			total += len(again)
		}
		if total != len(wire) {
			t.Errorf("%d bytes accounted for of %d", total, len(wire))
		}
		for _, s := range decode(got) {
			if len(s.Data) > ssi.Limit || s.Fault != drivers.ScanOK && len(s.Data) > 64 || s.Fault == drivers.ScanOK && len(s.Data) == 0 {
				t.Errorf("%d bytes with fault %q", len(s.Data), s.Fault)
			}
		}
	})
}
