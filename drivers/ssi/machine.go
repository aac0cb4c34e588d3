package ssi

import (
	"bytes"
	"errors"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/talk"
	"yipiao/drivers/internal/vitals"
)

const (
	// idleGap is the silence after which a packet that has begun will not end any more.
	idleGap = 50 * time.Millisecond
	// packetGap is how long the next packet of a code may take: the scanner's own response time-out of 2 s,
	// after which it would send again, and some more.
	packetGap = 3 * time.Second
	// resendWindow is how long a packet that is marked as sent again may be the one that was taken before: a
	// scanner repeats after 2 s by default. Where it is set to longer, a code whose acknowledgement was lost
	// counts as read twice.
	resendWindow = 3 * time.Second
	// worthNak is the least number of bytes that can have been a packet.
	worthNak = headSize
	// badRun is how many spoilt receptions in a row make a scanner worth a technician's look.
	badRun = 3
)

// A machine is one run of a Scanner.
type machine struct {
	set    Settings
	line   *talk.Line
	emit   func(drivers.Event)
	vitals *vitals.Tracker
	probe  talk.Probe

	framer  Framer
	heard   time.Time // when the last byte arrived
	spoilt  int       // receptions in a row that were no packet
	asm     Assembler
	part    time.Time // when the last packet of a code arrived
	taken   Packet    // the last decode packet taken, its retransmit bit cleared
	takenAt time.Time // zero where a packet may have been lost since: a repetition is then news

	requests
}

func newMachine(set Settings, l *talk.Line, emit func(drivers.Event), v *vitals.Tracker) *machine {
	m := &machine{set: set, line: l, emit: emit, vitals: v, framer: Framer{Source: FromDecoder}}
	m.probe = talk.Probe{Every: time.Duration(set.CheckS) * time.Second, Vitals: v}
	m.probe.Start(time.Now())
	return m
}

// Take implements talk.Machine.
func (m *machine) Take(p []byte, at time.Time) error {
	m.heard = at
	m.framer.Push(p)
	for {
		pkt, ok := m.framer.Next()
		if !ok {
			break
		}
		if err := m.handle(pkt, at); err != nil {
			return err
		}
	}
	m.lost()
	return nil
}

// lost notes bytes that belonged to no packet, and reports how many.
func (m *machine) lost() int {
	n := m.framer.Skipped()
	if n == 0 {
		return 0
	}
	m.vitals.Bad()
	m.takenAt = time.Time{}
	if m.spoilt++; m.spoilt >= badRun {
		m.vitals.Set(drivers.StateAttention, "receptions spoilt: check speed, parity, cable, and that the scanner sends packets")
	}
	return n
}

// idle is silence after bytes which are no packet: the scanner is asked to send it again.
func (m *machine) idle() error {
	found := m.framer.Idle()
	for _, pkt := range found {
		if err := m.handle(pkt, m.heard); err != nil {
			return err
		}
	}
	if m.lost() >= worthNak && len(found) == 0 {
		return m.reply(host(OpNak, NakResend))
	}
	return nil
}

func (m *machine) handle(p Packet, at time.Time) error {
	m.vitals.Good(at)
	switch p.Op {
	case OpDecodeData:
		return m.decode(p, at)
	case OpEvent:
		return m.reply(host(OpAck))
	case OpAck, OpNak, OpRevisionReply:
		return m.answer(p, at)
	}
	return nil
}

// decode acknowledges a decode packet and takes it, unless it is one that was taken and not acknowledged in time.
func (m *machine) decode(p Packet, at time.Time) error {
	if err := m.reply(host(OpAck)); err != nil {
		return err
	}
	again := p.Status&Retransmit != 0
	p.Status &^= Retransmit
	if again && at.Sub(m.takenAt) < resendWindow && p.Status == m.taken.Status && bytes.Equal(p.Data, m.taken.Data) {
		m.takenAt = at
		return nil
	}
	m.taken, m.takenAt = p, at
	m.part, m.spoilt = at, 0
	m.probe.Heard()
	for _, c := range m.asm.Push(p) {
		m.report(c, at)
	}
	return nil
}

func (m *machine) report(c Code, at time.Time) {
	if c.Fault != drivers.ScanOK {
		m.vitals.Bad()
	}
	if scan, ok := c.Scan(m.set.StripAIM); ok {
		scan.At = at
		m.emit(scan)
	}
}

// reply sends what no answer is expected to. A scanner that does not get it sends its packet again.
func (m *machine) reply(p Packet) error {
	frame, err := p.Append(nil)
	if err != nil {
		return err
	}
	if err := m.line.Send(frame); !errors.Is(err, talk.ErrStuck) {
		return err
	}
	m.vitals.Bad()
	return nil
}

// Due implements talk.Machine.
func (m *machine) Due() (at time.Time, ok bool) {
	at, ok = m.requestDue()
	if m.framer.Pending() {
		at, ok = sooner(at, ok, m.heard.Add(idleGap)), true
	}
	if m.asm.Pending() {
		at, ok = sooner(at, ok, m.part.Add(packetGap)), true
	}
	return at, ok
}

// sooner is the earlier of at, where there is one, and other.
func sooner(at time.Time, ok bool, other time.Time) time.Time {
	if ok && at.Before(other) {
		return at
	}
	return other
}

// Tick implements talk.Machine.
func (m *machine) Tick(now time.Time) error {
	if m.framer.Pending() && now.Sub(m.heard) >= idleGap {
		if err := m.idle(); err != nil {
			return err
		}
	}
	if m.asm.Pending() && now.Sub(m.part) >= packetGap {
		if c, ok := m.asm.Expire(); ok {
			m.report(c, m.part)
		}
	}
	return m.pursue(now)
}
