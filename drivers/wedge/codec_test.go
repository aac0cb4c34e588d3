package wedge_test

import (
	"encoding/hex"
	"math/rand/v2"
	"reflect"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/linescan"
	"yipiao/drivers/vectors"
	"yipiao/drivers/wedge"
)

// meaning is what a vector's meaning holds, docs/protocols/wedge.md.
type meaning struct {
	Reads []struct {
		Data    string `json:"data"`
		DataHex string `json:"data_hex"`
		AIM     string `json:"aim"`
		Fault   string `json:"fault"`
		Bytes   int    `json:"bytes"`
	} `json:"reads"`
	Spoilt int    `json:"spoilt"`
	Typed  string `json:"typed"`
}

func load(t testing.TB, take func(v vectors.Vector, m meaning)) {
	t.Helper()
	vs, err := vectors.Load("wedge")
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

// typed is what a recording types that is read in pieces, silence at its end included.
func typed(wire []byte, piece func() int) (text []byte, spoilt int) {
	var events wedge.Events
	var typist wedge.Typist
	for len(wire) > 0 {
		n := min(piece(), len(wire))
		all, bad := events.Push(wire[:n])
		wire = wire[n:]
		spoilt += bad
		for _, e := range all {
			if c, ok := typist.Push(e); ok {
				text = append(text, c)
			}
		}
	}
	return text, spoilt + events.Idle()
}

func TestVectorsOfKeys(t *testing.T) {
	load(t, func(v vectors.Vector, m meaning) {
		if v.Name == "events were lost" {
			return // of the driver: where the loss was is not in the text
		}
		t.Run(v.Name, func(t *testing.T) {
			for _, size := range []int{len(v.Wire), 1, 7, wedge.EventSize} {
				text, spoilt := typed(v.Wire, func() int { return size })
				var want []linescan.Frame
				for _, r := range m.Reads {
					data := []byte(r.Data)
					if r.DataHex != "" {
						data, _ = hex.DecodeString(r.DataHex)
					}
					want = append(want, linescan.Frame{Data: data, AIM: r.AIM, Bytes: r.Bytes, Fault: drivers.ScanFault(r.Fault)})
				}
				if got := (&linescan.Framer{}).Decode(text); !reflect.DeepEqual(got, want) || spoilt != m.Spoilt {
					t.Errorf("pieces of %d: %+v, spoilt %d\nwant %+v, %d", size, got, spoilt, want, m.Spoilt)
				}
				if m.Typed != "" && string(text) != m.Typed {
					t.Errorf("typed %q, want %q", text, m.Typed)
				}
			}
		})
	})
}

func TestLostEventsLetGoOfAllKeys(t *testing.T) {
	var typist wedge.Typist
	push := func(kind, code uint16, value int32) byte {
		c, _ := typist.Push(wedge.Event{Type: kind, Code: code, Value: value})
		return c
	}
	push(1, 42, 1)
	if c := push(1, 30, 1); c != 'A' {
		t.Errorf("%q with shift", c)
	}
	push(0, 3, 0)
	if c := push(1, 30, 1); c != 'a' {
		t.Errorf("%q after events were lost", c)
	}
	typist.TabEnds = true
	if c := push(1, 15, 1); c != '\r' {
		t.Errorf("TAB types %q", c)
	}
}

func FuzzKeys(f *testing.F) {
	load(f, func(v vectors.Vector, _ meaning) { f.Add(v.Wire, uint64(1)) })
	f.Fuzz(func(t *testing.T, wire []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		whole, bad := typed(wire, func() int { return len(wire) })
		pieces, again := typed(wire, func() int { return 1 + r.IntN(len(wire)) })
		if string(whole) != string(pieces) || bad != again {
			t.Errorf("whole %q, %d spoilt; pieces %q, %d", whole, bad, pieces, again)
		}
		if len(whole)*wedge.EventSize > len(wire) {
			t.Errorf("%d characters of %d bytes", len(whole), len(wire))
		}
	})
}
