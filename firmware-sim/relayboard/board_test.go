package relayboard

import (
	"bytes"
	"testing"
	"time"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/rtu"
	"yipiao/firmware-sim/tape"
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

func newSim(t testing.TB, b Board) *Sim {
	t.Helper()
	m, err := New(Settings{Board: b, Visitor: Stay}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var noon = time.Unix(1000, 0)

// ask puts a request to a board as its line would; nil is no answer.
func (m *Sim) ask(req []byte) []byte {
	if rtu.Length(req) != len(req) || !rtu.Intact(req) {
		return nil
	}
	return m.board.answer(noon, req)
}

func TestRequestsOfTheVectors(t *testing.T) {
	for _, v := range load(t) {
		if v.Direction != vectors.HostToDevice {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			var x meaning
			if err := v.Mean(&x); err != nil {
				t.Fatal(err)
			}
			m := newSim(t, x.Board)
			reply := m.ask(v.Wire)
			switch {
			case x.Wrong == "checksum":
				if reply != nil {
					t.Errorf("answered % x", reply)
				}
			case x.Wrong != "":
				no := map[string]rtu.Refusal{"address": rtu.NoAddress, "value": rtu.BadValue}[x.Wrong]
				if want := rtu.Exception(v.Wire, no); !bytes.Equal(reply, want) {
					t.Errorf("answered % x, want % x", reply, want)
				}
			case x.Read != "":
				if want := 6; len(reply) != want || !rtu.Intact(reply) {
					t.Errorf("answered % x", reply)
				}
			default:
				m.check(t, x, reply)
			}
		})
	}
}

// check looks at what a request did to a relay.
func (m *Sim) check(t *testing.T, x meaning, reply []byte) {
	t.Helper()
	ch := x.Relay - 1
	on := x.On == nil || *x.On
	if m.board.on[ch] != on || !rtu.Intact(reply) || reply[1]&rtu.Refused != 0 {
		t.Errorf("relay %d is %v, answered % x", x.Relay, m.board.on[ch], reply)
	}
	if x.PulseMs == 0 {
		return
	}
	end := noon.Add(time.Duration(x.PulseMs) * time.Millisecond)
	if m.board.release(end.Add(-time.Millisecond)); !m.board.on[ch] {
		t.Error("off before its time")
	}
	if m.board.release(end); m.board.on[ch] {
		t.Error("still on after its time")
	}
}

func TestAnswersOfTheVectors(t *testing.T) {
	for _, v := range load(t) {
		var x meaning
		if err := v.Mean(&x); err != nil {
			t.Fatal(err)
		}
		if v.Direction != vectors.DeviceToHost || !v.Valid || x.Taken {
			continue
		}
		m := newSim(t, x.Board)
		function := byte(2)
		if x.Read == "relays" {
			function = 1
		}
		for _, c := range x.Set {
			m.board.on[c-1] = true
		}
		m.board.inputs = func() [channels]bool { return m.board.on }
		req := rtu.Seal([]byte{m.board.set.unit(), function, 0, 0, 0, byte(x.Count)})
		if got := m.ask(req); !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: answered % x, want % x", v.Name, got, v.Wire)
		}
	}
}

func TestAcknowledgementsOfTheVectors(t *testing.T) {
	type pulse struct {
		board     Board
		relay, ms int
	}
	asked := make(map[pulse][]byte)
	for _, taken := range []bool{false, true} {
		for _, v := range load(t) {
			var x meaning
			if err := v.Mean(&x); err != nil {
				t.Fatal(err)
			}
			if x.PulseMs == 0 || x.Taken != taken {
				continue
			}
			key := pulse{x.Board, x.Relay, x.PulseMs}
			if !taken {
				asked[key] = v.Wire
				continue
			}
			if got := newSim(t, x.Board).ask(asked[key]); !bytes.Equal(got, v.Wire) {
				t.Errorf("%s: answered % x, want % x", v.Name, got, v.Wire)
			}
		}
	}
}

func FuzzBoard(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire, v.Wire[0] == 255)
	}
	f.Fuzz(func(t *testing.T, p []byte, lctech bool) {
		n := rtu.Length(p)
		if n == 0 || len(p) < n {
			return
		}
		b := Waveshare
		if lctech {
			b = LCTech
		}
		m := newSim(t, b)
		req := rtu.Seal(bytes.Clone(p[:n-2])) // as if its checksum were right, to get further
		reply := m.ask(req)
		if reply != nil && (!rtu.Intact(reply) || reply[1]&^rtu.Refused != req[1]) {
			t.Errorf("answered % x to % x", reply, req)
		}
	})
}
