package tpw

import (
	"bytes"
	"testing"

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

// content is what the driver sends for a meaning.
func (m meaning) content() []byte {
	var c []byte
	for _, b := range []byte{m.Entry, m.Exit, m.Switch, m.Side} {
		if b != 0 {
			c = append(c, b)
		}
	}
	return c
}

func TestVectors(t *testing.T) {
	for _, v := range load(t) {
		t.Run(v.Name, func(t *testing.T) {
			var m meaning
			if err := v.Mean(&m); err != nil {
				t.Fatal(err)
			}
			if v.Direction == vectors.HostToDevice {
				if got := AppendFrame(nil, m.Type, m.content()...); v.Valid && !bytes.Equal(got, v.Wire) {
					t.Errorf("% x, want % x", got, v.Wire)
				}
				return
			}
			f, skip, size := cut(v.Wire)
			if v.Valid && (skip != 0 || size != len(v.Wire) || f.Type != m.Type) {
				t.Fatalf("%+v, skip %d, size %d", f, skip, size)
			}
			check(t, f, size, m, v.Valid)
		})
	}
}

func check(t *testing.T, f Frame, size int, m meaning, valid bool) {
	t.Helper()
	n, counts := f.count()
	entry, exit, modes := f.modes()
	switch {
	case !valid:
		if size > 0 && (counts || modes) {
			t.Errorf("%+v taken for good, although wrong: %s", f, m.Wrong)
		}
	case m.Count != nil && (!counts || n != *m.Count):
		t.Errorf("counter %d, %v; want %d", n, counts, *m.Count)
	case m.Entry != 0 && (!modes || entry != Mode(m.Entry) || exit != Mode(m.Exit)):
		t.Errorf("modes %v and %v, %v", entry, exit, modes)
	case m.Text != "" && f.text() != m.Text:
		t.Errorf("text %q, want %q", f.text(), m.Text)
	}
}

func TestNamesAreShownWithoutWhatIsNoText(t *testing.T) {
	if got := (Frame{Content: []byte("V\x001 .\xff2\x1b")}).text(); got != "V1.2" {
		t.Errorf("%q", got)
	}
}

func FuzzCut(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		got, skip, size := cut(p)
		if skip < 0 || skip+size > len(p) || size == 0 && len(p)-skip > longest+overhead {
			t.Fatalf("skip %d, size %d of %d", skip, size, len(p))
		}
		if size > 0 && !bytes.Equal(AppendFrame(nil, got.Type, got.Content...), p[skip:skip+size]) {
			t.Errorf("%+v is not % x", got, p[skip:skip+size])
		}
		got.count()
		got.modes()
		if len(got.text()) > 32 {
			t.Error("a long name")
		}
	})
}
