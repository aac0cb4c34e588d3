package board

import (
	"math/rand/v2"
	"sync"
)

// A noise spoils the bytes of one direction at random. What it does depends on its seed and on the bytes that
// have passed while a rate was set, not on how they were cut into frames or when they came.
type noise struct {
	mu  sync.Mutex // guards the field below
	rng *rand.Rand
}

func newNoise(seed, direction uint64) *noise {
	return &noise{rng: rand.New(rand.NewPCG(seed, direction))}
}

// spoil returns what arrives of p, which it does not change.
func (n *noise) spoil(p []byte, f Faults) []byte {
	if f.DropRate+f.FlipRate+f.DuplicateRate == 0 {
		return p
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]byte, 0, len(p)+8)
	for _, b := range p {
		draw := n.rng.Uint64()
		switch at := int(draw % 1000); {
		case at < f.DropRate:
		case at < f.DropRate+f.FlipRate:
			out = append(out, b^1<<(draw>>32&7))
		case at < f.DropRate+f.FlipRate+f.DuplicateRate:
			out = append(out, b, b)
		default:
			out = append(out, b)
		}
	}
	return out
}

// noises are both directions of a line.
type noises struct{ out, in *noise }

func newNoises(seed uint64) noises { return noises{newNoise(seed, 1), newNoise(seed, 2)} }
