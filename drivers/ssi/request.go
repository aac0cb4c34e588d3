package ssi

import (
	"errors"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/aim"
	"yipiao/drivers/internal/talk"
)

const (
	// attempts is how often a command is sent before it counts as not answered.
	attempts = 3
	// lateGrace is the pause after a command that was sent again: its other answer may be on its way, and would
	// be taken for that of the next.
	lateGrace = 100 * time.Millisecond
)

// A request is a command on its way.
type request struct {
	packet  Packet
	command *talk.Command[Packet] // nil for the driver's own
	sent    int                   // times
	until   time.Time             // when it is sent again, or has failed
}

// requests are the commands of a machine. One is on its way at a time.
type requests struct {
	now    *request
	next   *request  // the caller's, waiting
	own    *request  // the driver's, waiting
	rest   time.Time // before it nothing is sent
	opened bool      // reading has been enabled in this run
}

// Obey implements talk.Machine.
func (m *machine) Obey(c *talk.Command[Packet], now time.Time) error {
	m.next = &request{packet: c.What, command: c}
	return m.pursue(now)
}

// requestDue is when pursue is wanted.
func (m *machine) requestDue() (at time.Time, ok bool) {
	if m.now != nil {
		return m.now.until, true
	}
	if m.next != nil || m.own != nil {
		return m.rest, true
	}
	at, ok = m.probe.Due()
	if ok && at.Before(m.rest) {
		at = m.rest
	}
	return at, ok
}

// pursue sends the request on its way again where its answer is late, and the next where there is none.
func (m *machine) pursue(now time.Time) error {
	if r := m.now; r != nil {
		if now.Before(r.until) {
			return nil
		}
		if r.sent < attempts {
			m.vitals.Bad()
			return m.send(now)
		}
		m.vitals.Bad()
		m.close(now, fmt.Errorf("ssi: %w", drivers.ErrNoAnswer))
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
	case m.own != nil:
		m.now, m.own = m.own, nil
	case ok && !now.Before(due):
		m.probe.Begun()
		m.now = &request{packet: host(OpRevisionRequest)}
	default:
		return nil
	}
	return m.send(now)
}

// send puts the request on the line, marked where it was there before.
func (m *machine) send(now time.Time) error {
	r := m.now
	if r.sent > 0 {
		r.packet.Status |= Retransmit
	}
	r.sent++
	r.until = now.Add(time.Duration(m.set.AnswerMs) * time.Millisecond)
	frame, err := r.packet.Append(nil)
	if err != nil {
		return err
	}
	if err := m.line.Send(frame); !errors.Is(err, talk.ErrStuck) {
		return err
	}
	return nil // its time-out sends it again
}

// answer takes what the scanner says to the request on its way. Without one it is an answer that came late.
func (m *machine) answer(p Packet, at time.Time) error {
	r := m.now
	switch {
	case r == nil:
		return nil
	case p.Op == OpNak && len(p.Data) > 0 && p.Data[0] == NakResend:
		r.until = at
		return m.pursue(at)
	case p.Op == OpNak:
		m.settle(at, fmt.Errorf("ssi: %w: NAK % x", drivers.ErrRefused, p.Data))
	case p.Op == OpRevisionReply && r.packet.Op == OpRevisionRequest:
		m.firmware(p.Data)
		m.settle(at, nil)
	case p.Op == OpAck && r.packet.Op != OpRevisionRequest:
		m.settle(at, nil)
	}
	return nil
}

// settle ends the request with an answer. The first one is followed by enabling reading: whoever had the scanner
// before may have left it disabled.
func (m *machine) settle(at time.Time, err error) {
	m.close(at, err)
	m.spoilt = 0
	m.probe.Answered(at)
	if !m.opened {
		m.opened = true
		m.own = &request{packet: host(OpScanEnable)}
	}
}

func (m *machine) close(at time.Time, err error) {
	r := m.now
	m.now = nil
	if r.sent > 1 {
		m.rest = at.Add(lateGrace)
	}
	if r.command != nil {
		r.command.Finish(err)
	}
}

// firmware notes what the scanner says of its software, up to the first space.
func (m *machine) firmware(data []byte) {
	for i, b := range data {
		if b == ' ' {
			data = data[:i]
			break
		}
	}
	if aim.Printable(data) {
		m.vitals.Firmware(string(data))
	}
}
