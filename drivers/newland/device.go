package newland

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/aim"
	"yipiao/drivers/internal/codeline"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/internal/talk"
	"yipiao/drivers/internal/vitals"
	"yipiao/drivers/port"
)

// Commands. BEEPON (frequency, milliseconds, volume) is only seen in two programs of others: unconfirmed that all
// firmware has it; one that has not answers that it does not know it.
const (
	triggerOn  = "SCNTRG1"
	triggerOff = "SCNTRG0"
	beepGood   = "BEEPON2700F150T20V"
	beepBad    = "BEEPON0800F500T20V"
	system     = "QRYSYS"
)

// echoSize is how much of a command its answer begins with: tag and subtag.
const echoSize = 6

// commandGap is the least time between commands.
const commandGap = 50 * time.Millisecond

// Settings of the driver, as in the configuration.
type Settings struct {
	codeline.Settings
	AnswerMs int `json:"answer_ms"` // how long an answer may take
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
		Name: "newland", Title: "新大陆指令扫码器 / Newland command scanner", New: open,
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

// A Scanner drives one scanner.
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
			Check:  ask(system), Every: time.Duration(s.set.CheckS) * time.Second,
			Told: func(text string, v *vitals.Tracker) { v.Firmware(Firmware(text)) },
		}, l, emit, v)
	})
	if err != nil {
		return fmt.Errorf("newland: %w", err)
	}
	return nil
}

// Trigger implements drivers.Trigger.
func (s *Scanner) Trigger(ctx context.Context, on bool) error {
	if on {
		return s.do(ctx, triggerOn)
	}
	return s.do(ctx, triggerOff)
}

// Beep implements drivers.Beeper.
func (s *Scanner) Beep(ctx context.Context, ok bool) error {
	if ok {
		return s.do(ctx, beepGood)
	}
	return s.do(ctx, beepBad)
}

func (s *Scanner) do(ctx context.Context, command string) error {
	if err := s.desk.Do(ctx, ask(command)); err != nil {
		return fmt.Errorf("newland: %w", err)
	}
	return nil
}

func ask(command string) codeline.Ask {
	return codeline.Ask{Frame: Command(command), Echo: command[:echoSize]}
}

// Firmware takes the firmware version out of the answer to QRYSYS, or "". Unconfirmed: how its lines are named.
func Firmware(text string) string {
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		name, value, ok := strings.Cut(line, ":")
		if ok && strings.Contains(strings.ToLower(name), "firmware") && aim.Printable([]byte(value)) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
