// Package scannerline is a simulated serial scanner that sends codes as lines and obeys its maker's commands:
// Newland's, or Honeywell's.
//
// It knows the commands from the makers' manuals, and was not written from the drivers. It must not know what a
// code means.
package scannerline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/tape"
)

// Dialects.
const (
	Newland   = "newland"
	Honeywell = "honeywell"
)

// commandTimeout is the silence after which half a command is forgotten.
const commandTimeout = 500 * time.Millisecond

// Settings are how a scanner is set up.
type Settings struct {
	Dialect    string        `json:"dialect"`    // Newland or Honeywell
	Terminator string        `json:"terminator"` // as of package scanner
	AIM        string        `json:"aim"`        // AIM identifier before each code, or ""
	Mode       scanhead.Mode `json:"mode"`       // what makes it read
}

// A heard is one command that was found in what the host sent.
type heard struct {
	used   int    // bytes done with; 0 while nothing is whole
	name   string // for the tape; "" where the bytes were no command
	answer []byte // to be sent, or nil
	code   string // read because of it
	read   bool
}

// A dialect finds and carries out commands.
type dialect interface {
	hear(p []byte, s *Scanner) heard
}

// A Scanner is one simulated scanner.
type Scanner struct {
	set    Settings
	frame  scanner.Settings
	speaks dialect
	rec    tape.Recorder
	head   *scanhead.Head

	mu       sync.Mutex // guards the fields below
	line     *board.Line
	values   map[string]string // settings by tag and subtag
	last     time.Time         // of the last command
	commands uint64
	early    uint64
	scans    uint64
}

var _ board.Device = (*Scanner)(nil)

// New makes a scanner.
func New(s Settings, rec tape.Recorder) (*Scanner, error) {
	frame := scanner.Settings{Terminator: s.Terminator, AIM: s.AIM}
	if _, err := scanner.New(frame, tape.Recorder{}); err != nil {
		return nil, err
	}
	head, err := scanhead.New(s.Mode, rec)
	if err != nil {
		return nil, err
	}
	sc := &Scanner{set: s, frame: frame, rec: rec, head: head, values: make(map[string]string)}
	switch s.Dialect {
	case Newland:
		sc.speaks = newland{}
	case Honeywell:
		sc.speaks = honeywell{}
	default:
		return nil, fmt.Errorf("dialect %q is neither %s nor %s", s.Dialect, Newland, Honeywell)
	}
	return sc, nil
}

// Serve implements board.Device.
func (s *Scanner) Serve(ctx context.Context, line *board.Line) error {
	s.plug(line)
	defer s.plug(nil)
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	var have []byte
	buf := make([]byte, 256)
	for ctx.Err() == nil {
		if err := s.patience(ctx, line, len(have) > 0); err != nil {
			return err
		}
		n, err := line.Read(buf)
		have = append(have, buf[:n]...)
		switch {
		case ctx.Err() != nil:
			return nil
		case board.Quiet(err):
			have = nil
		case err != nil:
			return fmt.Errorf("scannerline: %w", err)
		}
		if have, err = s.obey(have); err != nil {
			return err
		}
	}
	return nil
}

// patience bounds the wait for the rest of a command.
func (s *Scanner) patience(ctx context.Context, line *board.Line, begun bool) error {
	until := time.Time{}
	if begun {
		until = time.Now().Add(commandTimeout)
	}
	if err := line.SetReadDeadline(until); err != nil {
		return fmt.Errorf("scannerline: %w", err)
	}
	if ctx.Err() != nil {
		return line.Hush()
	}
	return nil
}

func (s *Scanner) plug(line *board.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = line
}

// obey carries out the commands which have arrived whole and returns the rest.
func (s *Scanner) obey(have []byte) ([]byte, error) {
	for len(have) > 0 {
		h := s.speaks.hear(have, s)
		if h.used == 0 {
			return have, nil
		}
		wire := have[:h.used]
		have = have[h.used:]
		if h.name == "" {
			continue
		}
		s.rec.Add("received", "收到 "+h.name, wire)
		if h.answer != nil {
			if err := s.write(h.answer, "应答 / answer"); err != nil {
				return nil, err
			}
		}
		if h.read {
			if err := s.send(h.code); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// tooEarly notes a command and reports whether it came sooner after the last than the scanner can take.
func (s *Scanner) tooEarly(gap time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	early := now.Sub(s.last) < gap
	s.last = now
	s.commands++
	if early {
		s.early++
	}
	return early
}

// value reads a setting.
func (s *Scanner) value(key, preset string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.values[key]; ok {
		return v
	}
	return preset
}

func (s *Scanner) setValue(key, v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = v
}

// Scan shows a code to the scanner. It blocks while the code is on the wire; in trigger mode the code waits before
// the window.
func (s *Scanner) Scan(ctx context.Context, code string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.head.Show(code) {
		return nil
	}
	return s.send(code)
}

// Pull pulls the scanner's own trigger, or lets it go. It blocks while a code that is read then is on the wire.
func (s *Scanner) Pull(ctx context.Context, on bool) error {
	code, read := s.head.Trigger(on)
	if !read {
		return ctx.Err()
	}
	return s.send(code)
}

func (s *Scanner) send(code string) error {
	wire := s.frame.Frame(code)
	if err := s.write(wire, fmt.Sprintf("扫码器发送 %d 字节 / scanner sent %d bytes", len(wire), len(wire))); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scans++
	return nil
}

// Raw sends bytes as they are.
func (s *Scanner) Raw(ctx context.Context, wire []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.write(wire, fmt.Sprintf("扫码器发送 %d 字节 / scanner sent %d bytes", len(wire), len(wire)))
}

func (s *Scanner) write(wire []byte, text string) error {
	s.mu.Lock()
	line := s.line
	s.mu.Unlock()
	if line == nil {
		return board.ErrUnplugged
	}
	if _, err := line.Write(wire); err != nil {
		return fmt.Errorf("scannerline: %w", err)
	}
	s.rec.Add("sent", text, wire)
	return nil
}

// State is what a scanner shows.
type State struct {
	Dialect  string            `json:"dialect"`
	Head     scanhead.State    `json:"head"`
	Scans    uint64            `json:"scans"`
	Commands uint64            `json:"commands"`
	Early    uint64            `json:"early"`            // commands that came too soon after another
	Values   map[string]string `json:"values,omitempty"` // settings that were changed
}

// State reports what the scanner has done.
func (s *Scanner) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := make(map[string]string, len(s.values))
	for k, v := range s.values {
		values[k] = v
	}
	return State{
		Dialect: s.set.Dialect, Head: s.head.State(), Scans: s.scans, Commands: s.commands, Early: s.early, Values: values,
	}
}
