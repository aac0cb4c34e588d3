package pn532

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/dialogue"
	"yipiao/drivers/internal/presence"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/port"
)

const (
	// answerWithin bounds acknowledgement and answer together. [M]: a look with three retries takes about 100 ms.
	answerWithin = time.Second
	// gap ends a frame that broke off.
	gap = 50 * time.Millisecond
)

// Settings of the driver, as in the configuration.
type Settings struct {
	PollMs    int `json:"poll_ms"`    // between two looks for a card
	AbsenceMs int `json:"absence_ms"` // how long a card must be away to be told again
}

func defaults() Settings { return Settings{PollMs: 150, AbsenceMs: 1000} }

func (s Settings) validate() error {
	return errors.Join(
		settings.Between("poll_ms", s.PollMs, 50, 1000),
		settings.Between("absence_ms", s.AbsenceMs, 200, 600000),
	)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "pn532", Title: "高频读卡模块 PN532 (串口) / NFC front end PN532", New: open,
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

// A Reader drives one PN532. It emits Tag and Health.
type Reader struct{ set Settings }

var _ drivers.Device = (*Reader)(nil)

// New makes the driver for one PN532.
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
	// An acknowledgement goes before each answer; the answer is what counts.
	s.line.Aside = func(f frame) bool { return f.Control && !f.Error }
	return s.line.Run(ctx, "pn532", s.turn)
}

// A session is one run of a Reader.
type session struct {
	set   Settings
	emit  func(drivers.Event)
	line  *dialogue.Stream[frame]
	field *presence.Field
	ready bool // the chip is awake and set up
}

// turn looks for a card once.
func (s *session) turn(ctx context.Context) error {
	if err := s.look(ctx); err != nil {
		s.ready = false
		return err
	}
	return s.line.Pause(ctx, time.Duration(s.set.PollMs)*time.Millisecond)
}

func (s *session) look(ctx context.Context) error {
	if !s.ready {
		if err := s.prepare(ctx); err != nil {
			return err
		}
	}
	f, err := s.ask(ctx, nil, cmdList, oneTypeA...)
	if err != nil {
		return err
	}
	s.line.Vitals.Set(drivers.StateOK, "")
	uid, ok := f.card()
	if !ok {
		s.line.Vitals.Bad()
		return nil
	}
	if now := time.Now(); uid != nil && s.field.See(uid, now) {
		s.emit(drivers.Tag{Tech: drivers.TagHFA, ID: bytes.Clone(uid), At: now})
	}
	return nil
}

// prepare ends what the chip may be doing, wakes it up and sets it up.
func (s *session) prepare(ctx context.Context) error {
	if _, err := s.ask(ctx, slices.Concat(ack, wakeUp), cmdSAM, normalMode...); err != nil {
		return err
	}
	f, err := s.ask(ctx, nil, cmdFirmware)
	if err != nil {
		return err
	}
	s.line.Vitals.Firmware(f.version())
	if _, err := s.ask(ctx, nil, cmdConfigure, retries...); err != nil {
		return err
	}
	s.ready = true
	return nil
}

// ask sends a command, after what is to go before it, and returns its answer.
func (s *session) ask(ctx context.Context, before []byte, command byte, param ...byte) (frame, error) {
	return s.line.Ask(ctx, AppendCommand(slices.Clone(before), command, param...), answerWithin, func(f frame) bool {
		return !f.Control && f.Code == command+1
	})
}
