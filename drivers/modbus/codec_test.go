package modbus_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"yipiao/drivers/modbus"
	"yipiao/drivers/vectors"
)

// requestMeaning is what the meaning of a request vector holds.
type requestMeaning struct {
	Unit     byte            `json:"unit"`
	Function modbus.Function `json:"function"`
	Address  uint16          `json:"address"`
	Count    uint16          `json:"count"`
	Values   []uint16        `json:"values"`
	Coils    []bool          `json:"coils"`
	Wrong    string          `json:"wrong"` // of an invalid vector
}

// responseMeaning is what the meaning of an answer vector holds.
type responseMeaning struct {
	Request   string           `json:"request"` // name of the request's vector
	Values    []uint16         `json:"values"`
	Coils     []bool           `json:"coils"`
	Exception modbus.Exception `json:"exception"`
	Wrong     string           `json:"wrong"` // of an invalid vector; "short" is only incomplete
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("modbus")
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// requests returns the valid requests of the vectors by name.
func requests(t testing.TB) map[string]modbus.Request {
	t.Helper()
	byName := make(map[string]modbus.Request)
	for _, v := range load(t) {
		if v.Direction != vectors.HostToDevice || !v.Valid {
			continue
		}
		var m requestMeaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		byName[v.Name] = modbus.Request{
			Unit: m.Unit, Func: m.Function, Addr: m.Address, Count: m.Count, Values: m.Values, Bits: m.Coils,
		}
	}
	return byName
}

func TestAppendRequestVectors(t *testing.T) {
	reqs := requests(t)
	for _, v := range load(t) {
		req, ok := reqs[v.Name]
		if !ok {
			continue
		}
		got, err := modbus.AppendRequest([]byte{0xEE}, req)
		if err != nil || !bytes.Equal(got, append([]byte{0xEE}, v.Wire...)) {
			t.Errorf("%s: % x, %v; want ee % x", v.Name, got, err, v.Wire)
		}
	}
	if len(reqs) < 10 {
		t.Errorf("only %d requests", len(reqs))
	}
}

func TestDecodeResponseVectors(t *testing.T) {
	reqs := requests(t)
	for _, v := range load(t) {
		if v.Direction != vectors.DeviceToHost {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			var m responseMeaning
			if err := v.Mean(&m); err != nil {
				t.Fatal(err)
			}
			req, ok := reqs[m.Request]
			if !ok {
				t.Fatalf("no request %q", m.Request)
			}
			resp, n, err := modbus.DecodeResponse(append(bytes.Clone(v.Wire), 0xAA), req) // a byte of the next frame
			switch {
			case m.Wrong == "short":
				if _, _, err := modbus.DecodeResponse(v.Wire, req); !errors.Is(err, modbus.ErrShort) {
					t.Errorf("%v, want ErrShort", err)
				}
			case !v.Valid:
				if !errors.Is(err, modbus.ErrBadFrame) {
					t.Errorf("%v, want ErrBadFrame (%s)", err, m.Wrong)
				}
			case err != nil || n != len(v.Wire):
				t.Fatalf("took %d of %d bytes, %v", n, len(v.Wire), err)
			default:
				checkResponse(t, resp, req, m)
				if again := modbus.AppendResponse(nil, resp); !bytes.Equal(again, v.Wire) {
					t.Errorf("encoded again % x, want % x", again, v.Wire)
				}
			}
		})
	}
}

func checkResponse(t *testing.T, resp modbus.Response, req modbus.Request, m responseMeaning) {
	t.Helper()
	if resp.Unit != req.Unit || resp.Func != req.Func || resp.Exception != m.Exception {
		t.Errorf("unit %d function %d exception %d", resp.Unit, resp.Func, resp.Exception)
	}
	if m.Values != nil && !reflect.DeepEqual(resp.Values, m.Values) {
		t.Errorf("values %v, want %v", resp.Values, m.Values)
	}
	if m.Coils != nil && !reflect.DeepEqual(resp.Bits, m.Coils) {
		t.Errorf("coils %v, want %v", resp.Bits, m.Coils)
	}
}

func TestEveryBeginningOfAnAnswerIsShort(t *testing.T) {
	reqs := requests(t)
	for _, v := range load(t) {
		var m responseMeaning
		if v.Direction != vectors.DeviceToHost || !v.Valid {
			continue
		}
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		for n := range v.Wire {
			if _, _, err := modbus.DecodeResponse(v.Wire[:n], reqs[m.Request]); !errors.Is(err, modbus.ErrShort) {
				t.Errorf("%s, first %d bytes: %v, want ErrShort", v.Name, n, err)
			}
		}
	}
}

func TestRequestsThatCannotBeSent(t *testing.T) {
	cases := []struct {
		name string
		req  modbus.Request
		says string
	}{
		{"broadcast", modbus.Request{Func: 3, Count: 1}, "unit 0"},
		{"unknown function", modbus.Request{Unit: 1, Func: 7, Count: 1}, "function 7"},
		{"nothing", modbus.Request{Unit: 1, Func: 3}, "quantity 0"},
		{"too many registers", modbus.Request{Unit: 1, Func: 3, Count: 126}, "1 to 125"},
		{"too many coils", modbus.Request{Unit: 1, Func: 1, Count: 2001}, "1 to 2000"},
		{"too many registers to write", modbus.Request{Unit: 1, Func: 16, Values: make([]uint16, 124)}, "1 to 123"},
		{"too many coils to write", modbus.Request{Unit: 1, Func: 15, Bits: make([]bool, 1969)}, "1 to 1968"},
		{"two values for one register", modbus.Request{Unit: 1, Func: 6, Values: []uint16{1, 2}}, "1 to 1"},
		{"past the last address", modbus.Request{Unit: 1, Func: 3, Addr: 0xFFFF, Count: 2}, "address space"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dst, err := modbus.AppendRequest([]byte{1}, c.req)
			if !errors.Is(err, modbus.ErrRequest) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want ErrRequest with %q", err, c.says)
			}
			if len(dst) != 1 {
				t.Errorf("dst changed: % x", dst)
			}
		})
	}
}

func TestExceptionSaysWhatItIs(t *testing.T) {
	if got := modbus.DeviceBusy.Error(); got != "modbus: exception 6 (device busy)" {
		t.Error(got)
	}
	if got := modbus.Exception(99).Error(); got != "modbus: exception 99 (unknown)" {
		t.Error(got)
	}
}

func FuzzDecodeResponse(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire, byte(17), byte(3), uint16(0x6B), uint16(3))
		f.Add(v.Wire, byte(17), byte(16), uint16(1), uint16(2))
		f.Add(v.Wire, byte(17), byte(1), uint16(0x13), uint16(37))
	}
	f.Fuzz(func(t *testing.T, p []byte, unit, fn byte, addr, n uint16) {
		req := modbus.Request{Unit: unit, Func: modbus.Function(fn), Addr: addr, Count: n}
		if fn == 5 || fn == 15 {
			req.Bits = make([]bool, min(n, 2000))
		}
		if fn == 6 || fn == 16 {
			req.Values = make([]uint16, min(n, 200))
		}
		if _, err := modbus.AppendRequest(nil, req); err != nil {
			return
		}
		resp, took, err := modbus.DecodeResponse(p, req)
		if err != nil {
			return
		}
		again := modbus.AppendResponse(nil, resp)
		resp2, took2, err := modbus.DecodeResponse(again, req)
		if err != nil || took2 != took || !reflect.DeepEqual(resp, resp2) {
			t.Fatalf("decoded %+v, again %+v, %v", resp, resp2, err)
		}
		// Spare bits of the last byte of coils may be anything in what came; all else is the same.
		if fn > 2 && !bytes.Equal(again, p[:took]) {
			t.Fatalf("encoded % x, came % x", again, p[:took])
		}
	})
}
