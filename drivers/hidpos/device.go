package hidpos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/internal/talk"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/port"
)

const (
	// badRun is how many unusable reports in a row make a scanner worth a technician's look.
	badRun = 3
	// repeatGap is the time between beeps.
	repeatGap = 200 * time.Millisecond
)

// Settings of the driver, as in the configuration.
type Settings struct {
	GapMs     int  `json:"gap_ms"`    // how long the next report of a code may take
	Honeywell bool `json:"honeywell"` // the scanner takes Honeywell's output reports: beep, trigger, revision
}

func defaults() Settings { return Settings{GapMs: 500} }

func (s Settings) validate() error { return settings.Between("gap_ms", s.GapMs, 50, 5000) }

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "hidpos", Title: "HID-POS 扫码器 / HID POS scanner", New: open,
		Ports: []drivers.PortType{drivers.PortHID}, Scans: true,
	}
}

func open(raw json.RawMessage) (drivers.Device, error) {
	s := defaults()
	if err := settings.Decode(raw, &s); err != nil {
		return nil, err
	}
	return New(s)
}

// A Scanner drives one HID POS scanner.
type Scanner struct {
	set  Settings
	desk talk.Desk[order]
}

var _ drivers.Device = (*Scanner)(nil)

// New makes the driver for one scanner: a *Honeywell where the settings say so, otherwise a *Scanner.
func New(s Settings) (drivers.Device, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if s.Honeywell {
		return &Honeywell{Scanner{set: s}}, nil
	}
	return &Scanner{set: s}, nil
}

// Run implements drivers.Device.
func (s *Scanner) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	v := vitals.New(emit)
	v.Set(drivers.StateOK, "") // an open device is all that a silent scanner can show
	err := s.desk.Run(ctx, p, v, func(l *talk.Line) talk.Machine[order] {
		return &machine{set: s.set, line: l, emit: emit, vitals: v, greet: s.set.Honeywell}
	})
	if err != nil {
		return fmt.Errorf("hidpos: %w", err)
	}
	return nil
}

// An order is an output report to send, several times with a gap between.
type order struct {
	report []byte
	times  int
}

// A machine is one run of a Scanner.
type machine struct {
	set    Settings
	line   *talk.Line
	emit   func(drivers.Event)
	vitals *vitals.Tracker
	greet  bool // the revision is to be asked for

	asm  Assembler
	last time.Time // when the last report of a message arrived
	bad  int       // unusable reports in a row

	command *talk.Command[order]
	left    int // times that its report is still to be sent
	sendAt  time.Time
}

// Take implements talk.Machine: p is one report.
func (m *machine) Take(p []byte, at time.Time) error {
	r, err := Decode(p)
	if err != nil {
		m.unusable(p)
		return nil
	}
	m.last, m.bad = at, 0
	m.vitals.Good(at)
	m.vitals.Set(drivers.StateOK, "")
	for _, msg := range m.asm.Push(r) {
		m.report(msg)
	}
	return nil
}

// unusable counts a report. One of another identifier is only not for us; one of another size says that the
// scanner is in another mode.
func (m *machine) unusable(p []byte) {
	m.vitals.Bad()
	if len(p) == reportSize && p[0] != reportID {
		return
	}
	if m.bad++; m.bad >= badRun {
		m.vitals.Set(drivers.StateAttention, "not scanned-data reports: check that the scanner is in HID POS mode")
	}
}

func (m *machine) report(msg Message) {
	if msg.Fault != drivers.ScanOK {
		m.vitals.Bad()
	}
	if m.set.Honeywell && msg.answer() {
		if v := Firmware(msg.Data); v != "" {
			m.vitals.Firmware(v)
		}
		return
	}
	if len(msg.AIM) > 1 && msg.AIM[:2] == notCode {
		return
	}
	if scan, ok := msg.Scan(); ok {
		scan.At = m.last
		m.emit(scan)
	}
}

// Due implements talk.Machine.
func (m *machine) Due() (at time.Time, ok bool) {
	if m.greet {
		return time.Time{}, true
	}
	if m.asm.Pending() {
		at, ok = m.last.Add(m.gap()), true
	}
	if m.left > 0 && (!ok || m.sendAt.Before(at)) {
		at, ok = m.sendAt, true
	}
	return at, ok
}

func (m *machine) gap() time.Duration { return time.Duration(m.set.GapMs) * time.Millisecond }

// Tick implements talk.Machine.
func (m *machine) Tick(now time.Time) error {
	if m.asm.Pending() && now.Sub(m.last) >= m.gap() {
		if msg, ok := m.asm.Expire(); ok {
			m.report(msg)
		}
	}
	if m.greet {
		m.greet = false
		if err := m.line.Send(infoReport); !errors.Is(err, talk.ErrStuck) {
			return err
		}
	}
	if m.left > 0 && !now.Before(m.sendAt) {
		return m.send(now)
	}
	return nil
}

// Obey implements talk.Machine.
func (m *machine) Obey(c *talk.Command[order], now time.Time) error {
	m.command, m.left = c, c.What.times
	return m.send(now)
}

func (m *machine) send(now time.Time) error {
	m.left--
	m.sendAt = now.Add(repeatGap)
	err := m.line.Send(m.command.What.report)
	switch {
	case errors.Is(err, talk.ErrStuck):
		m.left = 0
		m.command.Finish(fmt.Errorf("hidpos: %w: %w", drivers.ErrNoAnswer, err))
		return nil
	case err == nil && m.left == 0:
		m.command.Finish(nil)
	}
	return err
}
