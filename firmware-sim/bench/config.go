package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"yipiao/firmware-sim/board"
)

// A Config lists what stands on a bench.
type Config struct {
	Seed    uint64 // of the random faults; the same seed spoils the same bytes
	Devices []DeviceConfig
	WAN     *WANConfig
}

// A DeviceConfig is one simulated device. One of PTY, TCP and Inside says where its line is; USB things are
// inside by themselves, and a handheld has no line.
type DeviceConfig struct {
	Name     string
	PTY      string // symbolic link to its pseudo-terminal
	TCP      string // host:port where it listens
	Inside   bool   // hosts in this process open it with Connect
	Baud     int    // paces its line; 0 = as fast as the machine
	Faults   board.Faults
	Settings any // of its package, such as scanner.Settings; their type says what kind it is
}

// A WANConfig is the stretch of network between station and cloud.
type WANConfig struct {
	Listen  string `json:"listen"`
	Target  string `json:"target"`
	DelayMs int    `json:"delay_ms"`
}

// common are the keys which every kind of device has.
type common struct {
	Name   string          `json:"name"`
	Kind   string          `json:"kind"`
	PTY    string          `json:"pty"`
	TCP    string          `json:"tcp"`
	Inside bool            `json:"inside"`
	Baud   int             `json:"baud"`
	Faults json.RawMessage `json:"faults"`
}

// ParseConfig reads a configuration. An unknown key is an error that names it and its device.
func ParseConfig(raw []byte) (Config, error) {
	var file struct {
		Seed    uint64            `json:"seed"`
		Devices []json.RawMessage `json:"devices"`
		WAN     *WANConfig        `json:"wan"`
	}
	if err := strict(raw, &file); err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	c := Config{Seed: file.Seed, WAN: file.WAN}
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

func parseDevice(raw json.RawMessage) (DeviceConfig, error) {
	var c common
	if err := json.Unmarshal(raw, &c); err != nil {
		return DeviceConfig{Name: c.Name}, err
	}
	d := DeviceConfig{Name: c.Name, PTY: c.PTY, TCP: c.TCP, Inside: c.Inside, Baud: c.Baud}
	if len(c.Faults) > 0 {
		if err := strict(c.Faults, &d.Faults); err != nil {
			return d, fmt.Errorf("faults: %w", err)
		}
	}
	k, err := findKind(func(k kind) bool { return k.name == c.Kind })
	if err != nil {
		return d, fmt.Errorf("kind %q, %w", c.Kind, err)
	}
	d.Inside = d.Inside || k.plugs == usb && d.PTY == "" && d.TCP == ""
	rest, err := withoutCommon(raw)
	if err != nil {
		return d, err
	}
	d.Settings, err = k.parse(rest)
	return d, err
}

// withoutCommon is a device's object with the keys of its kind only.
func withoutCommon(raw json.RawMessage) ([]byte, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, err
	}
	for _, k := range []string{"name", "kind", "pty", "tcp", "inside", "baud", "faults"} {
		delete(keys, k)
	}
	return json.Marshal(keys)
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// Validate reports the first device or field that cannot be used.
func (c Config) Validate() error {
	names, lines := make(map[string]bool), make(map[string]bool)
	for i, d := range c.Devices {
		switch {
		case d.Name == "":
			return fmt.Errorf("devices[%d]: name is missing", i)
		case names[d.Name]:
			return fmt.Errorf("devices[%d]: name %q is used twice", i, d.Name)
		case d.Name == wanName:
			return fmt.Errorf("devices[%d]: name %q is the network's", i, d.Name)
		}
		names[d.Name] = true
		if err := d.validate(lines); err != nil {
			return fmt.Errorf("device %q: %w", d.Name, err)
		}
	}
	if c.WAN != nil && (c.WAN.Listen == "" || c.WAN.Target == "") {
		return errors.New("wan: listen and target are both needed, as host:port")
	}
	return nil
}

// validate checks one device; lines are the ptys and addresses of those before it.
func (d DeviceConfig) validate(lines map[string]bool) error {
	k, err := d.kind()
	if err != nil {
		return err
	}
	if err := d.line(k); err != nil {
		return err
	}
	for key, where := range map[string]string{"pty": d.PTY, "tcp": d.TCP} {
		if where != "" && lines[where] && !anyPort(where) {
			return fmt.Errorf("%s %q is used twice", key, where)
		}
		lines[where] = true
	}
	if d.Baud < 0 {
		return fmt.Errorf("baud %d is negative", d.Baud)
	}
	if err := d.Faults.Validate(); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	return nil
}

// line checks that there is one place for the device's line.
func (d DeviceConfig) line(k kind) error {
	places := 0
	for _, there := range []bool{d.PTY != "", d.TCP != "", d.Inside} {
		if there {
			places++
		}
	}
	switch {
	case k.plugs == none && (places > 0 || d.Baud != 0 || d.Faults != board.Faults{}):
		return fmt.Errorf("a %s has no line: pty, tcp, inside, baud and faults are not for it", k.name)
	case k.plugs == none:
		return nil
	case k.plugs == usb && (d.PTY != "" || d.TCP != ""):
		return fmt.Errorf("a %s is a USB device and has neither pty nor tcp", k.name)
	case places == 0:
		return errors.New("pty is missing, want the path of the link to make; or else tcp or inside")
	case places > 1:
		return errors.New("want only one of pty, tcp and inside")
	}
	return nil
}

func anyPort(addr string) bool { return len(addr) > 2 && addr[len(addr)-2:] == ":0" }

// kind is found by the type of the settings.
func (d DeviceConfig) kind() (kind, error) {
	k, err := findKind(func(k kind) bool { return k.is(d.Settings) })
	if err != nil {
		return k, fmt.Errorf("settings %T are of no kind, %w", d.Settings, err)
	}
	return k, nil
}
