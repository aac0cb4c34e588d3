package uhfbb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/dialogue"
	"yipiao/drivers/internal/presence"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/port"
)

const (
	// answerWithin bounds the answer to a command. [M]
	answerWithin = 500 * time.Millisecond
	// silentFor is how long a module that looks for chips may say nothing; then it is asked whether it is there.
	silentFor = time.Second
	// gap ends a frame that broke off.
	gap = 50 * time.Millisecond
)

// Settings of the driver, as in the configuration.
type Settings struct {
	MinRSSI   int `json:"min_rssi"`   // dBm; what is weaker is too far away
	AbsenceMs int `json:"absence_ms"` // how long a chip must be away to be told again
}

func defaults() Settings { return Settings{MinRSSI: -128, AbsenceMs: 3000} }

func (s Settings) validate() error {
	return errors.Join(
		settings.Between("min_rssi", s.MinRSSI, -128, 0),
		settings.Between("absence_ms", s.AbsenceMs, 200, 600000),
	)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "uhfbb", Title: "超高频模块 (BB…7E 协议) / UHF module, BB…7E protocol", New: open,
		Ports: []drivers.PortType{drivers.PortSerial, drivers.PortTCP},
	}
}

func open(raw json.RawMessage) (drivers.Device, error) {
	s := defaults()
	if err := settings.Decode(raw, &s); err != nil {
		return nil, err
	}
	return New(s)
}

// A Reader drives one UHF module. It emits Tag and Health.
type Reader struct{ set Settings }

var _ drivers.Device = (*Reader)(nil)

// New makes the driver for one module.
func New(s Settings) (*Reader, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &Reader{set: s}, nil
}

// Run implements drivers.Device.
func (r *Reader) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	s := &session{
		set: r.set, emit: emit, line: dialogue.New(p, emit, gap, cut),
		field: presence.New(time.Duration(r.set.AbsenceMs) * time.Millisecond),
	}
	s.line.Aside = s.aside
	return s.line.Run(ctx, "uhfbb", s.turn)
}

// A session is one run of a Reader.
type session struct {
	set   Settings
	emit  func(drivers.Event)
	line  *dialogue.Stream[frame]
	field *presence.Field
}

// turn makes sure that the module is there, lets it look for chips, and listens until it falls silent.
func (s *session) turn(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if err := s.line.Send(ctx, AppendCommand(nil, cmdMany, rounds...)); err != nil {
		return err
	}
	for {
		f, err := s.line.Next(ctx, time.Now().Add(silentFor))
		switch {
		case errors.Is(err, dialogue.ErrQuiet):
			return nil // its rounds have come to an end, or it has gone
		case err != nil:
			return err
		case !s.aside(f):
			s.line.Vitals.Bad()
		}
	}
}

// prepare ends what the module may be doing, which shows that it is there, and asks what it is.
func (s *session) prepare(ctx context.Context) error {
	if _, err := s.ask(ctx, cmdStop); err != nil {
		return err
	}
	f, err := s.ask(ctx, cmdInfo, 0)
	if err != nil {
		return err
	}
	if len(f.Param) > 1 {
		s.line.Vitals.Firmware(printable(f.Param[1:]))
	}
	s.line.Vitals.Set(drivers.StateOK, "")
	return nil
}

func (s *session) ask(ctx context.Context, command byte, param ...byte) (frame, error) {
	return s.line.Ask(ctx, AppendCommand(nil, command, param...), answerWithin, func(f frame) bool {
		return f.Type == typeAnswer && f.Command == command
	})
}

// aside tells a chip that is new.
func (s *session) aside(f frame) bool {
	now := time.Now()
	if f.nothing() {
		s.line.Vitals.Good(now)
		return true
	}
	seen, ok := f.sight()
	if !ok {
		return false
	}
	s.line.Vitals.Good(now)
	if seen.RSSI >= s.set.MinRSSI && s.field.See(seen.EPC, now) {
		s.emit(drivers.Tag{Tech: drivers.TagUHF, ID: bytes.Clone(seen.EPC), RSSI: seen.RSSI, At: now})
	}
	return true
}

// printable keeps what a technician can read of a version.
func printable(p []byte) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, p[:min(len(p), 40)]))
}
