package hidpos_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/hidpos"
	"yipiao/drivers/vectors"
)

// meaning is what a vector's meaning holds, docs/protocols/hidpos.md.
type meaning struct {
	Messages []struct {
		AIM     string `json:"aim"`
		Data    string `json:"data"`
		DataHex string `json:"data_hex"`
		Bytes   int    `json:"bytes"`
		Fault   string `json:"fault"`
	} `json:"messages"`
	Wrong int `json:"wrong"`
	Send  *struct {
		AIM    string `json:"aim"`
		Code   string `json:"code"`
		Vendor byte   `json:"vendor"`
	} `json:"send"`
	Command string `json:"command"`
	Answer  *struct {
		Firmware string `json:"firmware"`
	} `json:"answer"`
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("hidpos")
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// reports cuts a recording as USB would.
func reports(wire []byte) (all [][]byte) {
	for len(wire) > 0 {
		n := min(64, len(wire))
		all = append(all, wire[:n])
		wire = wire[n:]
	}
	return all
}

// decode turns reports into scans, silence at their end included.
func decode(wire []byte) (scans []drivers.Scan, wrong int) {
	var a hidpos.Assembler
	take := func(m hidpos.Message) {
		if s, ok := m.Scan(); ok {
			scans = append(scans, s)
		}
	}
	for _, p := range reports(wire) {
		r, err := hidpos.Decode(p)
		if err != nil {
			wrong++
			continue
		}
		for _, m := range a.Push(r) {
			take(m)
		}
	}
	if m, ok := a.Expire(); ok {
		take(m)
	}
	return scans, wrong
}

func TestVectors(t *testing.T) {
	for _, v := range load(t) {
		var m meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		if m.Messages == nil {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			var want []drivers.Scan
			clean := m.Wrong == 0
			for _, x := range m.Messages {
				data := []byte(x.Data)
				if x.DataHex != "" {
					data, _ = hex.DecodeString(x.DataHex)
				}
				want = append(want, drivers.Scan{Data: data, AIM: x.AIM, Bytes: x.Bytes, Fault: drivers.ScanFault(x.Fault)})
				clean = clean && x.Fault == ""
			}
			got, wrong := decode(v.Wire)
			if !reflect.DeepEqual(got, want) || wrong != m.Wrong {
				t.Errorf("got  %+v, %d wrong\nwant %+v, %d wrong", got, wrong, want, m.Wrong)
			}
			if clean != v.Valid {
				t.Errorf("valid %v, but the meaning says otherwise", v.Valid)
			}
		})
	}
}

func TestOverlongIsToldOnceAndTheRestIsDropped(t *testing.T) {
	var a hidpos.Assembler
	part := hidpos.Report{AIM: "]Q1", Data: bytes.Repeat([]byte("x"), 56), More: true}
	var got []hidpos.Message
	for range 100 {
		got = append(got, a.Push(part)...)
	}
	if len(got) != 1 || got[0].Fault != drivers.ScanOverlong || !a.Pending() {
		t.Fatalf("%d messages, pending %v; want one overlong and the rest pending", len(got), a.Pending())
	}
	if s, ok := got[0].Scan(); !ok || len(s.Data) != 64 {
		t.Errorf("%d bytes kept, want 64", len(s.Data))
	}
	part.More = false
	if got := a.Push(part); len(got) != 0 || a.Pending() {
		t.Errorf("the last report of an overlong code gave %d messages", len(got))
	}
	part.Data = []byte("OK")
	if got := a.Push(part); len(got) != 1 || got[0].Fault != drivers.ScanOK {
		t.Errorf("the next code: %+v", got)
	}
}

func TestFirmware(t *testing.T) {
	for text, want := range map[string]string{
		"Product Name: X\r\nSoftware Revision: $ProjectRevision: 16345 \r\nSerial": "16345",
		"Software Revision: BT000012BAA":                                           "BT000012BAA",
		"Software Revision: \x01":                                                  "",
		"":                                                                         "",
	} {
		if got := hidpos.Firmware([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzReports(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		scans, _ := decode(wire)
		total := 0
		for _, s := range scans {
			total += s.Bytes
			if s.Fault != drivers.ScanOK && len(s.Data) > 64 || len(s.Data) > hidpos.Limit {
				t.Errorf("%d bytes with fault %q", len(s.Data), s.Fault)
			}
			if s.Fault == drivers.ScanOK && (len(s.Data) == 0 || strings.ContainsFunc(string(s.Data), func(r rune) bool { return r < 0x20 || r > 0x7E })) {
				t.Errorf("good scan %q", s.Data)
			}
		}
		if total > len(wire) {
			t.Errorf("scans count %d bytes of %d", total, len(wire))
		}
	})
}
