package uhfbb

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"yipiao/drivers/vectors"
)

// meaning is what a uhfbb vector's meaning holds.
type meaning struct {
	Command string `json:"command"`
	Rounds  int    `json:"rounds"`
	Sight   *struct {
		EPC  string `json:"epc"`
		RSSI int    `json:"rssi"`
	} `json:"sight"`
	Nothing bool   `json:"nothing"`
	Answer  string `json:"answer"`
	Version string `json:"version"`
	Wrong   string `json:"wrong"`
}

func (m meaning) wire(t *testing.T) []byte {
	switch m.Command {
	case "single":
		return AppendCommand(nil, cmdSingle)
	case "many":
		return AppendCommand(nil, cmdMany, rounds...)
	case "stop":
		return AppendCommand(nil, cmdStop)
	case "info":
		return AppendCommand(nil, cmdInfo, 0)
	}
	t.Fatalf("command %q", m.Command)
	return nil
}

func (m meaning) check(t *testing.T, f frame) {
	s, seen := f.sight()
	switch {
	case m.Sight != nil:
		if !seen || hex.EncodeToString(s.EPC) != m.Sight.EPC || s.RSSI != m.Sight.RSSI {
			t.Errorf("%+v, want %+v", s, *m.Sight)
		}
	case m.Nothing != f.nothing() || seen:
		t.Errorf("%+v: nothing %v", f, f.nothing())
	case m.Answer != "":
		want := map[string]byte{"stop": cmdStop, "info": cmdInfo}[m.Answer]
		if f.Type != typeAnswer || f.Command != want || m.Version != "" && printable(f.Param[1:]) != m.Version {
			t.Errorf("%+v, want the answer to %s", f, m.Answer)
		}
	}
}

func usable(f frame) bool {
	_, seen := f.sight()
	return seen || f.nothing()
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("uhfbb")
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
		for _, noise := range []string{"\xff\x7e", "\xbb", "\xbb\x02\x22\x00", "\xbb\x02\x22\x00\x11\xce", "\xbb\xbb"} {
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
			if len(p)-skip > longest+around {
				t.Fatalf("%d bytes wait for an end", len(p)-skip)
			}
			return
		}
		again, skip2, size2 := cut(p[skip : skip+size])
		if skip2 != 0 || size2 != size || !reflect.DeepEqual(f, again) {
			t.Fatalf("the frame alone is another: %+v, %+v", f, again)
		}
		if s, ok := f.sight(); ok && (len(s.EPC) < 2 || s.RSSI < -128 || s.RSSI > 127) {
			t.Errorf("%+v", s)
		}
	})
}
