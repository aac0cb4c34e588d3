package uhfa0

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	// roundWithin bounds a round; with many chips it takes long. [M]
	roundWithin = 3 * time.Second
	// gap ends a frame that broke off.
	gap = 50 * time.Millisecond
	// troubleRest is the pause after a reader that says it cannot.
	troubleRest = 500 * time.Millisecond
)

// Settings of the driver, as in the configuration.
type Settings struct {
	Address   int   `json:"address"`    // of the reader; 255 is whoever is there
	Antennas  []int `json:"antennas"`   // which are connected, from 1, in the order in which they work
	MinRSSI   int   `json:"min_rssi"`   // dBm; what is weaker is too far away
	AbsenceMs int   `json:"absence_ms"` // how long a chip must be away to be told again
	PauseMs   int   `json:"pause_ms"`   // between two turns of all antennas
}

func defaults() Settings {
	return Settings{Address: Anyone, Antennas: []int{1}, MinRSSI: floor, AbsenceMs: 3000, PauseMs: 20}
}

func (s Settings) validate() error {
	err := errors.Join(
		settings.Between("address", s.Address, 0, 255),
		settings.Between("min_rssi", s.MinRSSI, floor, 0),
		settings.Between("absence_ms", s.AbsenceMs, 200, 600000),
		settings.Between("pause_ms", s.PauseMs, 0, 1000),
		settings.Between("number of antennas", len(s.Antennas), 1, 8),
	)
	for i, a := range s.Antennas {
		if slices.Contains(s.Antennas[:i], a) {
			err = errors.Join(err, fmt.Errorf("settings: antenna %d is there twice", a))
		}
		err = errors.Join(err, settings.Between("antenna", a, 1, 8))
	}
	return err
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "uhfa0", Title: "超高频读写器 (A0 协议) / UHF reader, A0 protocol", New: open,
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

// A Reader drives one UHF reader. It emits Tag and Health.
type Reader struct{ set Settings }

var _ drivers.Device = (*Reader)(nil)

// New makes the driver for one reader.
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
	return s.line.Run(ctx, "uhfa0", s.turn)
}

// A session is one run of a Reader.
type session struct {
	set   Settings
	emit  func(drivers.Event)
	line  *dialogue.Stream[frame]
	field *presence.Field
	ready bool // the reader has said its version
	works int  // antenna that works, 0 while that is not known
}

// turn is one round with each antenna.
func (s *session) turn(ctx context.Context) error {
	trouble, err := s.rounds(ctx)
	if err != nil {
		s.ready, s.works = false, 0
		return err
	}
	rest := time.Duration(s.set.PauseMs) * time.Millisecond
	if trouble == "" {
		s.line.Vitals.Set(drivers.StateOK, "")
	} else {
		s.works, rest = 0, troubleRest
		s.line.Vitals.Set(drivers.StateAttention, trouble)
	}
	return s.line.Pause(ctx, rest)
}

func (s *session) rounds(ctx context.Context) (trouble string, err error) {
	if !s.ready {
		if err := s.prepare(ctx); err != nil {
			return "", err
		}
	}
	for _, a := range s.set.Antennas {
		says, err := s.choose(ctx, a)
		if err == nil && says == "" {
			says, err = s.round(ctx, a)
		}
		if err != nil {
			return "", err
		}
		if says != "" {
			trouble = says // the other antennas still work
		}
	}
	return trouble, nil
}

func (s *session) ask(ctx context.Context, within time.Duration, fits func(frame) bool, command byte, data ...byte) (frame, error) {
	return s.line.Ask(ctx, AppendFrame(nil, byte(s.set.Address), command, data...), within, func(f frame) bool {
		return s.ours(f) && f.Command == command && fits(f)
	})
}

func (s *session) ours(f frame) bool {
	return s.set.Address == Anyone || int(f.Address) == s.set.Address
}

func (s *session) prepare(ctx context.Context) error {
	f, err := s.ask(ctx, answerWithin, func(f frame) bool { return len(f.Data) == 2 }, cmdFirmware)
	if err != nil {
		return err
	}
	s.line.Vitals.Firmware(fmt.Sprintf("%d.%d", f.Data[0], f.Data[1]))
	s.ready = true
	return nil
}

// choose makes an antenna work.
func (s *session) choose(ctx context.Context, antenna int) (trouble string, err error) {
	if s.works == antenna {
		return "", nil
	}
	short := func(f frame) bool { return len(f.Data) == 1 }
	f, err := s.ask(ctx, answerWithin, short, cmdSetAntenna, byte(antenna-1))
	if err != nil {
		return "", err
	}
	if c, _ := f.code(); c != codeOK {
		return fmt.Sprintf("antenna %d: %s", antenna, reason(c)), nil
	}
	s.works = antenna
	return "", nil
}

// round looks for chips once. They come aside, before the end of the round.
func (s *session) round(ctx context.Context, antenna int) (trouble string, err error) {
	f, err := s.ask(ctx, roundWithin, frame.ends, cmdInventory, 1)
	if err != nil {
		return "", err
	}
	if c, failed := f.code(); failed && c != codeNoTag {
		return fmt.Sprintf("antenna %d: %s", antenna, reason(c)), nil
	}
	return "", nil
}

func reason(code byte) string {
	if code == codeNoAntenna {
		return "not connected"
	}
	return fmt.Sprintf("error %02X", code)
}

// aside tells a chip that is new.
func (s *session) aside(f frame) bool {
	seen, ok := f.sight()
	if !ok || !s.ours(f) {
		return false
	}
	now := time.Now()
	s.line.Vitals.Good(now)
	if seen.RSSI >= s.set.MinRSSI && s.field.See(seen.EPC, now) {
		s.emit(drivers.Tag{Tech: drivers.TagUHF, ID: bytes.Clone(seen.EPC), Antenna: seen.Antenna, RSSI: seen.RSSI, At: now})
	}
	return true
}
