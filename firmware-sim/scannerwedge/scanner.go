// Package scannerwedge is a simulated keyboard scanner as a Linux host sees it: input events, one key press and
// release for each character.
//
// It knows struct input_event and a US keyboard, and was not written from the driver. It must not know what a code
// means.
package scannerwedge

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

// rows are the rows of a US keyboard: the code of the first key, what the keys type, and what with shift.
var rows = []struct {
	first          uint16
	plain, shifted string
}{
	{2, "1234567890-=", "!@#$%^&*()_+"},
	{16, "qwertyuiop[]", "QWERTYUIOP{}"},
	{30, "asdfghjkl;'`", `ASDFGHJKL:"~`},
	{43, `\zxcvbnm,./`, "|ZXCVBNM<>?"},
	{57, " ", ""},
}

// Keys besides those of the rows.
const (
	leftShift = 42
	leftCtrl  = 29
	enterKey  = 28
	tabKey    = 15
)

// A stroke is one key, with another held down or 0.
type stroke struct{ key, with uint16 }

// find is the stroke for a character; ok is false where a keyboard has none.
func find(c byte) (s stroke, ok bool) {
	switch {
	case c == '\r':
		return stroke{key: enterKey}, true
	case c == '\t':
		return stroke{key: tabKey}, true
	case c >= 1 && c <= 0x1D: // as Ctrl and a letter or bracket
		s, ok = find(strings.ToLower(string(rune(c + '@')))[0])
		s.with = leftCtrl
		return s, ok
	}
	for _, r := range rows {
		if i := strings.IndexByte(r.plain, c); i >= 0 {
			return stroke{key: r.first + uint16(i)}, true
		}
		if i := strings.IndexByte(r.shifted, c); i >= 0 {
			return stroke{key: r.first + uint16(i), with: leftShift}, true
		}
	}
	return stroke{}, false
}

// Keys are the events for a text, those of each character together: the other key down, the key down and up, the
// other key up, each with its end of report.
func Keys(text string, at time.Time) ([][]byte, error) {
	var all [][]byte
	for i := range len(text) {
		s, ok := find(text[i])
		if !ok {
			return nil, fmt.Errorf("no key types %#02x", text[i])
		}
		var events []byte
		if s.with != 0 {
			events = report(events, at, s.with, 1)
		}
		events = report(report(events, at, s.key, 1), at, s.key, 0)
		if s.with != 0 {
			events = report(events, at, s.with, 0)
		}
		all = append(all, events)
	}
	return all, nil
}

// report adds one key event and the event that ends its report.
func report(p []byte, at time.Time, key uint16, value int32) []byte {
	const evSyn, evKey, synReport = 0, 1, 0
	return Event(Event(p, at, evKey, key, value), at, evSyn, synReport, 0)
}

// Event adds a struct input_event of a 64-bit machine.
func Event(p []byte, at time.Time, kind, code uint16, value int32) []byte {
	var sec, usec int64
	if !at.IsZero() {
		sec, usec = at.Unix(), int64(at.Nanosecond()/1000)
	}
	p = binary.LittleEndian.AppendUint64(p, uint64(sec))
	p = binary.LittleEndian.AppendUint64(p, uint64(usec))
	p = binary.LittleEndian.AppendUint16(p, kind)
	p = binary.LittleEndian.AppendUint16(p, code)
	return binary.LittleEndian.AppendUint32(p, uint32(value))
}

// Settings are how a scanner is set up.
type Settings struct {
	Terminator string `json:"terminator"` // "ENTER" (the default), "TAB" or "none"
	AIM        string `json:"aim"`        // AIM identifier typed before each code, or ""
	KeyMs      int    `json:"key_ms"`     // between keys
}

var ends = map[string]string{"": "\r", "ENTER": "\r", "TAB": "\t", "none": ""}

// A Scanner is one simulated scanner.
type Scanner struct {
	set Settings
	rec tape.Recorder

	typing chan struct{} // one slot: one code at a time. A mutex would stop the clock of a test

	mu    sync.Mutex // guards the fields below
	line  *board.Line
	stop  int // characters after which the next code breaks off; 0 = none
	scans uint64
	keys  uint64
}

var _ board.Device = (*Scanner)(nil)

// New makes a scanner.
func New(s Settings, rec tape.Recorder) (*Scanner, error) {
	if _, ok := ends[s.Terminator]; !ok {
		return nil, fmt.Errorf("terminator %q is not one of ENTER, TAB, none", s.Terminator)
	}
	if s.KeyMs < 0 || s.KeyMs > 1000 {
		return nil, fmt.Errorf("key_ms %d, want 0 to 1000", s.KeyMs)
	}
	return &Scanner{set: s, rec: rec, typing: make(chan struct{}, 1)}, nil
}

// Serve implements board.Device: a keyboard is told nothing but its lamps.
func (s *Scanner) Serve(ctx context.Context, line *board.Line) error {
	s.plug(line)
	defer s.plug(nil)
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	buf := make([]byte, 256)
	for ctx.Err() == nil {
		n, err := line.Read(buf)
		if n > 0 {
			s.rec.Add(tape.Received, "收到指示灯事件 / told about lamps", buf[:n])
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("scannerwedge: %w", err)
		}
	}
	return nil
}

func (s *Scanner) plug(line *board.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = line
}

// Scan reads a code: it is typed, key by key. It blocks meanwhile.
func (s *Scanner) Scan(ctx context.Context, code string) error {
	s.typing <- struct{}{}
	defer func() { <-s.typing }()
	keys, err := Keys(s.set.AIM+code+ends[s.set.Terminator], time.Now())
	if err != nil {
		return fmt.Errorf("scannerwedge: %w", err)
	}
	s.mu.Lock()
	stop := s.stop
	s.stop = 0
	s.mu.Unlock()
	for i, k := range keys {
		if stop > 0 && i == stop {
			return nil
		}
		if i > 0 && s.set.KeyMs > 0 {
			time.Sleep(time.Duration(s.set.KeyMs) * time.Millisecond)
		}
		if err := s.write(ctx, k); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.scans++
	s.keys += uint64(len(keys))
	s.mu.Unlock()
	s.rec.Add("typed", fmt.Sprintf("扫码器键入 %d 个字符 / scanner typed %d characters", len(keys), len(keys)), bytes.Join(keys, nil))
	return nil
}

// Raw sends bytes as they are.
func (s *Scanner) Raw(ctx context.Context, wire []byte) error {
	if err := s.write(ctx, wire); err != nil {
		return err
	}
	s.rec.Add("sent", fmt.Sprintf("扫码器发送 %d 字节 / scanner sent %d bytes", len(wire), len(wire)), wire)
	return nil
}

// BreakOff lets the next code end after n characters.
func (s *Scanner) BreakOff(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = n
}

func (s *Scanner) write(ctx context.Context, wire []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	line := s.line
	s.mu.Unlock()
	if line == nil {
		return board.ErrUnplugged
	}
	if _, err := line.Write(wire); err != nil {
		return fmt.Errorf("scannerwedge: %w", err)
	}
	return nil
}

// State is what a scanner shows.
type State struct {
	Terminator string `json:"terminator"`
	AIM        string `json:"aim,omitempty"`
	Scans      uint64 `json:"scans"`
	Keys       uint64 `json:"keys"`
}

// State reports what the scanner has done.
func (s *Scanner) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{Terminator: s.set.Terminator, AIM: s.set.AIM, Scans: s.scans, Keys: s.keys}
}
