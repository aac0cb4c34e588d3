package devices

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"yipiao/drivers"
	"yipiao/drivers/port"
	"yipiao/drivers/port/bridgeport"
	"yipiao/drivers/port/evdevport"
	"yipiao/drivers/port/hidport"
	"yipiao/drivers/port/lpport"
	"yipiao/drivers/port/serialport"
	"yipiao/drivers/port/tcpport"
)

// A Port says which line to open. In the configuration it is one object: "type" is serial (which may be left
// out), hid, evdev, lp, tcp or bridge, and the other keys are those of that type's own Config:
//
//	{"path": "/dev/serial/by-id/…", "baud": 115200}
//	{"type": "hid", "path": "1-1.2:1.0"}            or "vendor", "product", "serial"
//	{"type": "evdev", "path": "/dev/input/by-id/…-event-kbd"}
//	{"type": "lp", "path": "/dev/usb/lp0"}          or "usb": "1-1.3:1.0"
//	{"type": "tcp", "address": "192.168.1.20:9100"}
//	{"type": "bridge", "address": "192.168.1.31:8447", "name": "printer-1", "line": "lp"}   a port of another machine
type Port struct {
	// Line is a Config of one of the packages below drivers/port; nil where the configuration has none.
	Line Line
}

// A Line is what the Configs of the port packages have in common.
type Line interface {
	Validate() error // a *port.ConfigError for the first field that cannot be used
	String() string  // the line as a technician writes it
}

// A lineType is one type of Line.
type lineType struct {
	name   drivers.PortType
	decode func(raw json.RawMessage) (Line, error)
}

// bridgeType is the type of a line that leads to a line of one of the other types on another machine: a driver
// notices no difference, so that Type is that other one.
const bridgeType drivers.PortType = "bridge"

// lineTypes in the order in which a message names them.
var lineTypes = []lineType{
	{drivers.PortSerial, decode[serialport.Config]},
	{drivers.PortHID, decode[hidport.Config]},
	{drivers.PortEvdev, decode[evdevport.Config]},
	{drivers.PortLP, decode[lpport.Config]},
	{drivers.PortTCP, decode[tcpport.Config]},
	{bridgeType, decode[bridgeport.Config]},
}

// decode reads a Config strictly; "type" is not its own.
func decode[C Line](raw json.RawMessage) (Line, error) {
	var c C
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, err
	}
	delete(keys, "type")
	rest, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(rest))
	dec.DisallowUnknownFields()
	err = dec.Decode(&c)
	return c, err
}

// UnmarshalJSON implements json.Unmarshaler. It is strict; its errors name the field.
func (p *Port) UnmarshalJSON(raw []byte) error {
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return nil
	}
	var head struct {
		Type drivers.PortType `json:"type"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return portError(err)
	}
	if head.Type == "" {
		head.Type = drivers.PortSerial
	}
	var names []string
	for _, t := range lineTypes {
		if t.name == head.Type {
			line, err := t.decode(raw)
			if err != nil {
				return portError(fmt.Errorf("type %s: %w", t.name, err))
			}
			p.Line = line
			return nil
		}
		names = append(names, string(t.name))
	}
	return fmt.Errorf("port.type: %q is not one of %s", head.Type, strings.Join(names, ", "))
}

// portError names the field. It hides what encoding/json says of places: they count from inside the port.
func portError(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("port.%s: a %s cannot be used, want %s", kind.Field, kind.Value, kind.Type)
	}
	return fmt.Errorf("port: %s", err.Error())
}

// MarshalJSON implements json.Marshaler: what UnmarshalJSON reads.
func (p Port) MarshalJSON() ([]byte, error) {
	if p.Line == nil {
		return []byte("null"), nil
	}
	b, err := json.Marshal(p.Line)
	t := p.Type()
	if p.Remote() {
		t = bridgeType
	}
	if err == nil && t != drivers.PortSerial {
		b = fmt.Appendf(nil, `{"type":%q,%s`, t, b[1:])
		b = bytes.Replace(b, []byte(",}"), []byte("}"), 1) // a Config without any value
	}
	return b, err
}

// Type says what sort of line it is, of a bridge what it leads to; "" for none.
func (p Port) Type() drivers.PortType {
	switch c := p.Line.(type) {
	case serialport.Config:
		return drivers.PortSerial
	case hidport.Config:
		return drivers.PortHID
	case evdevport.Config:
		return drivers.PortEvdev
	case lpport.Config:
		return drivers.PortLP
	case tcpport.Config:
		return drivers.PortTCP
	case bridgeport.Config:
		return drivers.PortType(c.Speaks())
	}
	return ""
}

// Remote reports whether the line is on another machine, behind a bridge.
func (p Port) Remote() bool {
	_, far := p.Line.(bridgeport.Config)
	return far
}

// String is the line as a technician writes it; "" for none.
func (p Port) String() string {
	if p.Line == nil {
		return ""
	}
	return p.Line.String()
}

// Below makes the relative path of a device node count from a folder.
func (p *Port) Below(base string) {
	under := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(base, path)
	}
	switch c := p.Line.(type) {
	case serialport.Config:
		c.Path = under(c.Path)
		p.Line = c
	case evdevport.Config:
		c.Path = under(c.Path)
		p.Line = c
	case lpport.Config:
		c.Path = under(c.Path)
		p.Line = c
	}
}

// key is what only one device may use, and the field it stands in.
func (p Port) key() (field, key string) {
	switch c := p.Line.(type) {
	case serialport.Config:
		return "path", c.Path
	case evdevport.Config:
		return "path", c.Path
	case lpport.Config:
		if c.USB != "" {
			return "usb", c.USB
		}
		return "path", c.Path
	case hidport.Config:
		if c.Path != "" {
			return "path", c.Path
		}
		return "vendor", c.String()
	case tcpport.Config:
		return "address", c.Address
	case bridgeport.Config:
		return "name", c.Address + "/" + c.Name
	}
	return "", ""
}

// Open opens a validated line of this machine.
func (p Port) Open(ctx context.Context) (port.Port, error) {
	switch c := p.Line.(type) {
	case serialport.Config:
		return opened(serialport.Open(c))
	case hidport.Config:
		return opened(hidport.Open(c))
	case evdevport.Config:
		return opened(evdevport.Open(c))
	case lpport.Config:
		return opened(lpport.Open(c))
	case tcpport.Config:
		return opened(tcpport.Open(ctx, c))
	}
	return nil, errors.New("no port of this machine is configured")
}

// openPort opens a validated line of this machine or of another.
func (s *Set) openPort(ctx context.Context, p Port) (port.Port, error) {
	c, far := p.Line.(bridgeport.Config)
	switch {
	case !far:
		return p.Open(ctx)
	case s.trust == nil:
		return nil, errors.New("this station has no certificate for a bridge")
	}
	return opened(bridgeport.Open(ctx, c, *s.trust))
}

// opened keeps a nil *P out of the interface, where it would not be nil.
func opened[P port.Port](p P, err error) (port.Port, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}
