package mrz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/dialogue"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/port"
)

const (
	// badRun is how many unusable reads in a row make a reader worth a technician's look.
	badRun = 3
	// ackWithin bounds the answer of an Elyctis reader to a command. [M]
	ackWithin = time.Second
	// armEvery is how often an Elyctis reader is told to go on reading, which also shows that it is there.
	armEvery = 5 * time.Second
)

// Settings of the driver, as in the configuration.
type Settings struct {
	Framing Framing `json:"framing"` // lines, elyctis, rte6701 or desko
	IdleMs  int     `json:"idle_ms"` // silence that ends a document (lines), or a frame that broke off
}

func defaults() Settings { return Settings{Framing: Lines, IdleMs: 100} }

func (s Settings) validate() error {
	if !slices.Contains(framings(), s.Framing) {
		return fmt.Errorf("settings: framing is %q, want one of %v", s.Framing, framings())
	}
	return settings.Between("idle_ms", s.IdleMs, 20, 2000)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "mrz", Title: "护照机读区阅读器 (MRZ) / Passport MRZ reader", New: open,
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

// A Reader drives one reader of machine readable zones. It emits Document, DocumentFault and Health.
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
	cut, silence := cutOf(r.set.Framing)
	s := &session{emit: emit, line: dialogue.New(p, emit, time.Duration(r.set.IdleMs)*time.Millisecond, cut)}
	s.line.Silence = silence
	turn := s.listen
	if r.set.Framing == Elyctis {
		turn = s.converse
	} else {
		s.line.Vitals.Set(drivers.StateOK, "") // an open line is all that a silent reader can show
	}
	return s.line.Run(ctx, "mrz", turn)
}

// A session is one run of a Reader.
type session struct {
	emit func(drivers.Event)
	line *dialogue.Stream[frame]
	bad  int // unusable reads in a row
}

// listen takes one document from a reader that speaks by itself.
func (s *session) listen(ctx context.Context) error {
	f, err := s.line.Next(ctx, time.Time{})
	if err == nil {
		s.take(f)
	}
	return err
}

// converse tells an Elyctis reader to read, and takes what it reads until it must be told again.
func (s *session) converse(ctx context.Context) error {
	if err := s.line.Send(ctx, elyctisOn); err != nil {
		return err
	}
	wait, heard := time.Now().Add(ackWithin), false
	for {
		f, err := s.line.Next(ctx, wait)
		switch {
		case errors.Is(err, dialogue.ErrQuiet) && heard:
			return nil
		case errors.Is(err, dialogue.ErrQuiet):
			s.line.Vitals.Bad()
			return err
		case err != nil:
			return err
		case !f.ack:
			if s.take(f) {
				return nil // it has switched itself off
			}
		case !heard:
			wait, heard = time.Now().Add(armEvery), true
			s.line.Vitals.Good(time.Now())
			if s.bad < badRun {
				s.line.Vitals.Set(drivers.StateOK, "")
			}
		}
	}
}

// take makes an event of what a reader said, if it is about a document.
func (s *session) take(f frame) bool {
	zone, ok := Join(f.text)
	if !ok {
		switch {
		case resembles(f.text):
			s.fault("damaged", "lines of other lengths")
			return true
		case len(f.text) > 1:
			s.unusable()
		}
		return false
	}
	doc, format, err := Parse(zone, time.Now())
	switch {
	case errors.Is(err, ErrCheckDigit):
		s.fault("check_digit", string(format))
	case err != nil:
		s.fault("damaged", string(format))
	case format == MRVA || format == MRVB:
		s.good()
		s.emit(drivers.DocumentFault{Code: "visa", Note: string(format)})
	default:
		s.good()
		doc.At = time.Now()
		s.emit(doc)
	}
	return true
}

func (s *session) good() {
	s.bad = 0
	s.line.Vitals.Good(time.Now())
	s.line.Vitals.Set(drivers.StateOK, "")
}

func (s *session) fault(code, note string) {
	s.unusable()
	s.emit(drivers.DocumentFault{Code: code, Note: note})
}

func (s *session) unusable() {
	s.bad++
	s.line.Vitals.Bad()
	if s.bad >= badRun {
		s.line.Vitals.Set(drivers.StateAttention, "last reads unusable: check speed, framing and glass")
	}
}
