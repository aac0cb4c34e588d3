package serialport_test

import (
	"errors"
	"strings"
	"testing"

	"yipiao/drivers/port"
	"yipiao/drivers/port/serialport"
)

func TestConfigValidateNamesTheField(t *testing.T) {
	cases := []struct {
		name   string
		config serialport.Config
		field  string // "" = usable
		want   string // part of what was expected
	}{
		{"defaults", serialport.Config{Path: "/dev/x"}, "", ""},
		{"everything", serialport.Config{Path: "/dev/x", Baud: 115200, Size: 7, Parity: "even", StopBits: 2}, "", ""},
		{"no path", serialport.Config{}, "path", "/dev/serial/by-id"},
		{"blank path", serialport.Config{Path: "  "}, "path", "/dev/serial/by-id"},
		{"256000 baud", serialport.Config{Path: "/dev/x", Baud: 256000}, "baud", "230400, 460800"},
		{"128000 baud", serialport.Config{Path: "/dev/x", Baud: 128000}, "baud", "115200"},
		{"negative baud", serialport.Config{Path: "/dev/x", Baud: -1}, "baud", "9600"},
		{"nine bits", serialport.Config{Path: "/dev/x", Size: 9}, "size", "5, 6, 7 or 8"},
		{"mark parity", serialport.Config{Path: "/dev/x", Parity: "mark"}, "parity", "none, odd or even"},
		{"fifteen stop bits", serialport.Config{Path: "/dev/x", StopBits: 15}, "stop_bits", "1 or 2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.config.Validate()
			if c.field == "" {
				if err != nil {
					t.Fatalf("Validate: %v, want nil", err)
				}
				return
			}
			var ce *port.ConfigError
			if !errors.As(err, &ce) {
				t.Fatalf("Validate: %v, want a *ConfigError", err)
			}
			if ce.Field != c.field || !strings.Contains(ce.Want, c.want) {
				t.Errorf("field %q want %q; expected field %q and %q", ce.Field, ce.Want, c.field, c.want)
			}
			if _, err := serialport.Open(c.config); !errors.As(err, &ce) {
				t.Errorf("Open: %v, want the same *ConfigError", err)
			}
		})
	}
}

func TestConfigStringIsWhatATechnicianWrites(t *testing.T) {
	got := serialport.Config{Path: "/dev/ttyUSB0", Baud: 19200, Parity: "even", StopBits: 2}.String()
	if want := "/dev/ttyUSB0 19200 8E2"; got != want {
		t.Errorf("String: %q, want %q", got, want)
	}
}
