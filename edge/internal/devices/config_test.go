package devices_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"yipiao/drivers/port/bridgeport"
	"yipiao/drivers/port/lpport"
	"yipiao/drivers/port/serialport"
	"yipiao/drivers/port/tcpport"
	"yipiao/edge/internal/devices"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func serial(c serialport.Config) devices.Port { return devices.Port{Line: c} }

func TestConfigErrorsNameDeviceAndField(t *testing.T) {
	good := devices.Config{Name: "scanner-1", Kind: "linescan", Port: serial(serialport.Config{Path: "/dev/a"})}
	with := func(change func(*devices.Config)) devices.Config {
		c := good
		c.Name, c.Port = "gate-1", serial(serialport.Config{Path: "/dev/b"})
		change(&c)
		return c
	}
	cases := []struct {
		name, device, field, says string
		config                    devices.Config
	}{
		{"no name", "#2", "name", "is missing", with(func(c *devices.Config) { c.Name = " " })},
		{"name used twice", "scanner-1", "name", "another device", with(func(c *devices.Config) { c.Name = "scanner-1" })},
		{"unknown kind", "gate-1", "kind", `"printer" is not one of linescan, `, with(func(c *devices.Config) { c.Kind = "printer" })},
		{"no path", "gate-1", "port.path", "path of a serial line", with(func(c *devices.Config) { c.Port = serial(serialport.Config{}) })},
		{"path used twice", "gate-1", "port.path", "/dev/a is used by device scanner-1", with(func(c *devices.Config) { c.Port = serial(serialport.Config{Path: "/dev/a"}) })},
		{"no port", "gate-1", "port", "is missing", with(func(c *devices.Config) { c.Port = devices.Port{} })},
		{"a line it does not speak", "gate-1", "port.type", "linescan does not speak over lp, only over serial, tcp", with(func(c *devices.Config) {
			c.Port.Line = lpport.Config{Path: "/dev/usb/lp0"}
		})},
		{"and the other way", "gate-1", "port.type", "wedge does not speak over serial, only over evdev", with(func(c *devices.Config) { c.Kind = "wedge" })},
		{"bad address", "gate-1", "port.address", "host:port", with(func(c *devices.Config) { c.Port.Line = tcpport.Config{Address: "printer"} })},
		{"a bridge without a name", "gate-1", "port.name", "printer-1", with(func(c *devices.Config) { c.Port.Line = bridgeport.Config{Address: "a:1"} })},
		{"a bridge to another line", "gate-1", "port.line", "linescan does not speak over hid", with(func(c *devices.Config) {
			c.Port.Line = bridgeport.Config{Address: "a:1", Name: "b", Line: "hid"}
		})},
		{"bad speed", "gate-1", "port.baud", "256000", with(func(c *devices.Config) { c.Port = serial(serialport.Config{Path: "/dev/b", Baud: 256000}) })},
		{"unknown setting", "gate-1", "settings", `"unti"`, with(func(c *devices.Config) {
			c.Kind, c.Settings = "lotgate", json.RawMessage(`{"unti":1}`)
		})},
		{"setting out of range", "gate-1", "settings", "unit is 300, want 1 to 247", with(func(c *devices.Config) {
			c.Kind, c.Settings = "lotgate", json.RawMessage(`{"unit":300}`)
		})},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := devices.New([]devices.Config{good, c.config}, nil, quiet())
			var ce *devices.ConfigError
			if !errors.As(err, &ce) {
				t.Fatalf("%v, want a *ConfigError", err)
			}
			if ce.Device != c.device || ce.Field != c.field || !strings.Contains(err.Error(), c.says) {
				t.Errorf("device %q field %q: %v; want device %q field %q and %q", ce.Device, ce.Field, err, c.device, c.field, c.says)
			}
		})
	}
}

func TestEverythingThatIsWrongIsReported(t *testing.T) {
	_, err := devices.New([]devices.Config{
		{Name: "a", Kind: "none", Port: serial(serialport.Config{Path: "/dev/a"})},
		{Name: "b", Kind: "linescan", Port: serial(serialport.Config{Path: "/dev/b", Baud: 1})},
	}, nil, quiet())
	if err == nil || !strings.Contains(err.Error(), "device a: kind") || !strings.Contains(err.Error(), "device b: port.baud") {
		t.Errorf("%v, want both", err)
	}
}

// TestAPortOfABridgeIsUsedOnce: another name of the same bridge is another port.
func TestAPortOfABridgeIsUsedOnce(t *testing.T) {
	device := func(name, port string) devices.Config {
		return devices.Config{Name: name, Kind: "linescan", Port: devices.Port{Line: bridgeport.Config{Address: "10.0.0.9:8447", Name: port}}}
	}
	if _, err := devices.New([]devices.Config{device("a", "scanner-1"), device("b", "scanner-2")}, nil, quiet()); err != nil {
		t.Error(err)
	}
	_, err := devices.New([]devices.Config{device("a", "scanner-1"), device("b", "scanner-1")}, nil, quiet())
	if err == nil || !strings.Contains(err.Error(), "device b: port.name: 10.0.0.9:8447/scanner-1 is used by device a") {
		t.Errorf("%v", err)
	}
}

func TestHandlesOfTheWrongSort(t *testing.T) {
	set, err := devices.New([]devices.Config{
		{Name: "scanner-1", Kind: "linescan", Port: serial(serialport.Config{Path: "/dev/a"})},
		{Name: "gate-1", Kind: "lotgate", Port: serial(serialport.Config{Path: "/dev/b"})},
	}, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Gate("scanner-1"); err == nil || !strings.Contains(err.Error(), `"scanner-1"`) {
		t.Errorf("a scanner as a gate: %v", err)
	}
	if _, err := set.Scanner("gate-1"); err == nil || !strings.Contains(err.Error(), `"gate-1"`) {
		t.Errorf("a gate as a scanner: %v", err)
	}
	for _, find := range []func(string) error{
		func(n string) error { _, err := set.Gate(n); return err },
		func(n string) error { _, err := set.Scanner(n); return err },
	} {
		if err := find("none"); err == nil || !strings.Contains(err.Error(), `"none"`) {
			t.Errorf("a device that is not configured: %v", err)
		}
	}
	if _, ok := set.Status("none"); ok {
		t.Error("a status of a device that is not configured")
	}
	if st := set.Snapshot(); len(st) != 2 || st[1].Name != "gate-1" || st[1].Port != "/dev/b 9600 8N1" || !strings.HasPrefix(st[1].Title, "LOT 闸机") {
		t.Errorf("%+v", st)
	}
}
