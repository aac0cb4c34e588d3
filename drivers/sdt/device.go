package sdt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/dialogue"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/port"
)

const (
	// answerWithin bounds every command but a read. [M], devices.md §5.2.
	answerWithin = time.Second
	// gap ends a frame that broke off; USB adapters hand 1295 bytes over in lumps.
	gap = 100 * time.Millisecond
	// attempts is how often a card is tried that lies still.
	attempts = 2
	// brokenRest is the pause after a reader that says it is broken.
	brokenRest = 500 * time.Millisecond
)

// Settings of the driver, as in the configuration.
type Settings struct {
	PollMs        int  `json:"poll_ms"`         // between two looks for a card
	ReadTimeoutMs int  `json:"read_timeout_ms"` // how long reading a card may take
	Photo         bool `json:"photo"`           // hand the photo on, as opaque bytes
}

func defaults() Settings { return Settings{PollMs: 250, ReadTimeoutMs: 5000} }

func (s Settings) validate() error {
	return errors.Join(
		settings.Between("poll_ms", s.PollMs, 100, 1000),
		settings.Between("read_timeout_ms", s.ReadTimeoutMs, 500, 10000),
	)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "sdt", Title: "身份证阅读器 (SAM/SDT 串口) / ID card reader", New: open,
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

// A Reader drives one reader of identity cards. It emits Document, DocumentFault and Health.
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
	s := &session{set: r.set, emit: emit, line: dialogue.New(p, emit, gap, cut)}
	return s.line.Run(ctx, "sdt", s.turn)
}

// A session is one run of a Reader.
type session struct {
	set   Settings
	emit  func(drivers.Event)
	line  *dialogue.Stream[Answer]
	ready bool // the security module has said that it is well
	done  bool // the card that lies there has been dealt with
}

// turn looks for a card once.
func (s *session) turn(ctx context.Context) error {
	err := s.look(ctx)
	if err != nil {
		s.ready = false
		return err
	}
	rest := time.Duration(s.set.PollMs) * time.Millisecond
	if !s.ready {
		rest = brokenRest
	}
	return s.line.Pause(ctx, rest)
}

func (s *session) look(ctx context.Context) error {
	if !s.ready {
		if err := s.prepare(ctx); err != nil || !s.ready {
			return err
		}
	}
	found, err := s.find(ctx)
	switch {
	case err != nil:
		return err
	case !found: // a card that was read is not found again before it was lifted, on most readers
		s.done = false
		return nil
	case s.done: // and on others, it is
		return nil
	}
	return s.card(ctx)
}

func (s *session) ask(ctx context.Context, c Command, within time.Duration) (Answer, error) {
	return s.line.Ask(ctx, AppendRequest(nil, c), within, answers(c))
}

// prepare asks the security module how it is and what it is called.
func (s *session) prepare(ctx context.Context) error {
	a, err := s.ask(ctx, CmdStatus, answerWithin)
	if err != nil {
		return err
	}
	if a.SW != swOK {
		s.unwell("status", a.SW)
		return nil
	}
	if a, err = s.ask(ctx, CmdID, answerWithin); err != nil {
		return err
	}
	if a.SW == swOK {
		s.line.Vitals.Serial(moduleNumber(a.Data))
	}
	s.line.Vitals.Set(drivers.StateOK, "")
	s.ready = true
	return nil
}

// unwell notes a status which is about the reader. The module is asked again before the next card.
func (s *session) unwell(doing string, sw byte) {
	s.ready = false
	s.line.Vitals.Set(drivers.StateAttention, fmt.Sprintf("%s: %s (%02X)", doing, FaultOf(sw), sw))
}

// find reports whether a card lies there that is not selected.
func (s *session) find(ctx context.Context) (bool, error) {
	a, err := s.ask(ctx, CmdFind, answerWithin)
	switch {
	case err != nil:
		return false, err
	case a.SW == swFound:
		return true, nil
	case a.SW != swNoCard && ofReader(a.SW):
		s.unwell("find", a.SW)
	default:
		s.line.Vitals.Set(drivers.StateOK, "")
	}
	return false, nil
}

// card reads the card that was found, and says what came of it.
func (s *session) card(ctx context.Context) error {
	for try := 1; ; try++ {
		doc, sw, err := s.read(ctx)
		switch {
		case errors.Is(err, dialogue.ErrQuiet):
			s.fault("no_answer", "read")
			return err
		case errors.Is(err, errCheckDigit):
			return s.settle("check_digit", "")
		case errors.Is(err, errText) || errors.Is(err, ErrAnswer):
			return s.settle("damaged", "text block")
		case err != nil:
			return err
		case sw == swOK:
			s.done = true
			s.line.Vitals.Set(drivers.StateOK, "")
			s.emit(doc)
			return nil
		case ofReader(sw):
			s.unwell("read", sw)
			return s.settle(FaultOf(sw), fmt.Sprintf("status %02X", sw))
		}
		there, err := s.find(ctx)
		switch {
		case err != nil:
			return err
		case !there:
			s.fault("removed", fmt.Sprintf("status %02X", sw))
			return nil
		case try == attempts:
			return s.settle(FaultOf(sw), fmt.Sprintf("status %02X", sw))
		}
	}
}

// settle gives up on the card that lies there.
func (s *session) settle(code, note string) error {
	s.done = true
	s.fault(code, note)
	return nil
}

func (s *session) fault(code, note string) { s.emit(drivers.DocumentFault{Code: code, Note: note}) }

// read selects and reads the card. sw is swOK with a document, or the status that ended it.
func (s *session) read(ctx context.Context) (doc drivers.Document, sw byte, err error) {
	a, err := s.ask(ctx, CmdSelect, answerWithin)
	if err != nil || a.SW != swOK {
		return doc, a.SW, err
	}
	a, err = s.ask(ctx, CmdRead, time.Duration(s.set.ReadTimeoutMs)*time.Millisecond)
	if err != nil || a.SW != swOK {
		return doc, a.SW, err
	}
	text, photo, err := split(a.Data)
	if err != nil {
		return doc, a.SW, err
	}
	if doc, err = block(text).document(); err != nil {
		return drivers.Document{}, a.SW, err
	}
	if s.set.Photo {
		doc.Photo = bytes.Clone(photo)
	}
	doc.At = time.Now()
	return doc, swOK, nil
}
