package wiegand

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
	// lifeWithin is how long a bridge may say nothing; it gives a sign of life every 5 s.
	lifeWithin = 12 * time.Second
	// gap ends a line that broke off.
	gap = 100 * time.Millisecond
)

// Settings of the driver, as in the configuration.
type Settings struct {
	AbsenceMs int `json:"absence_ms"` // readers repeat a card that stays: how long it must be away to be told again
}

func defaults() Settings { return Settings{AbsenceMs: 1000} }

func (s Settings) validate() error { return settings.Between("absence_ms", s.AbsenceMs, 0, 600000) }

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "wiegand", Title: "韦根 26/34 读卡器 (串口转换) / Wiegand 26/34 over a serial bridge", New: open,
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

// A Reader drives one bridge. It only listens. It emits Tag and Health.
type Reader struct{ set Settings }

var _ drivers.Device = (*Reader)(nil)

// New makes the driver for one bridge.
func New(s Settings) (*Reader, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &Reader{set: s}, nil
}

// Run implements drivers.Device.
func (r *Reader) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	s := &session{
		emit: emit, line: dialogue.New(p, emit, gap, cut),
		field: presence.New(time.Duration(r.set.AbsenceMs) * time.Millisecond),
	}
	s.line.Silence = func([]byte) (frame, bool) { return frame{}, false } // a line without its end is none
	return s.line.Run(ctx, "wiegand", s.turn)
}

// A session is one run of a Reader.
type session struct {
	emit  func(drivers.Event)
	line  *dialogue.Stream[frame]
	field *presence.Field
}

// turn takes one line.
func (s *session) turn(ctx context.Context) error {
	f, err := s.line.Next(ctx, time.Now().Add(lifeWithin))
	switch {
	case errors.Is(err, dialogue.ErrQuiet):
		s.line.Vitals.Set(drivers.StateLost, "no sign of life")
		return nil
	case err != nil:
		return err
	}
	now := time.Now()
	s.line.Vitals.Good(now)
	s.line.Vitals.Set(drivers.StateOK, "")
	if f.Life != "" {
		s.line.Vitals.Firmware(f.Life)
		return nil
	}
	if s.field.See(f.ID, now) {
		s.emit(drivers.Tag{Tech: drivers.TagWiegand, ID: bytes.Clone(f.ID), At: now})
	}
	return nil
}
