package devices

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"yipiao/drivers"
	"yipiao/drivers/port"
)

// A Config is one device as a technician configures it.
type Config struct {
	Name     string          `json:"name"` // how lanes refer to it, such as "gate-1"
	Kind     string          `json:"kind"` // a protocol, such as "lotgate"
	Port     Port            `json:"port"`
	Settings json.RawMessage `json:"settings,omitempty"` // the protocol's own
}

// A ConfigError says which field of which device cannot be used, and why.
type ConfigError struct {
	Device string // its name, or "#3" for the third where it has none
	Field  string // as in the JSON: "name", "kind", "port.baud", "settings", …
	Err    error
}

// Error implements error.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("device %s: %s: %v", e.Device, e.Field, e.Err)
}

// Unwrap returns what is wrong with the field.
func (e *ConfigError) Unwrap() error { return e.Err }

// build validates all devices and makes their drivers. It reports everything that is wrong, joined.
func build(cfg []Config, reg *drivers.Registry) ([]*unit, error) {
	var units []*unit
	var errs []error
	names, lines := make(map[string]bool), make(lines)
	for i, c := range cfg {
		label := strings.TrimSpace(c.Name)
		if label == "" {
			label = fmt.Sprintf("#%d", i+1)
		}
		bad := func(field string, err error) {
			errs = append(errs, &ConfigError{Device: label, Field: field, Err: err})
		}
		switch {
		case strings.TrimSpace(c.Name) == "":
			bad("name", errors.New("is missing"))
		case names[c.Name]:
			bad("name", errors.New("is used by another device"))
		}
		names[c.Name] = true
		checkPort(c, bad)
		u := makeUnit(c, reg, bad)
		if u != nil {
			units = append(units, u)
		}
		lines.take(c, u, bad)
	}
	return units, errors.Join(errs...)
}

func checkPort(c Config, bad func(string, error)) {
	if c.Port.Line == nil {
		bad("port", errors.New("is missing"))
		return
	}
	if err := c.Port.Line.Validate(); err != nil {
		var pe *port.ConfigError
		field := "port"
		if errors.As(err, &pe) {
			field += "." + pe.Field
		}
		bad(field, err)
	}
}

// checkSpeaks refuses a kind over a type of line that it does not speak.
func checkSpeaks(c Config, kind drivers.Kind, bad func(string, error)) {
	t := c.Port.Type()
	if t == "" || kind.Speaks(t) {
		return
	}
	var speaks []string
	for _, lt := range lineTypes {
		if kind.Speaks(lt.name) {
			speaks = append(speaks, string(lt.name))
		}
	}
	field := "port.type"
	if c.Port.Remote() {
		field = "port.line"
	}
	bad(field, fmt.Errorf("%s does not speak over %s, only over %s", kind.Name, t, strings.Join(speaks, ", ")))
}

func makeUnit(c Config, reg *drivers.Registry, bad func(string, error)) *unit {
	kind, ok := reg.Kind(c.Kind)
	if !ok {
		bad("kind", fmt.Errorf("%q is not one of %s", c.Kind, strings.Join(reg.Names(), ", ")))
		return nil
	}
	checkSpeaks(c, kind, bad)
	dev, err := kind.New(c.Settings)
	if err != nil {
		bad("settings", err)
		return nil
	}
	return newUnit(c, kind, dev)
}
