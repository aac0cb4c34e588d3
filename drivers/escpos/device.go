package escpos

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/printing"
	"yipiao/drivers/internal/settings"
)

// Ways of proving that a ticket is out.
const (
	ProofAuto = "auto" // ask the printer once whether it knows GS ( H, else GS r
	ProofGSH  = "gsh"  // GS ( H function 48, a process id
	ProofGSR  = "gsr"  // GS r 1
)

// Settings of the driver, as in the configuration.
type Settings struct {
	printing.Paper
	Cut       Cut    `json:"cut"`        // partial (default) | full | none
	Proof     string `json:"proof"`      // auto (default) | gsh | gsr
	TimeoutMs int    `json:"timeout_ms"` // how long the answer to DLE EOT may take
	ProofMs   int    `json:"proof_ms"`   // how long the proof may take after the last byte
	PollMs    int    `json:"poll_ms"`    // between inquiries while nothing is printed
}

func defaults() Settings {
	return Settings{
		Paper: printing.DefaultPaper(576), Cut: CutPartial, Proof: ProofAuto,
		TimeoutMs: 500, ProofMs: 10000, PollMs: 1000,
	}
}

func (s Settings) validate() error {
	err := errors.Join(
		s.Paper.Validate(),
		settings.Between("timeout_ms", s.TimeoutMs, 50, 5000),
		settings.Between("proof_ms", s.ProofMs, 1000, 60000),
		settings.Between("poll_ms", s.PollMs, 200, 10000),
	)
	if s.Cut != CutPartial && s.Cut != CutFull && s.Cut != CutNone {
		err = errors.Join(err, fmt.Errorf("settings: cut is %q, want partial, full or none", s.Cut))
	}
	if s.Proof != ProofAuto && s.Proof != ProofGSH && s.Proof != ProofGSR {
		err = errors.Join(err, fmt.Errorf("settings: proof is %q, want auto, gsh or gsr", s.Proof))
	}
	return err
}

// Kind is the registry's entry for this protocol.
func Kind() drivers.Kind {
	return drivers.Kind{
		Name: "escpos", Title: "ESC/POS 票据打印机 / ESC/POS printer", New: open,
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
	return printing.New("escpos", s.Paper, poll, &printer{set: s, nextID: rand.Uint32N(idCount)}), nil
}
