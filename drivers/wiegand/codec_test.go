package wiegand

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"yipiao/drivers/vectors"
)

// meaning is what a wiegand vector's meaning holds.
type meaning struct {
	Bits  int    `json:"bits"` // where a bridge sends exactly this line for the number
	ID    string `json:"id"`
	Life  string `json:"life"`
	Wrong string `json:"wrong"`
}

func (m meaning) wire(t *testing.T) []byte {
	t.Fatal("a host says nothing")
	return nil
}

func (m meaning) check(t *testing.T, f frame) {
	if hex.EncodeToString(f.ID) != m.ID || f.Life != m.Life {
		t.Errorf("%+v, want %+v", f, m)
	}
}

func usable(frame) bool { return true }

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("wiegand")
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
		for _, noise := range []string{"\xff\x01\n", "W26 2020\n", "\r\n", "W34\n"} {
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
			if len(p)-skip > longest {
				t.Fatalf("%d bytes wait for an end", len(p)-skip)
			}
			return
		}
		again, skip2, size2 := cut(p[skip : skip+size])
		if skip2 != 0 || size2 != size || !reflect.DeepEqual(f, again) {
			t.Fatalf("the frame alone is another: %+v, %+v", f, again)
		}
		if (f.ID == nil) == (f.Life == "") || f.ID != nil && len(f.ID) != 3 && len(f.ID) != 4 {
			t.Errorf("%+v", f)
		}
	})
}
