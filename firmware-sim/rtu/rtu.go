package rtu

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"yipiao/firmware-sim/board"
)

const (
	// frameGap ends a request that broke off. It is long: a pseudo-terminal has no 3.5 characters.
	frameGap = 20 * time.Millisecond
	// longest is more than any frame.
	longest = 512
	// Refused is set in the function of an answer that is an exception.
	Refused = 0x80
)

// A Refusal is a Modbus exception code; 0 is none.
type Refusal byte

// Refusals.
const (
	NoFunction Refusal = 1
	NoAddress  Refusal = 2
	BadValue   Refusal = 3
	Cannot     Refusal = 4
)

// CRC is computed bit by bit, as the manual's flow chart has it.
func CRC(p []byte) uint16 {
	reg := uint16(0xFFFF)
	for _, b := range p {
		reg ^= uint16(b)
		for bit := 0; bit < 8; bit++ {
			if reg&0x0001 == 0 {
				reg >>= 1
				continue
			}
			reg = reg>>1 ^ 0xA001
		}
	}
	return reg
}

// Seal adds the checksum to a frame.
func Seal(p []byte) []byte { return binary.LittleEndian.AppendUint16(p, CRC(p)) }

// Intact reports whether a frame's checksum is right.
func Intact(p []byte) bool {
	n := len(p) - 2
	return n >= 2 && binary.LittleEndian.Uint16(p[n:]) == CRC(p[:n])
}

// Length says how long the request at the front of p is; 0 while that is not known, and for a function which is
// not known, whose end only silence shows.
func Length(p []byte) int {
	if len(p) < 2 {
		return 0
	}
	switch p[1] {
	case 1, 2, 3, 4, 5, 6:
		return 8
	case 15, 16:
		if len(p) < 7 {
			return 0
		}
		return 9 + int(p[6])
	}
	return 0
}

// Exception is the answer that refuses a request.
func Exception(req []byte, no Refusal) []byte {
	return Seal([]byte{req[0], req[1] | Refused, byte(no)})
}

// Serve answers requests until ctx is done (nil) or the line has ended. answer is given each intact request,
// for whatever unit, and returns what to send, nil for nothing.
func Serve(ctx context.Context, line *board.Line, answer func(req []byte) []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	s := slave{line: line, answer: answer}
	buf := make([]byte, longest)
	for {
		var until time.Time
		if len(s.pending) > 0 {
			until = time.Now().Add(frameGap)
		}
		if err := line.SetReadDeadline(until); err != nil {
			return fmt.Errorf("rtu: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		n, err := line.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case board.Quiet(err):
			s.silence()
		case err != nil:
			return fmt.Errorf("rtu: %w", err)
		}
		s.take(buf[:n])
	}
}

type slave struct {
	line    *board.Line
	answer  func([]byte) []byte
	pending []byte
}

// take carries out the complete requests in what has come. What is none is stepped over: on a shared line a slave
// hears the answers of the others too.
func (s *slave) take(p []byte) {
	s.pending = append(s.pending, p...)
	for from := 0; from < len(s.pending); {
		rest := s.pending[from:]
		n := Length(rest)
		if n == 0 || len(rest) < n || !Intact(rest[:n]) {
			from++
			continue
		}
		s.reply(rest[:n])
		s.pending, from = rest[n:], 0
	}
	if len(s.pending) > longest {
		s.pending = s.pending[len(s.pending)-longest:]
	}
}

// silence ends what is left; an intact request with an unknown function is one too.
func (s *slave) silence() {
	if Intact(s.pending) && Length(s.pending) == 0 {
		s.reply(s.pending)
	}
	s.pending = nil
}

func (s *slave) reply(req []byte) {
	if out := s.answer(req); out != nil {
		_, _ = s.line.Write(out) // a line that fails here fails the next Read
	}
}
