package relaygate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/permits"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/port"
)

// Settings of the driver, as in the configuration. Relays and inputs count from 1; 0 is one that is not connected.
type Settings struct {
	Board      Board `json:"board"`
	Unit       int   `json:"unit"`        // Modbus address; 0 is the one that the board comes with
	EntryRelay int   `json:"entry_relay"` // opens the gate for one person who enters
	ExitRelay  int   `json:"exit_relay"`
	EntryInput int   `json:"entry_input"` // the gate's contact "passed", by direction
	ExitInput  int   `json:"exit_input"`
	AlarmInput int   `json:"alarm_input"` // the gate's own alarm
	FireInput  int   `json:"fire_input"`  // the fire loop, which opens the gate by itself
	// NormallyClosed are the inputs whose contact opens when they have something to say.
	NormallyClosed []int `json:"normally_closed"`
	PulseMs        int   `json:"pulse_ms"`     // how long the relay closes; 0 is as long as the permit
	OpenS          int   `json:"open_s"`       // how long the gate waits by its own setting; 0 is as long as the permit
	SignalMs       int   `json:"signal_ms"`    // how long the gate's contacts stay, at least
	DebounceMs     int   `json:"debounce_ms"`  // for so long a contact must stay to count
	TimeoutMs      int   `json:"timeout_ms"`   // how long an answer may take
	GapMs          int   `json:"gap_ms"`       // silence between frames: 4 at 9600 baud
	PollMs         int   `json:"poll_ms"`      // between polls while a permit is open
	IdlePollMs     int   `json:"idle_poll_ms"` // between polls otherwise
}

func defaults() Settings {
	return Settings{
		Board: Waveshare, EntryRelay: 1, ExitRelay: 2, EntryInput: 1, ExitInput: 2, AlarmInput: 3, FireInput: 4,
		PulseMs: 500, OpenS: 5, SignalMs: 300, DebounceMs: 40, TimeoutMs: 200, GapMs: 4, PollMs: 60, IdlePollMs: 500,
	}
}

func (s Settings) validate() error {
	err := errors.Join(
		settings.Between("unit", s.Unit, 0, 255),
		settings.Between("entry_relay", s.EntryRelay, 0, channels),
		settings.Between("exit_relay", s.ExitRelay, 0, channels),
		settings.Between("pulse_ms", s.PulseMs, 0, 60000),
		settings.Between("open_s", s.OpenS, 0, 60),
		settings.Between("signal_ms", s.SignalMs, 150, 10000),
		settings.Between("debounce_ms", s.DebounceMs, 0, 500),
		settings.Between("timeout_ms", s.TimeoutMs, 20, 5000),
		settings.Between("gap_ms", s.GapMs, 1, 100),
		settings.Between("poll_ms", s.PollMs, 50, 100),
		settings.Between("idle_poll_ms", s.IdlePollMs, 100, 2000),
	)
	if s.Board != Waveshare && s.Board != LCTech {
		err = errors.Join(err, fmt.Errorf("settings: board %q is not one of waveshare, lctech", s.Board))
	}
	if s.PulseMs%100 != 0 {
		err = errors.Join(err, fmt.Errorf("settings: pulse_ms is %d, want tenths of a second", s.PulseMs))
	}
	if s.EntryRelay == s.ExitRelay {
		err = errors.Join(err, fmt.Errorf("settings: entry_relay and exit_relay are both %d", s.EntryRelay))
	}
	return errors.Join(err, s.validateInputs())
}

func (s Settings) validateInputs() (err error) {
	var used []int
	for _, in := range []struct {
		key     string
		channel int
	}{{"entry_input", s.EntryInput}, {"exit_input", s.ExitInput}, {"alarm_input", s.AlarmInput}, {"fire_input", s.FireInput}} {
		err = errors.Join(err, settings.Between(in.key, in.channel, 0, channels))
		if in.channel != 0 && slices.Contains(used, in.channel) {
			err = errors.Join(err, fmt.Errorf("settings: %s is %d, which is another's", in.key, in.channel))
		}
		used = append(used, in.channel)
	}
	for _, c := range s.NormallyClosed {
		if c == 0 || !slices.Contains(used, c) {
			err = errors.Join(err, fmt.Errorf("settings: normally_closed has %d, which is no input", c))
		}
	}
	return err
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "relaygate", Title: "继电器板闸机 (微雪、LC-Tech) / Gate on a Modbus relay board", New: open,
		Ports: []drivers.PortType{drivers.PortSerial, drivers.PortTCP}, Bus: true,
	}
}

func open(raw json.RawMessage) (drivers.Device, error) {
	s := defaults()
	if err := settings.Decode(raw, &s); err != nil {
		return nil, err
	}
	return New(s)
}

// A Gate drives one gate behind a relay board. Passage.Count is how many it has seen pass since it was made: a board
// counts nothing, and what happens while nobody looks is not known.
type Gate struct {
	set    Settings
	desk   permits.Desk
	raised permits.Alarms // for Run alone
	counts [2]uint32      // for Run alone
}

var (
	_ drivers.Device = (*Gate)(nil)
	_ drivers.Gate   = (*Gate)(nil)
)

// New makes the driver for one gate.
func New(s Settings) (*Gate, error) {
	if s.Unit == 0 {
		s.Unit = s.Board.unit()
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &Gate{set: s}, nil
}

// Run implements drivers.Device.
func (g *Gate) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	s := newSession(g, p, emit)
	err := g.desk.Run(func(commands <-chan *permits.Command) error { return s.run(ctx, p, commands) })
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("relaygate: %w", err)
}

// Release implements drivers.Gate. Besides the errors of the contract it refuses (ErrRefused) during a fire, and a
// direction without a relay. A pulse that was not acknowledged cannot be taken back where the gate keeps its own time:
// until that is over, ErrPermitOpen.
func (g *Gate) Release(ctx context.Context, permit drivers.Permit) error {
	if err := permits.Check(permit); err != nil {
		return err
	}
	return g.desk.Do(ctx, permit)
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }
