package acatri

import (
	"bytes"
	"testing"

	"yipiao/drivers/vectors"
)

// meaning is what the meaning of an acatri vector holds.
type meaning struct {
	Address byte    `json:"address"`
	Order   Command `json:"order"`
	Wrong   string  `json:"wrong"`
}

func load(t testing.TB) []vectors.Vector {
	t.Helper()
	vs, err := vectors.Load("acatri")
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func TestVectors(t *testing.T) {
	for _, v := range load(t) {
		var m meaning
		if err := v.Mean(&m); err != nil {
			t.Fatal(err)
		}
		if got := AppendCommand(nil, m.Address, m.Order); v.Valid && !bytes.Equal(got, v.Wire) {
			t.Errorf("%s: % x, want % x", v.Name, got, v.Wire)
		}
	}
}

// FuzzCommand: a command is five bytes whose check code makes them come out even.
func FuzzCommand(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire[1], v.Wire[2])
	}
	f.Fuzz(func(t *testing.T, address, order byte) {
		got := AppendCommand([]byte{1, 2}, address, Command(order))
		if len(got) != 7 || got[2]^got[3]^got[4]^got[5]^got[6] != 0 || got[2] != syncCode || got[3] != address || got[4] != order {
			t.Errorf("% x", got)
		}
	})
}
