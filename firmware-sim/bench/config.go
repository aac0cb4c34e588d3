package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/turnstile"
)

// A Config lists what stands on a bench.
type Config struct {
	Devices []DeviceConfig
	WAN     *WANConfig
}

// A DeviceConfig is one simulated device. Exactly one of Scanner and Turnstile is set.
type DeviceConfig struct {
	Name      string
	PTY       string // symbolic link to its pseudo-terminal
	Baud      int    // paces its line; 0 = as fast as the machine
	Scanner   *scanner.Settings
	Turnstile *turnstile.Settings
}

// A WANConfig is the stretch of network between station and cloud.
type WANConfig struct {
	Listen  string `json:"listen"`
	Target  string `json:"target"`
	DelayMs int    `json:"delay_ms"`
}

// common are the keys which every kind of device has.
type common struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	PTY  string `json:"pty"`
	Baud int    `json:"baud"`
}

type scannerKeys struct {
	common
	Terminator string `json:"terminator"`
	AIM        string `json:"aim"`
}

type turnstileKeys struct {
	common
	Unit      int    `json:"unit"`
	Visitor   string `json:"visitor"`
	WalkMs    int    `json:"walk_ms"`
	PassMs    int    `json:"pass_ms"`
	TakeEarly bool   `json:"take_early"`
	State     string `json:"state"`
}

// Kinds of devices.
const (
	KindScanner   = "scanner"
	KindTurnstile = "turnstile"
)

// ParseConfig reads a configuration. An unknown key is an error that names it and its device.
func ParseConfig(raw []byte) (Config, error) {
	var file struct {
		Devices []json.RawMessage `json:"devices"`
		WAN     *WANConfig        `json:"wan"`
	}
	if err := strict(raw, &file); err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	c := Config{WAN: file.WAN}
	for i, raw := range file.Devices {
		d, err := parseDevice(raw)
		if err != nil {
			return Config{}, fmt.Errorf("config: devices[%d] %q: %w", i, d.Name, err)
		}
		c.Devices = append(c.Devices, d)
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	return c, nil
}

func strict(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

func parseDevice(raw json.RawMessage) (DeviceConfig, error) {
	var c common
	if err := json.Unmarshal(raw, &c); err != nil {
		return DeviceConfig{Name: c.Name}, err
	}
	d := DeviceConfig{Name: c.Name, PTY: c.PTY, Baud: c.Baud}
	switch c.Kind {
	case KindScanner:
		var k scannerKeys
		err := strict(raw, &k)
		d.Scanner = &scanner.Settings{Terminator: k.Terminator, AIM: k.AIM}
		return d, err
	case KindTurnstile:
		var k turnstileKeys
		if err := strict(raw, &k); err != nil {
			return d, err
		}
		if k.Unit < 0 || k.Unit > 247 {
			return d, fmt.Errorf("unit %d, want 1 to 247", k.Unit)
		}
		d.Turnstile = &turnstile.Settings{
			Unit: byte(k.Unit), Visitor: turnstile.Visitor(k.Visitor), Walk: ms(k.WalkMs), Pass: ms(k.PassMs),
			TakeEarly: k.TakeEarly, State: k.State,
		}
		return d, nil
	}
	return d, fmt.Errorf("kind %q, want %s or %s", c.Kind, KindScanner, KindTurnstile)
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// Validate reports the first device or field that cannot be used.
func (c Config) Validate() error {
	names, ptys := make(map[string]bool), make(map[string]bool)
	for i, d := range c.Devices {
		switch {
		case d.Name == "":
			return fmt.Errorf("devices[%d]: name is missing", i)
		case names[d.Name]:
			return fmt.Errorf("devices[%d]: name %q is used twice", i, d.Name)
		case d.PTY == "":
			return fmt.Errorf("device %q: pty is missing, want the path of the link to make", d.Name)
		case ptys[d.PTY]:
			return fmt.Errorf("device %q: pty %q is used twice", d.Name, d.PTY)
		case d.Baud < 0:
			return fmt.Errorf("device %q: baud %d is negative", d.Name, d.Baud)
		case (d.Scanner == nil) == (d.Turnstile == nil):
			return fmt.Errorf("device %q: want exactly one kind", d.Name)
		}
		names[d.Name], ptys[d.PTY] = true, true
	}
	if c.WAN != nil && (c.WAN.Listen == "" || c.WAN.Target == "") {
		return errors.New("wan: listen and target are both needed, as host:port")
	}
	return nil
}
