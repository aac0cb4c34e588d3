package turnstile

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/rtu"
)

func load(t testing.TB, protocol string) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load(protocol)
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// TestChecksumOfTheVectors runs the slave's own checksum over every frame that is shared with the driver.
func TestChecksumOfTheVectors(t *testing.T) {
	n := 0
	for _, protocol := range []string{"modbus", "lotgate"} {
		for _, v := range load(t, protocol) {
			if !v.Valid {
				continue
			}
			n++
			if !rtu.Intact(v.Wire) {
				t.Errorf("%s %s: checksum %04x", protocol, v.Name, rtu.CRC(v.Wire[:len(v.Wire)-2]))
			}
			if got := rtu.Seal(bytes.Clone(v.Wire[:len(v.Wire)-2])); !bytes.Equal(got, v.Wire) {
				t.Errorf("%s %s: sealed % x", protocol, v.Name, got)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d frames", n)
	}
}

// meaning is what the meaning of a lotgate vector holds.
type meaning struct {
	EntryPermits *uint16 `json:"entry_permits"`
	ExitPermits  uint16  `json:"exit_permits"`
	EntryBody    bool    `json:"entry_body"`
	ExitBody     bool    `json:"exit_body"`
	EntryCount   uint32  `json:"entry_count"`
	ExitCount    uint32  `json:"exit_count"`
	Errors       *uint16 `json:"errors"`

	Read      *uint16 `json:"read"`
	Count     uint16  `json:"count"`
	Write     *uint16 `json:"write"`
	Value     uint16  `json:"value"`
	What      string  `json:"what"`
	Written   *uint16 `json:"written"`
	Exception byte    `json:"exception"`
	Wrong     string  `json:"wrong"`
}

func newMechanism() *mechanism {
	return &mechanism{
		set: Settings{Visitor: Stay}, note: func(string, string, []byte) {}, save: func(uint32, uint32) {},
		startSecs: 5, finishSecs: 5,
	}
}

// ask puts one request to a mechanism.
func ask(m *mechanism, req []byte) []byte {
	if n := rtu.Length(req); n == 0 || n != len(req) || !rtu.Intact(req) {
		return nil
	}
	return answer(1, req, registers{m: m, now: time.Unix(1000, 0)})
}

func TestStatusOfTheVectors(t *testing.T) {
	for _, v := range load(t, "lotgate") {
		var m meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		if m.EntryPermits == nil {
			continue
		}
		mech := newMechanism()
		mech.permits = [2]uint16{*m.EntryPermits, m.ExitPermits}
		mech.counts = [2]uint32{m.EntryCount, m.ExitCount}
		n := uint16(8)
		if m.Errors != nil {
			n = 9
			mech.faultBits = *m.Errors
		}
		switch {
		case m.EntryBody:
			mech.lane = &passage{dir: Entry}
		case m.ExitBody:
			mech.lane = &passage{dir: Exit}
		}
		if got := ask(mech, readRequest(0x40, n)); !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: % x, want % x", v.Name, got, v.Wire)
		}
	}
}

func readRequest(addr, n uint16) []byte {
	p := binary.BigEndian.AppendUint16([]byte{1, fcRead}, addr)
	return rtu.Seal(binary.BigEndian.AppendUint16(p, n))
}

// TestRequestsOfTheVectors carries out what the driver sends and looks at what that did.
func TestRequestsOfTheVectors(t *testing.T) {
	for _, v := range load(t, "lotgate") {
		if v.Direction != vectors.HostToDevice {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			var m meaning
			if err := v.Mean(&m); err != nil {
				t.Fatal(err)
			}
			mech := newMechanism()
			mech.accumulate = 1
			reply := ask(mech, v.Wire)
			switch {
			case m.Wrong == "address":
				if want := rtu.Seal([]byte{1, fcWriteMany | rtu.Refused, byte(rtu.NoAddress)}); !bytes.Equal(reply, want) {
					t.Errorf("answered % x, want % x", reply, want)
				}
			case m.Wrong != "":
				if reply != nil {
					t.Errorf("answered % x to a frame with a wrong %s", reply, m.Wrong)
				}
			case m.Read != nil:
				if len(reply) != 5+2*int(m.Count) || !rtu.Intact(reply) {
					t.Errorf("answered % x to a read of %d", reply, m.Count)
				}
			default:
				checkWrite(t, mech, m, reply)
			}
		})
	}
}

func checkWrite(t *testing.T, mech *mechanism, m meaning, reply []byte) {
	t.Helper()
	got, ok := registers{m: mech}.get(*m.Write)
	if !ok || got != m.Value {
		t.Errorf("register %#04x holds %d, want %d", *m.Write, got, m.Value)
	}
	echo := binary.BigEndian.AppendUint16([]byte{1, fcWriteMany}, *m.Write)
	if want := rtu.Seal(append(echo, 0, 1)); !bytes.Equal(reply, want) {
		t.Errorf("answered % x, want % x", reply, want)
	}
}

func TestRefusals(t *testing.T) {
	cases := []struct {
		name string
		req  []byte
		want rtu.Refusal // 0 = no answer at all
	}{
		{"a register that is none", readRequest(0x0050, 1), rtu.NoAddress},
		{"past the last register", readRequest(0x0048, 2), rtu.NoAddress},
		{"no registers", readRequest(0x0040, 0), rtu.BadValue},
		{"too many registers", readRequest(0x0040, 126), rtu.BadValue},
		{"a body sensor cannot be written", rtu.Seal([]byte{1, 6, 0, 0x42, 0, 1}), rtu.NoAddress},
		{"start time zero", rtu.Seal([]byte{1, 6, 0x30, 0x11, 0, 0}), rtu.BadValue},
		{"mode 3", rtu.Seal([]byte{1, 6, 0x30, 0x00, 0, 3}), rtu.BadValue},
		{"byte count that does not fit", rtu.Seal([]byte{1, 16, 0, 0x40, 0, 2, 2, 0, 1}), rtu.BadValue},
		{"another unit", rtu.Seal([]byte{2, 6, 0, 0x40, 0, 1}), 0},
		{"broadcast", rtu.Seal([]byte{0, 6, 0, 0x40, 0, 1}), 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newMechanism()
			reply := ask(m, c.req)
			if c.want == 0 {
				if reply != nil {
					t.Errorf("answered % x", reply)
				}
				if broadcast := c.req[0] == 0; broadcast != (m.permits[Entry] == 1) {
					t.Errorf("entry permits %d", m.permits[Entry])
				}
				return
			}
			if want := rtu.Seal([]byte{1, c.req[1] | rtu.Refused, byte(c.want)}); !bytes.Equal(reply, want) {
				t.Errorf("answered % x, want % x", reply, want)
			}
		})
	}
}

func FuzzSlave(f *testing.F) {
	for _, protocol := range []string{"modbus", "lotgate"} {
		for _, v := range load(f, protocol) {
			f.Add(v.Wire)
		}
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		m := newMechanism()
		n := rtu.Length(p)
		if n == 0 || len(p) < n {
			return
		}
		req := rtu.Seal(bytes.Clone(p[:n-2])) // as if its checksum were right, to get further
		if reply := answer(1, req, registers{m: m, now: time.Unix(1000, 0)}); reply != nil {
			if !rtu.Intact(reply) || reply[0] != 1 || reply[1]&^rtu.Refused != req[1] {
				t.Errorf("answered % x to % x", reply, req)
			}
		}
	})
}
