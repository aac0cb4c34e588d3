// Package scanner is a simulated line scanner: it sends each code as a line, as its settings have it,
// and takes no notice of what it is told.
//
// It knows how scanners frame codes, and was written from the manuals and not from the driver. It
// must not know what a code means.
package scanner

import (
	"context"
	"fmt"
	"sync"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

// suffixes are what scanners can be set to send after a code.
var suffixes = map[string]struct{ before, after string }{
	"CR":      {"", "\r"},
	"LF":      {"", "\n"},
	"CRLF":    {"", "\r\n"},
	"TAB":     {"", "\t"},
	"STX-ETX": {"\x02", "\x03"},
	"none":    {"", ""},
}

// Settings are how a scanner is set up.
type Settings struct {
	Terminator string `json:"terminator"` // "CR" (the default), "LF", "CRLF", "TAB", "STX-ETX" or "none"
	AIM        string `json:"aim"`        // AIM identifier before each code, such as "]Q1", or ""
}

// Frame is what a scanner with these settings sends for a code.
func (s Settings) Frame(code string) []byte {
	f := suffixes[s.terminator()]
	return []byte(f.before + s.AIM + code + f.after)
}

func (s Settings) terminator() string {
	if s.Terminator == "" {
		return "CR"
	}
	return s.Terminator
}

// A Scanner is one simulated scanner.
type Scanner struct {
	set Settings
	rec tape.Recorder

	mu    sync.Mutex // guards the fields below
	line  *board.Line
	scans uint64
	sent  uint64
}

var _ board.Device = (*Scanner)(nil)

// New makes a scanner.
func New(s Settings, rec tape.Recorder) (*Scanner, error) {
	if _, ok := suffixes[s.terminator()]; !ok {
		return nil, fmt.Errorf("terminator %q is not one of CR, LF, CRLF, TAB, STX-ETX, none", s.Terminator)
	}
	return &Scanner{set: s, rec: rec}, nil
}

// Serve implements board.Device: a scanner drinks what it is sent.
func (s *Scanner) Serve(ctx context.Context, line *board.Line) error {
	s.plug(line)
	defer s.plug(nil)
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	buf := make([]byte, 256)
	for ctx.Err() == nil {
		n, err := line.Read(buf)
		if n > 0 {
			s.rec.Add(tape.Received, "收到，不理会 / received, ignored: "+tape.Readable(buf[:n]), buf[:n])
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("scanner: %w", err)
		}
	}
	return nil
}

func (s *Scanner) plug(line *board.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = line
}

// Scan reads a code: its bytes go out, framed. It blocks while they are on the wire.
func (s *Scanner) Scan(ctx context.Context, code string) error {
	return s.send(ctx, s.set.Frame(code), 1)
}

// Raw sends bytes as they are: garbage, or a line that breaks off.
func (s *Scanner) Raw(ctx context.Context, wire []byte) error { return s.send(ctx, wire, 0) }

func (s *Scanner) send(ctx context.Context, wire []byte, scans uint64) error {
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
		return fmt.Errorf("scanner: %w", err)
	}
	s.mu.Lock()
	s.scans += scans
	s.sent += uint64(len(wire))
	s.mu.Unlock()
	s.rec.Add("sent", fmt.Sprintf("扫码器发送 %d 字节 / scanner sent %d bytes", len(wire), len(wire)), wire)
	return nil
}

// State is what a scanner shows.
type State struct {
	Terminator string `json:"terminator"`
	AIM        string `json:"aim,omitempty"`
	Scans      uint64 `json:"scans"`
	Bytes      uint64 `json:"bytes"`
}

// State reports what the scanner has done.
func (s *Scanner) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{Terminator: s.set.terminator(), AIM: s.set.AIM, Scans: s.scans, Bytes: s.sent}
}
