package devices_test

import (
	"encoding/json"
	"strings"
	"testing"

	"yipiao/drivers"
	"yipiao/edge/internal/devices"
)

func TestPortInTheConfiguration(t *testing.T) {
	for _, c := range []struct {
		text, line string
		kind       drivers.PortType
		below      string // String after Below("/etc/y"); "" = as before
	}{
		{`{"path":"ttyA","baud":115200}`, "ttyA 115200 8N1", drivers.PortSerial, "/etc/y/ttyA 115200 8N1"},
		{`{"path":"/dev/ttyA"}`, "/dev/ttyA 9600 8N1", drivers.PortSerial, ""},
		{`{"type":"hid","path":"1-1:1.0"}`, "hid 1-1:1.0", drivers.PortHID, ""},
		{`{"type":"hid","vendor":"0c2e","product":"0b61"}`, "hid 0c2e:0b61", drivers.PortHID, ""},
		{`{"type":"hid"}`, "hid :", drivers.PortHID, ""},
		{`{"type":"evdev","path":"kbd"}`, "evdev kbd", drivers.PortEvdev, "evdev /etc/y/kbd"},
		{`{"type":"lp","path":"lp0"}`, "lp lp0", drivers.PortLP, "lp /etc/y/lp0"},
		{`{"type":"lp","usb":"1-1.2:1.0"}`, "lp usb 1-1.2:1.0", drivers.PortLP, ""},
		{`{"type":"tcp","address":"10.0.0.5:9100"}`, "tcp 10.0.0.5:9100", drivers.PortTCP, ""},
		{`{"type":"bridge","address":"10.0.0.9:8447","name":"printer-1","line":"lp"}`, "bridge 10.0.0.9:8447 printer-1", drivers.PortLP, ""},
		{`{"type":"bridge","address":"10.0.0.9:8447","name":"scanner-1"}`, "bridge 10.0.0.9:8447 scanner-1", drivers.PortSerial, ""},
	} {
		var p devices.Port
		if err := json.Unmarshal([]byte(c.text), &p); err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if p.String() != c.line || p.Type() != c.kind {
			t.Errorf("%s: %s %q, want %s %q", c.text, p.Type(), p, c.kind, c.line)
		}
		if back, err := json.Marshal(p); err != nil || string(back) != c.text {
			t.Errorf("%s became %s, %v", c.text, back, err)
		}
		p.Below("/etc/y")
		if c.below != "" && p.String() != c.below || c.below == "" && p.String() != c.line {
			t.Errorf("%s below a folder: %q", c.text, p)
		}
	}
}

func TestPortThatCannotBeRead(t *testing.T) {
	for text, says := range map[string]string{
		`{"type":"usb"}`:                                               `port.type: "usb" is not one of serial, hid, evdev, lp, tcp, bridge`,
		`{"path":"/dev/a","bauds":1}`:                                  `"bauds"`,
		`{"type":"tcp","path":"/dev/a"}`:                               `type tcp: json: unknown field "path"`,
		`{"type":"tcp","address":"a:1","baud":1}`:                      `"baud"`,
		`{"path":"/dev/a","baud":"fast"}`:                              "port.baud: a string cannot be used",
		`{"type":"bridge","address":"a:1","name":"b","path":"/dev/a"}`: `"path"`,
		`{"type":5}`: "port.type: a number cannot be used",
		`"/dev/a"`:   "port",
	} {
		var p devices.Port
		if err := json.Unmarshal([]byte(text), &p); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}

// TestEveryKindSaysWhatItSpeaks: a kind over no type of line could never be configured.
func TestEveryKindSaysWhatItSpeaks(t *testing.T) {
	reg := devices.Standard()
	for _, name := range reg.Names() {
		k, _ := reg.Kind(name)
		if len(k.Ports) == 0 {
			t.Errorf("%s names no type of line", name)
		}
	}
}
