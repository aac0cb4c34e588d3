package zpl

import (
	"encoding/json"
	"errors"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/printing"
	"yipiao/drivers/internal/settings"
)

// Settings of the driver, as in the configuration.
type Settings struct {
	printing.Paper
	Cut       bool `json:"cut"`        // the printer has a cutter and uses it after each ticket
	TimeoutMs int  `json:"timeout_ms"` // how long the answer to ~HS may take
	ProofMs   int  `json:"proof_ms"`   // how long a ticket may take after its last byte
	PollMs    int  `json:"poll_ms"`    // between inquiries while nothing is printed
}

func defaults() Settings {
	return Settings{Paper: printing.DefaultPaper(832), TimeoutMs: 1000, ProofMs: 15000, PollMs: 1000}
}

func (s Settings) validate() error {
	return errors.Join(
		s.Paper.Validate(),
		settings.Between("timeout_ms", s.TimeoutMs, 100, 5000),
		settings.Between("proof_ms", s.ProofMs, 1000, 60000),
		settings.Between("poll_ms", s.PollMs, 200, 10000),
	)
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "zpl", Title: "ZPL 标签打印机 / ZPL printer", New: open,
		Ports: []drivers.PortType{drivers.PortSerial, drivers.PortLP, drivers.PortTCP},
	}
}

func open(raw json.RawMessage) (drivers.Device, error) {
	s := defaults()
	if err := settings.Decode(raw, &s); err != nil {
		return nil, err
	}
	return New(s)
}

// New makes the driver for one printer. It implements drivers.Device and drivers.Printer.
func New(s Settings) (*printing.Device, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	poll := time.Duration(s.PollMs) * time.Millisecond
	return printing.New("zpl", s.Paper, poll, &printer{set: s}), nil
}
