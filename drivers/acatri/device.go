package acatri

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"yipiao/drivers"
	"yipiao/drivers/internal/permits"
	"yipiao/drivers/internal/settings"
	"yipiao/drivers/port"
)

// A Side is a way through the tripod as it calls it.
type Side string

// Sides.
const (
	Left  Side = "left"
	Right Side = "right"
)

// Settings of the driver, as in the configuration.
type Settings struct {
	Address int  `json:"address"`
	Entry   Side `json:"entry"`  // which way an entry is; an exit is the other
	OpenS   int  `json:"open_s"` // how long the tripod waits by its own setting
}

func defaults() Settings { return Settings{Address: 1, Entry: Left, OpenS: 5} }

func (s Settings) validate() error {
	err := errors.Join(
		settings.Between("address", s.Address, 0, 255),
		settings.Between("open_s", s.OpenS, 1, 60),
	)
	if s.Entry != Left && s.Entry != Right {
		err = errors.Join(err, fmt.Errorf("settings: entry %q is not one of left, right", s.Entry))
	}
	return err
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "acatri", Title: "AC-ATRI-018 三辊闸 (无反馈) / AC-ATRI-018 tripod, without feedback", New: open,
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

// A Gate drives one tripod. Each permit ends as drivers.Unknown with count 0: nothing tells who has passed.
type Gate struct {
	set  Settings
	desk permits.Desk
}

var (
	_ drivers.Device = (*Gate)(nil)
	_ drivers.Gate   = (*Gate)(nil)
)

// New makes the driver for one tripod.
func New(s Settings) (*Gate, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &Gate{set: s}, nil
}

// Run implements drivers.Device.
func (g *Gate) Run(ctx context.Context, p port.Port, emit func(drivers.Event)) error {
	s := newSession(g.set, p, emit)
	err := g.desk.Run(func(commands <-chan *permits.Command) error { return s.run(ctx, commands) })
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("acatri: %w", err)
}

// Release implements drivers.Gate. nil means that the command is on the wire: the tripod acknowledges nothing.
func (g *Gate) Release(ctx context.Context, permit drivers.Permit) error {
	if err := permits.Check(permit); err != nil {
		return err
	}
	return g.desk.Do(ctx, permit)
}
