package wedge

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/codeline"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/internal/talk"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/port"
)

// Settings of the driver, as in the configuration. IdleMs is the longest gap between keys of one code.
type Settings struct {
	codeline.Settings
	Tab bool `json:"tab"` // TAB ends a code as ENTER does
}

func defaults() Settings { return Settings{Settings: codeline.Defaults()} }

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "wedge", Title: "键盘口扫码器 / Keyboard wedge scanner", New: open,
		Ports: []drivers.PortType{drivers.PortEvdev}, Scans: true,
	}
}

func open(raw json.RawMessage) (drivers.Device, error) {
	s := defaults()
	if err := settings.Decode(raw, &s); err != nil {
		return nil, err
	}
	return New(s)
}

// A Scanner drives one scanner that types. It only listens.
type Scanner struct {
	set  Settings
	desk talk.Desk[struct{}] // nobody commands a keyboard
}

var _ drivers.Device = (*Scanner)(nil)

// New makes the driver for one scanner.
func New(s Settings) (*Scanner, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return &Scanner{set: s}, nil
}

// Run implements drivers.Device.
func (s *Scanner) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	v := vitals.New(emit)
	well := func() { v.Set(drivers.StateOK, "") }
	well() // an open node is all that a silent scanner can show
	err := s.desk.Run(ctx, p, v, func(*talk.Line) talk.Machine[struct{}] {
		return &machine{
			idle:   time.Duration(s.set.IdleMs) * time.Millisecond,
			typist: Typist{TabEnds: s.set.Tab},
			reader: codeline.NewReader(s.set.Settings, emit, v, well), vitals: v,
		}
	})
	if err != nil {
		return fmt.Errorf("wedge: %w", err)
	}
	return nil
}

// A machine is one run of a Scanner.
type machine struct {
	idle   time.Duration
	events Events
	typist Typist
	reader *codeline.Reader
	vitals *vitals.Tracker
	heard  time.Time // when the last event arrived
}

// Take implements talk.Machine.
func (m *machine) Take(p []byte, at time.Time) error {
	m.heard = at
	all, spoilt := m.events.Push(p)
	if spoilt > 0 {
		m.vitals.Bad()
	}
	for _, e := range all {
		if e.dropped() { // the rest of what was being typed is lost
			m.reader.Idle()
		}
		if c, ok := m.typist.Push(e); ok {
			m.reader.Take([]byte{c}, at)
		}
	}
	return nil
}

// Due implements talk.Machine.
func (m *machine) Due() (at time.Time, ok bool) {
	at, ok = m.reader.Due()
	if m.events.Pending() {
		return m.heard.Add(m.idle), true
	}
	return at, ok
}

// Tick implements talk.Machine.
func (m *machine) Tick(now time.Time) error {
	if m.events.Pending() && now.Sub(m.heard) >= m.idle {
		m.events.Idle()
		m.vitals.Bad()
	}
	if at, ok := m.reader.Due(); ok && !now.Before(at) {
		m.reader.Idle()
	}
	return nil
}

// Obey implements talk.Machine.
func (m *machine) Obey(c *talk.Command[struct{}], _ time.Time) error {
	c.Finish(drivers.ErrRefused)
	return nil
}
