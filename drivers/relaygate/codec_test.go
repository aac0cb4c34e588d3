package relaygate

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"yipiao/drivers/modbus"
	"yipiao/drivers/vectors"
)

// meaning is what the meaning of a relaygate vector holds.
type meaning struct {
	Board   Board  `json:"board"`
	Relay   int    `json:"relay"`
	On      *bool  `json:"on"`
	PulseMs int    `json:"pulse_ms"`
	Taken   bool   `json:"taken"`
	Read    string `json:"read"`
	Count   int    `json:"count"`
	Set     []int  `json:"set"`
	Wrong   string `json:"wrong"`
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("relaygate")
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// request is what the driver asks for a meaning.
func (m meaning) request(t testing.TB) modbus.Request {
	t.Helper()
	unit := byte(m.Board.unit())
	switch {
	case m.PulseMs > 0:
		req, err := m.Board.Pulse(unit, m.Relay, time.Duration(m.PulseMs)*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		return req
	case m.Read == "relays":
		return reading(unit, modbus.ReadCoils, m.Count)
	case m.Read == "inputs":
		return reading(unit, modbus.ReadDiscreteInputs, m.Count)
	}
	req := off(unit, m.Relay)
	req.Bits[0] = *m.On
	return req
}

func TestVectors(t *testing.T) {
	for _, v := range load(t) {
		t.Run(v.Name, func(t *testing.T) {
			var m meaning
			if err := v.Mean(&m); err != nil {
				t.Fatal(err)
			}
			if v.Direction == vectors.HostToDevice {
				if !v.Valid {
					return // the simulator's to refuse
				}
				got, err := modbus.AppendRequest(nil, m.request(t))
				if err != nil || !bytes.Equal(got, v.Wire) {
					t.Errorf("% x, %v; want % x", got, err, v.Wire)
				}
				return
			}
			resp, n, err := modbus.DecodeResponse(v.Wire, m.request(t))
			switch {
			case !v.Valid && err == nil:
				t.Errorf("taken for good, although wrong: %s", m.Wrong)
			case v.Valid && (err != nil || n != len(v.Wire)):
				t.Errorf("took %d bytes, %v", n, err)
			case v.Valid && !m.Taken:
				checkBits(t, resp.Bits, m)
			}
		})
	}
}

func checkBits(t *testing.T, got []bool, m meaning) {
	t.Helper()
	for i, on := range got {
		if on != slices.Contains(m.Set, i+1) {
			t.Errorf("channel %d is %v", i+1, on)
		}
	}
	if len(got) != m.Count {
		t.Errorf("%d channels, want %d", len(got), m.Count)
	}
}

func TestPulsesThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		board Board
		relay int
		d     time.Duration
	}{
		{Waveshare, 0, time.Second},
		{LCTech, 9, time.Second},
		{Waveshare, 1, 0},
		{LCTech, 1, time.Hour},
		{"other", 1, time.Second},
	} {
		if _, err := c.board.Pulse(1, c.relay, c.d); err == nil {
			t.Errorf("%+v: nil, want an error", c)
		}
	}
}

// FuzzInputs: whatever a board answers, a contact changes once at most for each time it is debounced.
func FuzzInputs(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire, uint8(1))
	}
	req := reading(1, modbus.ReadDiscreteInputs, channels)
	f.Fuzz(func(t *testing.T, wire []byte, samples uint8) {
		resp, _, err := modbus.DecodeResponse(wire, req)
		if err != nil || resp.Exception != 0 {
			return
		}
		if len(resp.Bits) != channels {
			t.Fatalf("%d inputs", len(resp.Bits))
		}
		in, rose, now := input{channel: 1}, 0, time.Unix(1000, 0)
		in.see(make([]bool, channels), now, 0)
		for range samples {
			now = now.Add(60 * time.Millisecond)
			if in.see(resp.Bits, now, 40*time.Millisecond) {
				rose++
			}
		}
		if rose > 1 || rose == 1 && (samples < 2 || !resp.Bits[0]) || resp.Bits[0] && samples >= 2 && rose == 0 {
			t.Errorf("input %v rose %d times in %d samples", resp.Bits[0], rose, samples)
		}
	})
}
