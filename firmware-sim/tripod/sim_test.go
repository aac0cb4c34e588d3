package tripod

import (
	"testing"
	"time"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/tape"
)

// meaning is what the meaning of an acatri vector holds.
type meaning struct {
	Address byte   `json:"address"`
	Order   byte   `json:"order"`
	Wrong   string `json:"wrong"`
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
		t.Run(v.Name, func(t *testing.T) {
			var x meaning
			if err := v.Mean(&x); err != nil {
				t.Fatal(err)
			}
			address, order, used, ok := next(v.Wire)
			if !v.Valid {
				if ok {
					t.Errorf("taken for an order, although wrong: %s", x.Wrong)
				}
				return
			}
			if !ok || used != len(v.Wire) || address != x.Address || order != x.Order {
				t.Fatalf("address %d order %x, %d bytes, %v", address, order, used, ok)
			}
			m, err := New(Settings{Address: &x.Address, Visitor: Stay}, tape.Recorder{})
			if err != nil {
				t.Fatal(err)
			}
			m.banned = order == allow
			m.down = order == poleRise
			m.take(v.Wire)
			want := map[byte]State{
				leftOpen: {LeftOpen: true}, rightOpen: {RightOpen: true}, poleDrop: {ArmDown: true}, poleRise: {}, ban: {Forbidden: true}, allow: {},
			}[order]
			want.Visitor, want.WalkMs = Stay, 300
			if got := m.State(); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

func TestALockedTripodLetsNobodyThrough(t *testing.T) {
	m, err := New(Settings{Visitor: Manual}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Pass(Left); err != ErrClosed {
		t.Errorf("Pass: %v, want ErrClosed", err)
	}
	m.take([]byte{0xEB, 0x01, 0x40, 0x00, 0xAA})
	if err := m.Pass(Left); err != nil {
		t.Errorf("Pass: %v", err)
	}
	if err := m.Pass(Left); err != ErrClosed { // one person for each order
		t.Errorf("Pass: %v, want ErrClosed", err)
	}
}

func FuzzFrames(f *testing.F) {
	for _, v := range load(f) {
		f.Add(v.Wire)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		for len(p) > 0 {
			_, order, used, ok := next(p)
			if used > len(p) || ok && used < frameSize {
				t.Fatalf("%d of %d bytes, %v", used, len(p), ok)
			}
			if !ok {
				return
			}
			m := Sim{wake: make(chan struct{}, 1), set: Settings{Visitor: Stay, OpenFor: time.Second}}
			m.obey(time.Unix(1000, 0), order, p[:used])
			p = p[used:]
		}
	})
}
