package codeline

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/talk"
	"yipiao/drivers/internal/vitals"
)

// Verdicts of a scanner about a command.
const (
	Ack byte = 0x06 // done
	Nak byte = 0x15 // out of range
	Enq byte = 0x05 // not known
)

// An Answer is what a scanner says to a command: an echo, a value, and its verdict.
type Answer struct {
	Text   string
	Status byte // Ack, Nak or Enq
}

// A Splitter tells the answers in a byte stream from the lines between them. The parts it finds until silence do
// not depend on how the stream was split into reads.
type Splitter interface {
	// Split is given bytes and calls line and answer for what they complete, in order. line's bytes are valid
	// during the call.
	Split(p []byte, line func([]byte), answer func(Answer))
	// Pending reports whether bytes are held back.
	Pending() bool
	// Idle is told that the line has been silent; spoilt says that an answer broke off.
	Idle(line func([]byte)) (spoilt bool)
}

// An Ask is a command for a scanner.
type Ask struct {
	Frame  []byte
	Echo   string        // what its answer begins with; "" where the scanner does not answer
	Times  int           // how often it is sent, 0 for once; only without an answer
	Repeat time.Duration // between those
}

// A Protocol is what commands a scanner understands.
type Protocol struct {
	Splitter Splitter
	Gap      time.Duration                             // at least, between commands
	Answer   time.Duration                             // how long an answer may take
	Check    Ask                                       // asks a silent scanner whether it is there
	Every    time.Duration                             // between checks; 0 only at the start
	Told     func(text string, vitals *vitals.Tracker) // of the answer to Check; nil where it tells nothing
}

// A Machine is one run of a driver whose scanner sends lines and takes commands.
type Machine struct {
	proto  Protocol
	line   *talk.Line
	vitals *vitals.Tracker
	probe  talk.Probe
	reader *Reader
	idle   time.Duration
	heard  time.Time // when the last byte arrived

	now  *request
	next *request
	rest time.Time // before it nothing is sent
}

var _ talk.Machine[Ask] = (*Machine)(nil)

// A request is a command on its way.
type request struct {
	ask     Ask
	command *talk.Command[Ask] // nil for a check
	sent    int
	until   time.Time // when its answer is late, or it is to be repeated
}

// NewMachine makes the machine of a run.
func NewMachine(s Settings, p Protocol, l *talk.Line, emit func(drivers.Event), v *vitals.Tracker) *Machine {
	m := &Machine{proto: p, line: l, vitals: v, idle: time.Duration(s.IdleMs) * time.Millisecond}
	m.probe = talk.Probe{Every: p.Every, Vitals: v}
	m.probe.Start(time.Now())
	m.reader = NewReader(s, emit, v, m.probe.Heard)
	return m
}

// Take implements talk.Machine.
func (m *Machine) Take(p []byte, at time.Time) error {
	m.heard = at
	var err error
	m.proto.Splitter.Split(p, func(line []byte) { m.reader.Take(line, at) }, func(a Answer) {
		if e := m.answer(a, at); e != nil {
			err = e
		}
	})
	return err
}

// answer takes what the scanner says. What fits no command on its way is late, or noise.
func (m *Machine) answer(a Answer, at time.Time) error {
	r := m.now
	if r == nil || r.ask.Echo == "" || !strings.HasPrefix(strings.ToUpper(a.Text), r.ask.Echo) {
		m.vitals.Bad()
		return nil
	}
	m.vitals.Good(at)
	m.probe.Answered(at)
	m.now = nil
	m.rest = at.Add(m.proto.Gap)
	switch {
	case r.command == nil:
		if m.proto.Told != nil && a.Status == Ack {
			m.proto.Told(a.Text[len(r.ask.Echo):], m.vitals)
		}
	case a.Status == Ack:
		r.command.Finish(nil)
	default:
		r.command.Finish(fmt.Errorf("%s: %w (%#02x)", r.ask.Echo, drivers.ErrRefused, a.Status))
	}
	return nil
}

// Due implements talk.Machine.
func (m *Machine) Due() (at time.Time, ok bool) {
	at, ok = m.requestDue()
	_, begun := m.reader.Due()
	if begun || m.proto.Splitter.Pending() {
		if silent := m.heard.Add(m.idle); !ok || silent.Before(at) {
			return silent, true
		}
	}
	return at, ok
}

func (m *Machine) requestDue() (at time.Time, ok bool) {
	switch {
	case m.now != nil:
		return m.now.until, true
	case m.next != nil:
		return m.rest, true
	}
	at, ok = m.probe.Due()
	if at.Before(m.rest) {
		at = m.rest
	}
	return at, ok
}

// Tick implements talk.Machine.
func (m *Machine) Tick(now time.Time) error {
	if now.Sub(m.heard) >= m.idle {
		if m.proto.Splitter.Idle(func(line []byte) { m.reader.Take(line, m.heard) }) {
			m.vitals.Bad()
		}
		m.reader.Idle()
	}
	return m.pursue(now)
}

// Obey implements talk.Machine.
func (m *Machine) Obey(c *talk.Command[Ask], now time.Time) error {
	m.next = &request{ask: c.What, command: c}
	return m.pursue(now)
}

// pursue gives up a command whose answer is late, repeats one that is to be, and begins the next.
func (m *Machine) pursue(now time.Time) error {
	if r := m.now; r != nil {
		switch {
		case now.Before(r.until):
			return nil
		case r.ask.Echo == "":
			return m.send(now)
		}
		m.vitals.Bad()
		m.end(now, drivers.ErrNoAnswer)
		m.probe.Failed(now)
		return nil
	}
	if now.Before(m.rest) {
		return nil
	}
	due, ok := m.probe.Due()
	switch {
	case m.next != nil:
		m.now, m.next = m.next, nil
	case ok && !now.Before(due):
		m.probe.Begun()
		m.now = &request{ask: m.proto.Check}
	default:
		return nil
	}
	return m.send(now)
}

func (m *Machine) send(now time.Time) error {
	r := m.now
	err := m.line.Send(r.ask.Frame)
	if errors.Is(err, talk.ErrStuck) {
		m.end(now, fmt.Errorf("%w: %w", drivers.ErrNoAnswer, err))
		m.probe.Failed(now)
		return nil
	}
	if err != nil {
		return err
	}
	r.sent++
	switch {
	case r.ask.Echo != "":
		r.until = now.Add(m.proto.Answer)
	case r.sent < r.ask.Times:
		r.until = now.Add(r.ask.Repeat)
	default:
		m.end(now, nil)
	}
	return nil
}

// end ends the command on its way without an answer; nil where none belongs to it.
func (m *Machine) end(now time.Time, err error) {
	r := m.now
	m.now = nil
	m.rest = now.Add(m.proto.Gap)
	if r.command != nil {
		r.command.Finish(err)
	}
}
