package board

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Faults are what is wrong with a line. Counters count down with each frame the device sends; rates are for both
// directions and drawn from the line's seed.
type Faults struct {
	Mute      bool `json:"mute,omitempty"`      // nothing the device sends arrives
	Deaf      bool `json:"deaf,omitempty"`      // nothing the station sends arrives
	DelayMs   int  `json:"delay_ms,omitempty"`  // before each frame the device sends
	Lose      int  `json:"lose,omitempty"`      // frames to lose
	Drop      int  `json:"drop,omitempty"`      // frames to send without their first byte
	Flip      int  `json:"flip,omitempty"`      // frames to send with one bit changed
	Duplicate int  `json:"duplicate,omitempty"` // frames to send twice

	DropRate      int `json:"drop_rate,omitempty"`      // of a thousand bytes, so many are lost,
	FlipRate      int `json:"flip_rate,omitempty"`      // so many have one bit changed,
	DuplicateRate int `json:"duplicate_rate,omitempty"` // and so many come twice
}

// maxDelayMs is the longest delay that Validate lets pass.
const maxDelayMs = 60000

// Validate reports the first value that is out of range.
func (f Faults) Validate() error {
	for _, v := range []struct {
		name string
		n    int
		most int
	}{
		{"delay_ms", f.DelayMs, maxDelayMs}, {"lose", f.Lose, math.MaxInt}, {"drop", f.Drop, math.MaxInt},
		{"flip", f.Flip, math.MaxInt}, {"duplicate", f.Duplicate, math.MaxInt},
		{"drop_rate", f.DropRate, 1000}, {"flip_rate", f.FlipRate, 1000}, {"duplicate_rate", f.DuplicateRate, 1000},
		{"drop_rate + flip_rate + duplicate_rate", f.DropRate + f.FlipRate + f.DuplicateRate, 1000},
	} {
		if v.n < 0 || v.n > v.most {
			return fmt.Errorf("%s %d, want 0 to %d", v.name, v.n, v.most)
		}
	}
	return nil
}

// writeBound is how long a frame may wait for a station which does not read.
const writeBound = 2 * time.Second

// bitsPerByte on the wire: start, eight data, stop.
const bitsPerByte = 10

// A Line is the device's end of its line, with faults and, where a speed is set, the time that bytes
// take on a wire. One goroutine may read while others write.
type Line struct {
	conn Conn
	baud int // 0 = as fast as the machine

	writing chan struct{} // one frame at a time. A mutex would stop the clock of a test
	noise   noises
	tap     Tap
	rest    []byte      // read and not yet handed on; only Read uses it
	served  atomic.Bool // the device has begun to use it

	mu     sync.Mutex // guards the field below
	faults Faults
}

// A Tap sees what a device receives, as it arrives, and what it sends, frame by frame and before any fault.
// It must not keep p.
type Tap func(sent bool, p []byte)

// NewLine puts a line over a connection. baud 0 leaves the bytes unpaced.
func NewLine(c Conn, baud int) *Line { return newLine(c, baud, newNoises(0), nil) }

func newLine(c Conn, baud int, n noises, tap Tap) *Line {
	return &Line{conn: c, baud: baud, writing: make(chan struct{}, 1), noise: n, tap: tap}
}

// Seed starts the random faults anew. It must not be called while the line is used.
func (l *Line) Seed(seed uint64) { l.noise = newNoises(seed) }

// SetFaults replaces the faults.
func (l *Line) SetFaults(f Faults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = f
}

// Faults returns what is wrong at the moment.
func (l *Line) Faults() Faults {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.faults
}

// Read blocks for bytes of the station until the deadline. A time-out is os.ErrDeadlineExceeded; any
// other error means that this line has ended.
func (l *Line) Read(p []byte) (int, error) {
	l.served.Store(true)
	for len(l.rest) == 0 {
		n, err := l.conn.Read(p)
		l.pace(n)
		f := l.Faults()
		if n > 0 && !f.Deaf {
			l.rest = l.noise.in.spoil(p[:n], f)
			l.watch(false, l.rest)
		}
		if err != nil || n == 0 {
			return l.handOn(p), err
		}
	}
	return l.handOn(p), nil
}

// handOn moves what was read into p, which usually holds it already.
func (l *Line) handOn(p []byte) int {
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n
}

func (l *Line) watch(sent bool, p []byte) {
	if l.tap != nil && len(p) > 0 {
		l.tap(sent, p)
	}
}

// SetReadDeadline bounds Read.
func (l *Line) SetReadDeadline(t time.Time) error {
	l.served.Store(true)
	return l.conn.SetReadDeadline(t)
}

// Hush makes blocked and future reads time out, so that a device can stop listening.
func (l *Line) Hush() error { return l.conn.SetReadDeadline(time.Unix(1, 0)) }

// Write sends one frame as the faults have it, and blocks while its bytes are on the wire. It
// reports success for a frame that a fault has swallowed: the device cannot know.
func (l *Line) Write(frame []byte) (int, error) {
	l.served.Store(true)
	l.writing <- struct{}{}
	defer func() { <-l.writing }()
	f := l.nextFaults()
	if f.DelayMs > 0 {
		time.Sleep(time.Duration(f.DelayMs) * time.Millisecond)
	}
	if f.Mute || f.Lose > 0 || len(frame) == 0 {
		l.watch(true, frame)
		return len(frame), nil
	}
	wire := bytes.Clone(frame)
	if f.Flip > 0 {
		wire[len(wire)/2] ^= 0x10
	}
	if f.Drop > 0 {
		wire = wire[1:]
	}
	if f.Duplicate > 0 {
		wire = append(wire, wire...)
	}
	if err := l.send(l.noise.out.spoil(wire, f)); err != nil {
		return 0, fmt.Errorf("send: %w", err)
	}
	l.watch(true, frame)
	return len(frame), nil
}

// nextFaults returns the faults for one frame and counts them down.
func (l *Line) nextFaults() Faults {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.faults
	for _, n := range []*int{&l.faults.Lose, &l.faults.Drop, &l.faults.Flip, &l.faults.Duplicate} {
		*n = max(*n-1, 0)
	}
	return f
}

// send hands over a frame when a wire would have carried its last byte. It does so in one piece: pieces
// would come apart on a busy machine, as they never do on a wire, and a line would look torn.
func (l *Line) send(p []byte) error {
	l.pace(len(p))
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeBound)); err != nil {
		return err
	}
	_, err := l.conn.Write(p)
	_ = l.conn.SetWriteDeadline(time.Time{}) // the bound is this frame's only
	return err
}

func (l *Line) pace(n int) {
	if l.baud > 0 && n > 0 {
		time.Sleep(l.onWire(n))
	}
}

// onWire is how long n bytes take.
func (l *Line) onWire(n int) time.Duration {
	if l.baud == 0 {
		return 0
	}
	return time.Duration(n) * bitsPerByte * time.Second / time.Duration(l.baud)
}

// Quiet reports whether err only says that nothing came in time.
func Quiet(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
