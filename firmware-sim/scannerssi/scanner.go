// Package scannerssi is a simulated Zebra or Symbol scanner that speaks the Simple Serial Interface: packets with a
// checksum, acknowledged and repeated both ways.
//
// It knows the interface from the integration guides, and was not written from the driver. It must not know what a
// code means.
package scannerssi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scanhead"
	"yipiao/firmware-sim/tape"
)

// Timings and counts of the guides.
const (
	defaultResponse = 2 * time.Second        // host serial response time-out
	characterGap    = 200 * time.Millisecond // host character time-out
	tries           = 3                      // the first and two repetitions
)

// revision is what the scanner tells about itself: software, board, engine.
const revision = "NBRSIM01 0 1"

// Settings are how a scanner is set up.
type Settings struct {
	Type       byte          `json:"type"`        // bar code type of what it reads; 0 is 1C, QR code
	AIM        string        `json:"aim"`         // identifier which it puts before the data, or ""
	Mode       scanhead.Mode `json:"mode"`        // what makes it read
	ResponseMs int           `json:"response_ms"` // host serial response time-out; 0 is 2000
}

// A Scanner is one simulated scanner.
type Scanner struct {
	set      Settings
	response time.Duration
	rec      tape.Recorder
	head     *scanhead.Head
	acks     chan byte // opcode of what the host says to decode data

	sending chan struct{} // one slot: one code at a time. A mutex would stop the clock of a test

	mu     sync.Mutex // guards the fields below
	line   *board.Line
	refuse int  // commands to answer with NAK
	reason byte // of that NAK
	count  Counts
}

// Counts are what a scanner has done on its line.
type Counts struct {
	Sent     uint64 `json:"sent"`     // decode packets, without repetitions
	Repeated uint64 `json:"repeated"` // decode packets sent again
	Failed   uint64 `json:"failed"`   // codes given up on, with four low beeps
	Commands uint64 `json:"commands"` // packets of the host
	Spoilt   uint64 `json:"spoilt"`   // receptions which were no packet
}

var _ board.Device = (*Scanner)(nil)

// New makes a scanner.
func New(s Settings, rec tape.Recorder) (*Scanner, error) {
	if s.Type == 0 {
		s.Type = 0x1C
	}
	if s.ResponseMs < 0 || s.ResponseMs > 9900 {
		return nil, fmt.Errorf("response_ms %d, want 0 to 9900", s.ResponseMs)
	}
	head, err := scanhead.New(s.Mode, rec)
	if err != nil {
		return nil, err
	}
	sc := &Scanner{set: s, response: defaultResponse, rec: rec, head: head, acks: make(chan byte, 1), sending: make(chan struct{}, 1)}
	if s.ResponseMs > 0 {
		sc.response = time.Duration(s.ResponseMs) * time.Millisecond
	}
	return sc, nil
}

// Serve implements board.Device.
func (s *Scanner) Serve(ctx context.Context, line *board.Line) error {
	ctx, cancel := context.WithCancel(ctx)
	var codes sync.WaitGroup // being sent because of a command
	defer codes.Wait()
	defer cancel()
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
			have = nil // the rest of a packet did not come
		case err != nil:
			return fmt.Errorf("scannerssi: %w", err)
		}
		if have, err = s.hear(ctx, &codes, have); err != nil {
			return err
		}
	}
	return nil
}

// patience bounds the wait for the rest of a packet.
func (s *Scanner) patience(ctx context.Context, line *board.Line, begun bool) error {
	until := time.Time{}
	if begun {
		until = time.Now().Add(characterGap)
	}
	if err := line.SetReadDeadline(until); err != nil {
		return fmt.Errorf("scannerssi: %w", err)
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

// hear obeys what has arrived whole and returns the rest.
func (s *Scanner) hear(ctx context.Context, codes *sync.WaitGroup, have []byte) ([]byte, error) {
	for {
		c, used, spoilt := cut(have)
		if used == 0 {
			return have, nil
		}
		wire := have[:used]
		have = have[used:]
		if spoilt {
			s.add(func(c *Counts) { c.Spoilt++ })
			if used == 1 {
				continue // a wake-up character, or noise
			}
			s.rec.Add("spoilt", "收到的不是数据包 / not a packet", wire)
			if err := s.say(nak, 0, []byte{reasonResend}); err != nil {
				return nil, err
			}
			continue
		}
		if err := s.obey(ctx, codes, c, wire); err != nil {
			return nil, err
		}
	}
}

func (s *Scanner) add(what func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what(&s.count)
}

// Scan shows a code to the scanner. It blocks until the host has acknowledged it or the scanner has given up; in
// trigger mode the code waits before the window.
func (s *Scanner) Scan(ctx context.Context, code string) error {
	if !s.head.Show(code) {
		return ctx.Err()
	}
	return s.transmit(ctx, code)
}

// Pull pulls the scanner's own trigger, or lets it go. It blocks as Scan does, if a code is read.
func (s *Scanner) Pull(ctx context.Context, on bool) error {
	code, read := s.head.Trigger(on)
	if !read {
		return ctx.Err()
	}
	return s.transmit(ctx, code)
}

// Raw sends bytes as they are.
func (s *Scanner) Raw(ctx context.Context, wire []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.write(wire, fmt.Sprintf("扫码器发送 %d 字节 / scanner sent %d bytes", len(wire), len(wire)))
}

// Refuse makes the scanner answer the next n commands with a NAK: reason 1 asks for them again, 6 denies them.
func (s *Scanner) Refuse(n int, reason byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse, s.reason = n, reason
}

// State is what a scanner shows.
type State struct {
	Head scanhead.State `json:"head"`
	Type byte           `json:"type"`
	Line Counts         `json:"line"`
}

// State reports what the scanner has done.
func (s *Scanner) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{Head: s.head.State(), Type: s.set.Type, Line: s.count}
}
