package uhfa0

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"testing"

	"yipiao/drivers/vectors"
)

// meaning is what a uhfa0 vector's meaning holds.
type meaning struct {
	Command string `json:"command"`
	Address byte   `json:"address"`
	Antenna byte   `json:"antenna"`
	Sight   *struct {
		EPC     string `json:"epc"`
		Antenna int    `json:"antenna"`
		RSSI    int    `json:"rssi"`
	} `json:"sight"`
	End     bool   `json:"end"`
	Code    string `json:"code"`
	Version string `json:"version"`
	Wrong   string `json:"wrong"`
}

func (m meaning) wire(t *testing.T) []byte {
	switch m.Command {
	case "firmware":
		return AppendFrame(nil, m.Address, cmdFirmware)
	case "set_antenna":
		return AppendFrame(nil, m.Address, cmdSetAntenna, m.Antenna-1)
	case "round":
		return AppendFrame(nil, m.Address, cmdInventory, 1)
	}
	t.Fatalf("command %q", m.Command)
	return nil
}

func (m meaning) check(t *testing.T, f frame) {
	s, seen := f.sight()
	c, short := f.code()
	switch {
	case m.Sight != nil:
		if !seen || hex.EncodeToString(s.EPC) != m.Sight.EPC || s.Antenna != m.Sight.Antenna || s.RSSI != m.Sight.RSSI || f.ends() {
			t.Errorf("%+v, want %+v", s, *m.Sight)
		}
	case m.End:
		if !f.ends() || seen {
			t.Errorf("%+v does not end a round", f)
		}
	case m.Code != "":
		if !short || fmt.Sprintf("%02x", c) != m.Code || f.Command != cmdSetAntenna {
			t.Errorf("%+v, want code %s", f, m.Code)
		}
	case m.Version != "":
		if f.Command != cmdFirmware || fmt.Sprintf("%d.%d", f.Data[0], f.Data[1]) != m.Version {
			t.Errorf("%+v, want version %s", f, m.Version)
		}
	}
}

func usable(f frame) bool {
	_, seen := f.sight()
	return seen || f.ends()
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("uhfa0")
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func TestVectors(t *testing.T) {
	for _, v := range load(t) {
		t.Run(v.Name, func(t *testing.T) {
			var m meaning
			if err := v.Mean(&m); err != nil {
				t.Fatal(err)
			}
			switch {
			case v.Direction == vectors.HostToDevice && v.Valid:
				if got := m.wire(t); !bytes.Equal(got, v.Wire) {
					t.Errorf("% x, want % x", got, v.Wire)
				}
			case v.Direction == vectors.DeviceToHost && v.Valid:
				f, skip, size := cut(v.Wire)
				if skip != 0 || size != len(v.Wire) {
					t.Fatalf("%+v, skip %d, size %d", f, skip, size)
				}
				m.check(t, f)
			case v.Direction == vectors.DeviceToHost:
				if f, _, size := cut(v.Wire); size > 0 && usable(f) {
					t.Errorf("%+v was taken, its %s is wrong", f, m.Wrong)
				}
			}
		})
	}
}

// TestCutResyncs puts noise, and beginnings of frames, before each good frame.
func TestCutResyncs(t *testing.T) {
	for _, v := range load(t) {
		if !v.Valid || v.Direction != vectors.DeviceToHost {
			continue
		}
		for _, noise := range []string{"\xff\x00", "\xa0", "\xa0\x04", "\xa0\x13\x01\x89", "\xa0\xa0\xa0"} {
			p := append([]byte(noise), v.Wire...)
			want, _, _ := cut(v.Wire)
			for {
				f, skip, size := cut(p)
				if size > 0 && len(p) == skip+size {
					if !reflect.DeepEqual(f, want) {
						t.Errorf("%s after %q: %+v", v.Name, noise, f)
					}
					break
				}
				if p = p[skip+size:]; size == 0 {
					if len(p) == 0 {
						t.Errorf("%s after %q: lost", v.Name, noise)
						break
					}
					p = p[1:] // what dialogue does after a gap
				}
			}
		}
	}
}

func FuzzCut(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire)
		f.Add(append(bytes.Clone(v.Wire[:len(v.Wire)/2]), v.Wire...))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		before := bytes.Clone(p)
		f, skip, size := cut(p)
		if skip < 0 || size < 0 || skip+size > len(p) || !bytes.Equal(p, before) {
			t.Fatalf("skip %d, size %d of %d bytes", skip, size, len(p))
		}
		if size == 0 {
			if len(p)-skip > 2+255 {
				t.Fatalf("%d bytes wait for an end", len(p)-skip)
			}
			return
		}
		again, skip2, size2 := cut(p[skip : skip+size])
		if skip2 != 0 || size2 != size || !reflect.DeepEqual(f, again) {
			t.Fatalf("the frame alone is another: %+v, %+v", f, again)
		}
		if s, ok := f.sight(); ok && (len(s.EPC) < 2 || s.Antenna < 1 || s.Antenna > 8 || s.RSSI < floor || s.RSSI > 0) {
			t.Errorf("%+v", s)
		}
	})
}
