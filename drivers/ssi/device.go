package ssi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"yipiao/drivers"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/internal/talk"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/port"
)

// maxBeep is the highest beep code that manuals list.
const maxBeep = 0x1A

// Settings of the driver, as in the configuration.
type Settings struct {
	AnswerMs int  `json:"answer_ms"` // how long the scanner may take to acknowledge
	CheckS   int  `json:"check_s"`   // how often a silent scanner is asked whether it is there; 0 only at the start
	BeepOK   int  `json:"beep_ok"`   // beep code for good, 0: one short high beep
	BeepBad  int  `json:"beep_bad"`  // beep code for bad, 6: two short low beeps
	StripAIM bool `json:"strip_aim"` // take "]Q1" and its kind off the front of the data and report it
}

func defaults() Settings {
	return Settings{AnswerMs: 500, CheckS: 30, BeepOK: 0, BeepBad: 6, StripAIM: true}
}

func (s Settings) validate() error {
	return errors.Join(
		settings.Between("answer_ms", s.AnswerMs, 50, 5000),
		settings.Between("check_s", s.CheckS, 0, 3600),
		settings.Between("beep_ok", s.BeepOK, 0, maxBeep),
		settings.Between("beep_bad", s.BeepBad, 0, maxBeep),
	)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "ssi", Title: "斑马 SSI 扫码器 / Zebra SSI scanner", New: open,
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

// A Scanner drives one SSI scanner.
type Scanner struct {
	set  Settings
	desk talk.Desk[Packet]
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
	err := s.desk.Run(ctx, p, v, func(l *talk.Line) talk.Machine[Packet] { return newMachine(s.set, l, emit, v) })
	if err != nil {
		return fmt.Errorf("ssi: %w", err)
	}
	return nil
}

// Trigger implements drivers.Trigger: it starts or stops a session, in which the scanner reads one code.
func (s *Scanner) Trigger(ctx context.Context, on bool) error {
	return s.desk.Do(ctx, host(pick(on, OpStartSession, OpStopSession)))
}

// Beep implements drivers.Beeper.
func (s *Scanner) Beep(ctx context.Context, ok bool) error {
	return s.desk.Do(ctx, host(OpBeep, byte(pick(ok, s.set.BeepOK, s.set.BeepBad))))
}

// Enable lets the scanner read at all, or not. Each run begins with reading enabled. Its errors are those of
// Trigger.
func (s *Scanner) Enable(ctx context.Context, on bool) error {
	return s.desk.Do(ctx, host(pick(on, OpScanEnable, OpScanDisable)))
}

func host(op Op, data ...byte) Packet { return Packet{Op: op, Source: FromHost, Data: data} }

func pick[T any](on bool, yes, no T) T {
	if on {
		return yes
	}
	return no
}
