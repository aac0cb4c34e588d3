package honeywell

import (
	"yipiao/drivers/internal/codeline"
)

// Framing bytes.
const (
	syn  = 0x16
	bel  = 0x07
	cr   = 0x0D
	lf   = 0x0A
	etx  = 0x03
	stop = '.'
)

// Commands, Honeywell 2020/4820 user's guide chapter 12. They are not answered but for the menu's.
var (
	triggerOn  = []byte{syn, 'T', cr}
	triggerOff = []byte{syn, 'U', cr}
	beep       = []byte{syn, bel, cr}
)

// Menu is a menu command, such as "CBRENA?".
func Menu(command string) []byte { return append([]byte{syn, 'M', cr}, command+string(stop)...) }

// longestLine is how much of a line is held back, more than any code.
const longestLine = 4096

// A Splitter tells menu answers from lines: an answer has no terminator but a verdict, and punctuation after it. A
// line is held back until its end, which costs no time: before it there is no code. The zero Splitter is ready.
type Splitter struct {
	held  []byte
	after bool // a verdict has gone before, its punctuation has not
}

var _ codeline.Splitter = (*Splitter)(nil)

// Split implements codeline.Splitter.
func (s *Splitter) Split(p []byte, line func([]byte), answer func(codeline.Answer)) {
	for _, b := range p {
		if s.after {
			s.after = false
			if punctuation(b) {
				continue
			}
		}
		if b == codeline.Ack || b == codeline.Nak || b == codeline.Enq {
			answer(codeline.Answer{Text: string(s.held), Status: b})
			s.held, s.after = s.held[:0], true
			continue
		}
		s.held = append(s.held, b)
		if b == cr || b == lf || b == etx || len(s.held) > longestLine {
			line(s.held)
			s.held = s.held[:0]
		}
	}
}

// Pending implements codeline.Splitter.
func (s *Splitter) Pending() bool { return len(s.held) > 0 || s.after }

// Idle implements codeline.Splitter: what is held was the beginning of a line.
func (s *Splitter) Idle(line func([]byte)) (spoilt bool) {
	if len(s.held) > 0 {
		line(s.held)
	}
	s.held, s.after = s.held[:0], false
	return false
}

func punctuation(b byte) bool { return b == stop || b == '!' || b == ',' || b == ';' }
