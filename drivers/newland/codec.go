package newland

import (
	"bytes"

	"yipiao/drivers/internal/codeline"
)

// Frames, Newland NLS-HR52 user manual p. 35, NLS-HR42 user guide p. 16.
const (
	commandHead = "\x7E\x010000"
	answerHead  = "\x02\x010000"
	tail        = ";\x03"

	// temporary settings are lost with the power: nothing here wears the scanner's memory.
	temporary = '#'
	permanent = '@'
)

// longestAnswer is more than any answer; QRYSYS tells some hundred bytes.
const longestAnswer = 2048

// Command is the frame of one command, its tag, subtag and data given as body.
func Command(body string) []byte { return []byte(commandHead + string(temporary) + body + tail) }

// A Splitter tells answers from lines. The zero Splitter is ready.
type Splitter struct {
	held []byte // what may be, or is, the beginning of an answer
}

var _ codeline.Splitter = (*Splitter)(nil)

// Split implements codeline.Splitter.
func (s *Splitter) Split(p []byte, line func([]byte), answer func(codeline.Answer)) {
	from := 0 // of the line bytes in p that have not been handed on
	for i, b := range p {
		switch {
		case len(s.held) >= len(answerHead):
			s.push(b, answer)
			from = i + 1
		case b == answerHead[len(s.held)]:
			if len(s.held) == 0 && from < i {
				line(p[from:i])
			}
			s.held = append(s.held, b)
			from = i + 1
		case len(s.held) > 0:
			line(s.held)
			s.held = s.held[:0]
			from = i
			if b == answerHead[0] {
				s.held = append(s.held, b)
				from = i + 1
			}
		}
	}
	if from < len(p) {
		line(p[from:])
	}
}

// push takes a byte of an answer.
func (s *Splitter) push(b byte, answer func(codeline.Answer)) {
	s.held = append(s.held, b)
	if !bytes.HasSuffix(s.held, []byte(tail)) {
		if len(s.held) > longestAnswer {
			s.held = s.held[:0]
		}
		return
	}
	if a, ok := ParseAnswer(s.held); ok {
		answer(a)
	}
	s.held = s.held[:0]
}

// Pending implements codeline.Splitter.
func (s *Splitter) Pending() bool { return len(s.held) > 0 }

// Idle implements codeline.Splitter. A lone STX was of a line; more of the head was an answer that broke off.
func (s *Splitter) Idle(line func([]byte)) (spoilt bool) {
	switch {
	case len(s.held) > 1:
		spoilt = true
	case len(s.held) == 1:
		line(s.held)
	}
	s.held = s.held[:0]
	return spoilt
}

// ParseAnswer reads one whole answer. Its text is the echo without the storage type and, of a chain of commands,
// all of it; the verdict is the first that is not good, or Ack.
func ParseAnswer(frame []byte) (a codeline.Answer, ok bool) {
	body, head := bytes.CutPrefix(frame, []byte(answerHead))
	body, end := bytes.CutSuffix(body, []byte(tail))
	if !head || !end || len(body) < 2 || body[0] != temporary && body[0] != permanent {
		return codeline.Answer{}, false
	}
	body = body[1:]
	n := len(body) - 1
	if !verdict(body[n]) {
		return codeline.Answer{}, false
	}
	a = codeline.Answer{Text: string(body[:n]), Status: codeline.Ack}
	for i, b := range body {
		if verdict(b) && (i == n || body[i+1] == ',' || body[i+1] == ';') && b != codeline.Ack {
			a.Status = b
			break
		}
	}
	return a, true
}

func verdict(b byte) bool { return b == codeline.Ack || b == codeline.Nak || b == codeline.Enq }
