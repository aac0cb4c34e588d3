package cr95hf

import (
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
	// answerWithin bounds every answer; an inventory without a chip is over within 20 ms. [M]
	answerWithin = 300 * time.Millisecond
	// gap ends a frame that broke off.
	gap = 50 * time.Millisecond
	// selectEvery is how often the protocol is selected anew: a chip that lost its power for a moment has forgotten
	// it, and then finds nothing, which cannot be told from an empty field.
	selectEvery = 5 * time.Second
	// badRun is how many replies in a row are spoilt before a technician should look.
	badRun = 5
)

// Settings of the driver, as in the configuration.
type Settings struct {
	PollMs    int `json:"poll_ms"`    // between two looks for a chip
	AbsenceMs int `json:"absence_ms"` // how long a chip must be away to be told again
}

func defaults() Settings { return Settings{PollMs: 100, AbsenceMs: 1000} }

func (s Settings) validate() error {
	return errors.Join(
		settings.Between("poll_ms", s.PollMs, 20, 1000),
		settings.Between("absence_ms", s.AbsenceMs, 200, 600000),
	)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "cr95hf", Title: "高频读卡模块 CR95HF (ISO 15693) / HF front end CR95HF", New: open,
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

// A Reader drives one CR95HF. It emits Tag and Health.
type Reader struct{ set Settings }

var _ drivers.Device = (*Reader)(nil)

// New makes the driver for one CR95HF.
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
	return s.line.Run(ctx, "cr95hf", s.turn)
}

// A session is one run of a Reader.
type session struct {
	set      Settings
	emit     func(drivers.Event)
	line     *dialogue.Stream[frame]
	field    *presence.Field
	selected time.Time // when the protocol was; zero while the chip has to be asked how it is
	bad      int       // spoilt replies in a row
}

// turn looks for a chip once.
func (s *session) turn(ctx context.Context) error {
	if err := s.look(ctx); err != nil {
		s.selected = time.Time{}
		return err
	}
	return s.line.Pause(ctx, time.Duration(s.set.PollMs)*time.Millisecond)
}

func (s *session) look(ctx context.Context) error {
	if time.Since(s.selected) > selectEvery {
		if err := s.prepare(ctx); err != nil {
			return err
		}
	}
	f, err := s.line.Ask(ctx, cmdInventory, answerWithin, func(f frame) bool {
		return f.Result == resReply && len(f.Data) == replySize || f.Result > resReply && len(f.Data) == 0
	})
	switch {
	case err != nil:
		return err
	case f.Result == resNoReply:
		s.bad = 0
		s.line.Vitals.Set(drivers.StateOK, "")
		return nil
	case f.Result != resReply:
		s.spoilt("a reply that cannot be read")
		return nil
	}
	uid, err := f.uid()
	if err != nil {
		s.spoilt(err.Error())
		return nil
	}
	s.bad = 0
	s.line.Vitals.Set(drivers.StateOK, "")
	if now := time.Now(); s.field.See(uid, now) {
		s.emit(drivers.Tag{Tech: drivers.TagHFV, ID: uid, At: now})
	}
	return nil
}

// spoilt counts a reply that is none.
func (s *session) spoilt(note string) {
	s.bad++
	s.line.Vitals.Bad()
	if s.bad >= badRun {
		s.line.Vitals.Set(drivers.StateAttention, note)
	}
}

// prepare looks whether the chip is there, asks what it is and selects ISO 15693.
func (s *session) prepare(ctx context.Context) error {
	is := func(result byte, size int) func(frame) bool {
		return func(f frame) bool { return f.Result == result && len(f.Data) == size }
	}
	if s.selected.IsZero() {
		if _, err := s.line.Ask(ctx, cmdEcho, answerWithin, is(resEcho, 0)); err != nil {
			return err
		}
		f, err := s.line.Ask(ctx, cmdIDN, answerWithin, is(resGood, idnSize))
		if err != nil {
			return err
		}
		s.line.Vitals.Firmware(f.name())
	}
	if _, err := s.line.Ask(ctx, cmdSelect, answerWithin, is(resGood, 0)); err != nil {
		return err
	}
	if s.bad < badRun {
		s.line.Vitals.Set(drivers.StateOK, "")
	}
	s.selected = time.Now()
	return nil
}
