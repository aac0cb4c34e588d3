package lotgate_test

import (
	"reflect"
	"testing"

	"yipiao/drivers/lotgate"
	"yipiao/drivers/modbus"
	"yipiao/drivers/vectors"
)

// meaning is what the meaning of a lotgate vector holds; status.json and permits.json say which.
type meaning struct {
	EntryPermits *uint16 `json:"entry_permits"` // present in a status only
	ExitPermits  uint16  `json:"exit_permits"`
	EntryBody    bool    `json:"entry_body"`
	ExitBody     bool    `json:"exit_body"`
	EntryCount   uint32  `json:"entry_count"`
	ExitCount    uint32  `json:"exit_count"`
	Errors       *uint16 `json:"errors"` // present in nine registers only

	Read      *uint16          `json:"read"`
	Count     uint16           `json:"count"`
	Write     *uint16          `json:"write"`
	Value     uint16           `json:"value"`
	What      string           `json:"what"`
	Written   *uint16          `json:"written"`
	Exception modbus.Exception `json:"exception"`
	Wrong     string           `json:"wrong"`
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("lotgate")
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// TestVectors reads every vector through the codec of the driver, frames included.
func TestVectors(t *testing.T) {
	for _, v := range load(t) {
		t.Run(v.Name, func(t *testing.T) {
			var m meaning
			if err := v.Mean(&m); err != nil {
				t.Fatal(err)
			}
			switch {
			case v.Direction == vectors.HostToDevice:
				if v.Valid {
					checkRequest(t, m, v.Wire)
				}
			case m.EntryPermits != nil || m.Wrong != "":
				checkStatus(t, m, v)
			default:
				checkWritten(t, m, v.Wire)
			}
		})
	}
}

func checkRequest(t *testing.T, m meaning, wire []byte) {
	t.Helper()
	req := modbus.Request{Unit: 1, Func: modbus.WriteRegisters, Values: []uint16{m.Value}}
	if m.Read != nil {
		req = modbus.Request{Unit: 1, Func: modbus.ReadHoldingRegisters, Addr: *m.Read, Count: m.Count}
	} else {
		req.Addr = *m.Write
	}
	got, err := modbus.AppendRequest(nil, req)
	if err != nil || !reflect.DeepEqual(got, wire) {
		t.Errorf("% x, %v; want % x", got, err, wire)
	}
}

func checkStatus(t *testing.T, m meaning, v vectors.Vector) {
	t.Helper()
	n := uint16(9)
	if v.Valid && m.Errors == nil {
		n = 8
	}
	resp, _, err := modbus.DecodeResponse(v.Wire, modbus.Request{Unit: 1, Func: modbus.ReadHoldingRegisters, Addr: 0x40, Count: n})
	if !v.Valid {
		if err == nil {
			t.Errorf("taken for good, although wrong: %s", m.Wrong)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := lotgate.DecodeStatus(resp.Values)
	want := lotgate.Status{
		Permits: [2]uint16{*m.EntryPermits, m.ExitPermits},
		Body:    [2]bool{m.EntryBody, m.ExitBody},
		Counts:  [2]uint32{m.EntryCount, m.ExitCount},
	}
	if m.Errors != nil {
		want.Errors = *m.Errors
	}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if again := lotgate.AppendStatus(nil, got)[:n]; !reflect.DeepEqual(again, resp.Values) {
		t.Errorf("encoded again %04x, want %04x", again, resp.Values)
	}
}

func checkWritten(t *testing.T, m meaning, wire []byte) {
	t.Helper()
	req := modbus.Request{Unit: 1, Func: modbus.WriteRegisters, Addr: 0x40, Values: []uint16{1}}
	if m.Written != nil {
		req.Addr = *m.Written
	}
	resp, n, err := modbus.DecodeResponse(wire, req)
	if err != nil || n != len(wire) || resp.Exception != m.Exception {
		t.Errorf("%+v, %v; want exception %d", resp, err, m.Exception)
	}
}

func TestDecodeStatusOfAnotherLength(t *testing.T) {
	for _, n := range []int{0, 7, 10} {
		if _, err := lotgate.DecodeStatus(make([]uint16, n)); err == nil {
			t.Errorf("%d registers: nil, want an error", n)
		}
	}
}

func FuzzStatus(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire)
	}
	req := modbus.Request{Unit: 1, Func: modbus.ReadHoldingRegisters, Addr: 0x40, Count: 9}
	f.Fuzz(func(t *testing.T, wire []byte) {
		resp, _, err := modbus.DecodeResponse(wire, req)
		if err != nil || resp.Exception != 0 {
			return
		}
		st, err := lotgate.DecodeStatus(resp.Values)
		if err != nil {
			t.Fatalf("nine registers: %v", err)
		}
		again, err := lotgate.DecodeStatus(lotgate.AppendStatus(nil, st))
		if err != nil || again != st {
			t.Errorf("%+v, again %+v, %v", st, again, err)
		}
	})
}
