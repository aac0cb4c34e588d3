package tpwgate

import (
	"bytes"
	"testing"
	"time"

	"yipiao/drivers/vectors"
)

// meaning is what the meaning of a tpw vector holds.
type meaning struct {
	Type   byte    `json:"type"`
	Entry  byte    `json:"entry"`
	Exit   byte    `json:"exit"`
	Switch byte    `json:"switch"`
	Side   byte    `json:"side"`
	Count  *uint32 `json:"count"`
	Text   string  `json:"text"`
	Wrong  string  `json:"wrong"`
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("tpw")
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func newGate() mechanism {
	return newMechanism(Settings{Visitor: Stay}, func(string, string, []byte) {})
}

var noon = time.Unix(1000, 0)

func TestCommandsOfTheVectors(t *testing.T) {
	for _, v := range load(t) {
		if v.Direction != vectors.HostToDevice {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			var x meaning
			if err := v.Mean(&x); err != nil {
				t.Fatal(err)
			}
			typ, content, used, ok := next(v.Wire)
			if x.Wrong == "end" {
				if ok {
					t.Errorf("taken for a command: %x % x", typ, content)
				}
				return
			}
			if !ok || used != len(v.Wire) || typ != x.Type {
				t.Fatalf("type %x, %d bytes, %v", typ, used, ok)
			}
			m := newGate()
			m.check(t, x, m.obey(noon, typ, content, v.Wire))
		})
	}
}

// check looks at what a command did.
func (m *mechanism) check(t *testing.T, x meaning, reply []byte) {
	t.Helper()
	switch {
	case x.Wrong != "":
		if !bytes.Equal(reply, frame(failure)) || m.modes != [2]byte{controlled, controlled} {
			t.Errorf("answered % x, modes % x", reply, m.modes)
		}
	case x.Entry != 0:
		if !bytes.Equal(reply, frame(success)) || m.modes != [2]byte{x.Entry, x.Exit} {
			t.Errorf("answered % x, modes % x", reply, m.modes)
		}
	case x.Switch != 0:
		if !bytes.Equal(reply, frame(success)) || !m.counting[(x.Switch-'0')/2] {
			t.Errorf("answered % x, counting %v", reply, m.counting)
		}
	}
}

func TestAnswersOfTheVectors(t *testing.T) {
	for _, v := range load(t) {
		var x meaning
		if err := v.Mean(&x); err != nil {
			t.Fatal(err)
		}
		if v.Direction != vectors.DeviceToHost || !v.Valid {
			continue
		}
		m := newGate()
		var got []byte
		switch {
		case x.Count != nil:
			m.counts = [2]uint32{*x.Count, *x.Count}
			got = m.obey(noon, readCount, []byte{x.Type - switches + '0'}, nil)
		case x.Entry != 0:
			m.modes = [2]byte{x.Entry, x.Exit}
			got = m.parameters()[4]
		case x.Text != "":
			got = m.parameters()[1]
		case x.Type == success:
			got = m.obey(noon, switches, []byte{'0'}, nil)
		case x.Type == failure:
			got = m.obey(noon, switches, []byte{'9'}, nil)
		default:
			got = frame(connect)
		}
		if !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: % x, want % x", v.Name, got, v.Wire)
		}
	}
}

func FuzzCommands(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		m := newGate()
		for len(p) > 0 {
			typ, content, used, ok := next(p)
			if used > len(p) || ok && used == 0 {
				t.Fatalf("%d of %d bytes", used, len(p))
			}
			if !ok {
				return
			}
			if reply := m.obey(noon, typ, content, p[:used]); reply != nil && (reply[0] != start || reply[len(reply)-1] != stop || int(reply[2]) != len(reply)-4) {
				t.Fatalf("answered % x", reply)
			}
			p = p[used:]
		}
	})
}
