package rfid

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

// Protocols that a reader can speak.
const (
	A0      = "a0"
	BB      = "bb"
	PN532   = "pn532"
	CR95HF  = "cr95hf"
	Wiegand = "wiegand"
)

const (
	// breakOff is the silence after which a command that has begun is forgotten.
	breakOff = 100 * time.Millisecond
	// beat is how often a reader that speaks by itself looks into its field.
	beat = 20 * time.Millisecond
)

// Settings are how a reader is set up.
type Settings struct {
	Protocol string `json:"protocol"` // a0, bb, pn532, cr95hf or wiegand
	Address  int    `json:"address"`  // a0: its address; 0 is 1
	Antennas int    `json:"antennas"` // a0: how many are connected, 1 to 8; 0 is 1
	Repeats  int    `json:"repeats"`  // a0, bb: how often a chip is told in one round; 0 is 3
}

// A Tag is one chip in the field.
type Tag struct {
	ID      string `json:"id"`                // EPC, UID (most significant byte first) or number, in hexadecimal
	Antenna int    `json:"antenna,omitempty"` // a0: before which antenna; 0 is 1
	RSSI    int    `json:"rssi,omitempty"`    // a0, bb: dBm; 0 is -50
	Bits    int    `json:"bits,omitempty"`    // wiegand: 26 or 34; 0 is 26
}

// A chip is a tag whose ID was read.
type chip struct {
	Tag
	id []byte
}

// A Reader is one simulated reader. It is safe for concurrent use.
type Reader struct {
	set  Settings
	rec  tape.Recorder
	turn chan struct{} // holds one token: whose turn it is to send. A mutex would stop the clock of a test

	mu       sync.Mutex // guards the fields below
	line     *board.Line
	field    []chip
	antenna  int // a0: the one that works, from 1
	polling  int // bb: rounds to go
	ready    bool
	lastSent []byte
	repeated int
	told     uint64
	beatAt   time.Time // wiegand: next sign of life
}

var _ board.Device = (*Reader)(nil)

// New makes a reader with an empty field.
func New(s Settings, rec tape.Recorder) (*Reader, error) {
	switch s.Protocol {
	case A0, BB, PN532, CR95HF, Wiegand:
	default:
		return nil, fmt.Errorf("protocol %q is not one of a0, bb, pn532, cr95hf, wiegand", s.Protocol)
	}
	s.Address, s.Antennas, s.Repeats = orElse(s.Address, 1), orElse(s.Antennas, 1), orElse(s.Repeats, 3)
	if s.Address < 0 || s.Address > 254 || s.Antennas < 1 || s.Antennas > 8 || s.Repeats < 1 || s.Repeats > 100 {
		return nil, fmt.Errorf("address %d, antennas %d, repeats %d: want 1 to 254, 1 to 8, 1 to 100", s.Address, s.Antennas, s.Repeats)
	}
	return &Reader{set: s, rec: rec, turn: make(chan struct{}, 1), antenna: 1}, nil
}

func orElse(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// idSizes are how long an ID may be, in bytes.
func (r *Reader) idSizes(t Tag) []int {
	switch r.set.Protocol {
	case A0, BB:
		return []int{4, 6, 8, 10, 12, 14, 16, 18, 20}
	case PN532:
		return []int{4, 7, 10}
	case CR95HF:
		return []int{8}
	}
	return []int{t.Bits / 8}
}

// Put brings a chip into the field, or moves it. A Wiegand reader tells it at once.
func (r *Reader) Put(t Tag) error {
	t.Antenna, t.RSSI, t.Bits = orElse(t.Antenna, 1), orElse(t.RSSI, -50), orElse(t.Bits, 26)
	id, err := hex.DecodeString(t.ID)
	if err != nil {
		return fmt.Errorf("id %q: %w", t.ID, err)
	}
	fits := false
	for _, n := range r.idSizes(t) {
		fits = fits || n == len(id)
	}
	if !fits || t.RSSI < -129 || t.RSSI > -2 || t.Antenna < 1 || t.Antenna > 8 || t.Bits != 26 && t.Bits != 34 {
		return fmt.Errorf("chip %+v does not fit a %s reader", t, r.set.Protocol)
	}
	r.Take(t.ID)
	r.mu.Lock()
	c := chip{t, id}
	r.field = append(r.field, c)
	line := r.line
	r.mu.Unlock()
	r.rec.Add("put", fmt.Sprintf("标签进场 %s / chip enters, antenna %d, %d dBm", t.ID, t.Antenna, t.RSSI), nil)
	if r.set.Protocol == Wiegand && line != nil {
		r.say(line, wiegandLine(c), "刷卡 "+t.ID+" / card read")
	}
	return nil
}

// Take removes a chip from the field; "" removes all.
func (r *Reader) Take(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.field[:0]
	for _, c := range r.field {
		if id != "" && c.ID != id {
			kept = append(kept, c)
			continue
		}
		r.rec.Add("take", "标签离场 "+c.ID+" / chip leaves", nil)
	}
	r.field = kept
}

// Raw sends bytes as they are.
func (r *Reader) Raw(ctx context.Context, wire []byte) error {
	r.mu.Lock()
	line := r.line
	r.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case line == nil:
		return board.ErrUnplugged
	}
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	r.rec.Add(tape.Sent, "原始字节 / raw bytes", wire)
	if _, err := line.Write(wire); err != nil {
		return fmt.Errorf("rfid: %w", err)
	}
	return nil
}

// chips is what an antenna sees; 0 is any.
func (r *Reader) chips(antenna int) []chip {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []chip
	for _, c := range r.field {
		if antenna == 0 || c.Antenna == antenna {
			all = append(all, c)
		}
	}
	return all
}

// say sends a frame. Repeats of the same one are told on the tape as a number.
func (r *Reader) say(line *board.Line, wire []byte, text string) {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	r.mu.Lock()
	r.told++
	same := bytes.Equal(wire, r.lastSent)
	n := r.repeated
	if same {
		r.repeated++
	} else {
		r.repeated, r.lastSent = 0, bytes.Clone(wire)
	}
	r.mu.Unlock()
	if !same {
		if n > 0 {
			r.rec.Add("sent", fmt.Sprintf("上一条重复 %d 次 / the last one repeated", n), nil)
		}
		r.rec.Add("sent", text, wire)
	}
	_, _ = line.Write(wire) // a line that fails here fails the next Read
}

// heard notes a command on the tape.
func (r *Reader) heard(wire []byte, text string) { r.rec.Add("received", text, wire) }

// take carries out the commands at the front of p and returns what is left.
func (r *Reader) take(p []byte, line *board.Line) []byte {
	switch r.set.Protocol {
	case A0:
		return r.takeA0(p, line)
	case BB:
		return r.takeBB(p, line)
	case PN532:
		return r.takePN532(p, line)
	case CR95HF:
		return r.takeCR95HF(p, line)
	}
	return nil // a bridge takes no notice
}

// Serve implements board.Device.
func (r *Reader) Serve(ctx context.Context, line *board.Line) error {
	r.plug(line)
	defer r.plug(nil)
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	if r.set.Protocol == BB || r.set.Protocol == Wiegand {
		all.Go(func() { r.speak(ctx, line) })
	}
	var pending []byte
	buf := make([]byte, 512)
	for {
		var until time.Time
		if len(pending) > 0 {
			until = time.Now().Add(breakOff)
		}
		if err := line.SetReadDeadline(until); err != nil && ctx.Err() == nil {
			return fmt.Errorf("rfid: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		n, err := line.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case board.Quiet(err):
			pending = nil
		case err != nil:
			return fmt.Errorf("rfid: %w", err)
		}
		pending = r.take(append(pending, buf[:n]...), line)
	}
}

// plug begins or ends a line: a reader that is plugged in starts afresh.
func (r *Reader) plug(line *board.Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line, r.antenna, r.polling, r.ready, r.beatAt = line, 1, 0, false, time.Time{}
}

// speak is what a reader says without being asked.
func (r *Reader) speak(ctx context.Context, line *board.Line) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		if r.set.Protocol == BB {
			r.round(line)
		} else {
			r.signOfLife(line)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// State is what a reader shows.
type State struct {
	Protocol string `json:"protocol"`
	Chips    []Tag  `json:"chips"`
	Frames   uint64 `json:"frames"` // sent
}

// State reports what is in the field.
func (r *Reader) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := State{Protocol: r.set.Protocol, Frames: r.told, Chips: make([]Tag, 0, len(r.field))}
	for _, c := range r.field {
		s.Chips = append(s.Chips, c.Tag)
	}
	return s
}
