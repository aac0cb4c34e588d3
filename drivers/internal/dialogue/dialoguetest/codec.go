package dialoguetest

import (
	"bytes"
	"reflect"
	"testing"

	"yipiao/drivers/vectors"
)

// A Meaning is what the vectors of a protocol mean: M is made from a vector's JSON, F is a frame of the driver.
type Meaning[F any] interface {
	Wire(t *testing.T) []byte  // what the driver writes for a vector from host to device
	Check(t *testing.T, got F) // fails if a frame is another than the vector means
}

// A Codec is a driver's way to cut frames out of what it reads.
type Codec[F any, M Meaning[F]] struct {
	Protocol string // of the vectors
	Cut      func(p []byte) (f F, skip, size int)
	Usable   func(F) bool   // a driver would act on it
	Longest  int            // bytes that may wait for the end of a frame
	Noise    []string       // what may come before a frame, beginnings of frames among it
	Sane     func(F) string // what of a frame cannot be, "" for nothing; nil for anything can
}

func (c Codec[F, M]) load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load(c.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// Test runs all vectors, and every good frame after every noise.
func (c Codec[F, M]) Test(t *testing.T) {
	for _, v := range c.load(t) {
		t.Run(v.Name, func(t *testing.T) {
			var m M
			if err := v.Mean(&m); err != nil {
				t.Fatal(err)
			}
			switch {
			case v.Direction == vectors.HostToDevice && v.Valid:
				if got := m.Wire(t); !bytes.Equal(got, v.Wire) {
					t.Errorf("% x, want % x", got, v.Wire)
				}
			case v.Direction == vectors.DeviceToHost && v.Valid:
				f, skip, size := c.Cut(v.Wire)
				if skip != 0 || size != len(v.Wire) {
					t.Fatalf("%+v, skip %d, size %d", f, skip, size)
				}
				m.Check(t, f)
				c.resync(t, v.Wire, f)
			case v.Direction == vectors.DeviceToHost:
				if f, _, size := c.Cut(v.Wire); size > 0 && c.Usable(f) {
					t.Errorf("%+v was taken: %s", f, v.Meaning)
				}
			}
		})
	}
}

// resync cuts a frame out of what comes after noise, as dialogue does.
func (c Codec[F, M]) resync(t *testing.T, wire []byte, want F) {
	t.Helper()
	for _, noise := range c.Noise {
		p := append([]byte(noise), wire...)
		for {
			f, skip, size := c.Cut(p)
			if size > 0 && len(p) == skip+size {
				if !reflect.DeepEqual(f, want) {
					t.Errorf("after %q: %+v", noise, f)
				}
				break
			}
			if p = p[skip+size:]; size > 0 {
				continue
			}
			if len(p) == 0 {
				t.Errorf("after %q: lost", noise)
				break
			}
			p = p[1:] // what dialogue does after a gap
		}
	}
}

// Fuzz holds Cut to its contract: within p, p untouched, no endless wait, the same frame when it is alone.
func (c Codec[F, M]) Fuzz(f *testing.F) {
	for _, v := range c.load(f) {
		f.Add(v.Wire)
		f.Add(append(bytes.Clone(v.Wire[:len(v.Wire)/2]), v.Wire...))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		before := bytes.Clone(p)
		f, skip, size := c.Cut(p)
		if skip < 0 || size < 0 || skip+size > len(p) || !bytes.Equal(p, before) {
			t.Fatalf("skip %d, size %d of %d bytes", skip, size, len(p))
		}
		if size == 0 {
			if len(p)-skip > c.Longest {
				t.Fatalf("%d bytes wait for an end", len(p)-skip)
			}
			return
		}
		again, skip2, size2 := c.Cut(p[skip : skip+size])
		if skip2 != 0 || size2 != size || !reflect.DeepEqual(f, again) {
			t.Fatalf("the frame alone is another: %+v, %+v", f, again)
		}
		if c.Sane == nil {
			return
		}
		if wrong := c.Sane(f); wrong != "" {
			t.Errorf("%s: %+v", wrong, f)
		}
	})
}
