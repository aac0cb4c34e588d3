package cr95hf

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"yipiao/drivers/vectors"
)

// meaning is what a cr95hf vector's meaning holds.
type meaning struct {
	Command string `json:"command"`
	Answer  string `json:"answer"`
	Version string `json:"version"`
	UID     string `json:"uid"`
	Error   string `json:"error"`
	Wrong   string `json:"wrong"`
}

func (m meaning) wire(t *testing.T) []byte {
	w, ok := map[string][]byte{"echo": cmdEcho, "idn": cmdIDN, "select": cmdSelect, "inventory": cmdInventory}[m.Command]
	if !ok {
		t.Fatalf("command %q", m.Command)
	}
	return w
}

func (m meaning) check(t *testing.T, f frame) {
	switch m.Answer {
	case "echo":
		if f.Result != resEcho {
			t.Errorf("%+v", f)
		}
	case "idn":
		if f.Result != resGood || len(f.Data) != idnSize || f.name() != m.Version {
			t.Errorf("%+v is called %q", f, f.name())
		}
	case "inventory":
		uid, err := f.uid()
		if hex.EncodeToString(uid) != m.UID || (err == nil) != (m.UID != "") {
			t.Errorf("% x, %v, want %q", uid, err, m.UID)
		}
		if m.UID == "" && (f.Result == resNoReply) != (m.Error == "") {
			t.Errorf("result %02x", f.Result)
		}
	}
}

func usable(f frame) bool {
	_, err := f.uid()
	return err == nil
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("cr95hf")
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
		for _, noise := range []string{"\xff\x01", "\x20\x30\x40", "\x7e"} {
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
			if len(p)-skip > 2+longest {
				t.Fatalf("%d bytes wait for an end", len(p)-skip)
			}
			return
		}
		again, skip2, size2 := cut(p[skip : skip+size])
		if skip2 != 0 || size2 != size || !reflect.DeepEqual(f, again) {
			t.Fatalf("the frame alone is another: %+v, %+v", f, again)
		}
		if uid, err := f.uid(); err == nil && (len(uid) != 8 || uid[0] != 0xE0) {
			t.Errorf("% x", uid)
		}
		_ = f.name()
	})
}
