package honeywell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/codeline"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/internal/talk"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/port"
)

const (
	// check asks for a setting which every model has, and changes nothing.
	check     = "CBRENA?"
	checkEcho = "CBRENA"
	// badBeeps is how often the scanner beeps when it did not go well: it has only one sound.
	badBeeps = 3
	beepGap  = 200 * time.Millisecond
	// commandGap is the time between commands. Unconfirmed: the guides give none.
	commandGap = 50 * time.Millisecond
)

// Settings of the driver, as in the configuration.
type Settings struct {
	codeline.Settings
	AnswerMs int `json:"answer_ms"` // how long a menu answer may take
	CheckS   int `json:"check_s"`   // how often a silent scanner is asked whether it is there; 0 only at the start
}

func defaults() Settings {
	return Settings{Settings: codeline.Defaults(), AnswerMs: 500, CheckS: 30}
}

func (s Settings) validate() error {
	return errors.Join(
		s.Validate(),
		settings.Between("answer_ms", s.AnswerMs, 50, 5000),
		settings.Between("check_s", s.CheckS, 0, 3600),
	)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "honeywell", Title: "霍尼韦尔串口扫码器 / Honeywell serial scanner", New: open,
		Ports: []drivers.PortType{drivers.PortSerial, drivers.PortTCP}, Scans: true,
	}
}

func open(raw json.RawMessage) (drivers.Device, error) {
	s := defaults()
	if err := settings.Decode(raw, &s); err != nil {
		return nil, err
	}
	return New(s)
}

// A Scanner drives one scanner. Trigger and Beep are not answered by it: they return nil once they are on the line.
type Scanner struct {
	set  Settings
	desk talk.Desk[codeline.Ask]
}

var (
	_ drivers.Device  = (*Scanner)(nil)
	_ drivers.Trigger = (*Scanner)(nil)
	_ drivers.Beeper  = (*Scanner)(nil)
)

// New makes the driver for one scanner.
func New(s Settings) (*Scanner, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &Scanner{set: s}, nil
}

// Run implements drivers.Device.
func (s *Scanner) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	v := vitals.New(emit)
	err := s.desk.Run(ctx, p, v, func(l *talk.Line) talk.Machine[codeline.Ask] {
		return codeline.NewMachine(s.set.Settings, codeline.Protocol{
			Splitter: &Splitter{}, Gap: commandGap,
			Answer: time.Duration(s.set.AnswerMs) * time.Millisecond,
			Check:  codeline.Ask{Frame: Menu(check), Echo: checkEcho},
			Every:  time.Duration(s.set.CheckS) * time.Second,
		}, l, emit, v)
	})
	if err != nil {
		return fmt.Errorf("honeywell: %w", err)
	}
	return nil
}

// Trigger implements drivers.Trigger. The scanner must be in serial trigger mode.
func (s *Scanner) Trigger(ctx context.Context, on bool) error {
	if on {
		return s.do(ctx, codeline.Ask{Frame: triggerOn})
	}
	return s.do(ctx, codeline.Ask{Frame: triggerOff})
}

// Beep implements drivers.Beeper.
func (s *Scanner) Beep(ctx context.Context, ok bool) error {
	if ok {
		return s.do(ctx, codeline.Ask{Frame: beep})
	}
	return s.do(ctx, codeline.Ask{Frame: beep, Times: badBeeps, Repeat: beepGap})
}

func (s *Scanner) do(ctx context.Context, a codeline.Ask) error {
	if err := s.desk.Do(ctx, a); err != nil {
		return fmt.Errorf("honeywell: %w", err)
	}
	return nil
}
