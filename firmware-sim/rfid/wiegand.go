package rfid

import (
	"fmt"
	"time"

	"yipiao/firmware-sim/board"
)

// lifeEvery is how often the bridge says that it is there.
const lifeEvery = 5 * time.Second

// signOfLife sends one if it is due.
func (r *Reader) signOfLife(line *board.Line) {
	r.mu.Lock()
	due := !time.Now().Before(r.beatAt)
	if due {
		r.beatAt = time.Now().Add(lifeEvery)
	}
	r.mu.Unlock()
	if due {
		r.say(line, []byte("H sim-1\r\n"), "心跳 / sign of life")
	}
}

// wiegandLine is the line of the bridge for a card: how many bits, and all of them.
func wiegandLine(c chip) []byte {
	bits := make([]int, 0, c.Bits)
	for _, b := range c.id {
		for i := 7; i >= 0; i-- {
			bits = append(bits, int(b>>i)&1)
		}
	}
	half := len(bits) / 2
	first, last := 0, 1 // even over the first half, odd over the last
	for i, b := range bits {
		if i < half {
			first ^= b
		} else {
			last ^= b
		}
	}
	n := uint64(first)
	for _, b := range bits {
		n = n<<1 | uint64(b)
	}
	n = n<<1 | uint64(last)
	return fmt.Appendf(nil, "W%d %0*X\r\n", c.Bits, (c.Bits+3)/4, n)
}
