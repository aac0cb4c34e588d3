package bridgeport

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"yipiao/drivers/port"
)

// Types of line that a bridge offers, as in the configuration; serial is the default.
const (
	lineSerial = "serial"
	lineHID    = "hid"
	lineEvdev  = "evdev"
	lineLP     = "lp"
)

// Lines lists the types of line that a bridge offers.
func Lines() []string { return []string{lineSerial, lineHID, lineEvdev, lineLP} }

// Config says which port of which bridge.
type Config struct {
	Address string `json:"address"`        // host:port, such as 192.168.1.31:8447
	Name    string `json:"name"`           // as in the bridge's own configuration, such as printer-1
	Line    string `json:"line,omitempty"` // what the driver speaks over: serial (the default), hid, evdev or lp
}

var nameForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,39}$`)

// CheckName reports a name that no port of a bridge may have as a *port.ConfigError.
func CheckName(name string) error {
	if nameForm.MatchString(name) {
		return nil
	}
	return &port.ConfigError{Field: "name", Got: name, Want: "1 to 40 letters, digits, dots, hyphens and underscores, such as printer-1"}
}

// Validate reports the first field which cannot be used as a *port.ConfigError. It does no I/O.
func (c Config) Validate() error {
	host, number, err := net.SplitHostPort(c.Address)
	n, perr := strconv.ParseUint(number, 10, 16)
	if err != nil || perr != nil || n == 0 || host == "" || strings.ContainsAny(host, " /") {
		return &port.ConfigError{Field: "address", Got: c.Address, Want: "host:port of a bridge, such as 192.168.1.31:8447"}
	}
	if err := CheckName(c.Name); err != nil {
		return err
	}
	if c.Line != "" && !slices.Contains(Lines(), c.Line) {
		return &port.ConfigError{Field: "line", Got: c.Line, Want: "serial, hid, evdev or lp"}
	}
	return nil
}

// Speaks is the type of line, with its default filled in.
func (c Config) Speaks() string {
	if c.Line == "" {
		return lineSerial
	}
	return c.Line
}

// String is the line as a technician writes it, such as "bridge 192.168.1.31:8447 printer-1".
func (c Config) String() string { return "bridge " + c.Address + " " + c.Name }
