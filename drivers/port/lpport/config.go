package lpport

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"yipiao/drivers/port"
)

// sysUSB is where the kernel lists USB devices and their interfaces.
const sysUSB = "/sys/bus/usb/devices"

// Config says which printer: exactly one of the fields is set.
type Config struct {
	Path string `json:"path,omitempty"` // /dev/usb/lp0, or a link that udev keeps to it
	USB  string `json:"usb,omitempty"`  // bus-port:configuration.interface such as "1-1.2:1.0": stays while lpN changes
}

var usbName = regexp.MustCompile(`^[0-9]+-[0-9]+(\.[0-9]+)*:[0-9]+\.[0-9]+$`)

// Validate reports the first field which cannot be used as a *port.ConfigError. It does no I/O.
func (c Config) Validate() error {
	switch {
	case c.Path != "" && c.USB != "":
		return &port.ConfigError{Field: "usb", Got: c.USB, Want: "path or usb, not both"}
	case c.USB != "" && !usbName.MatchString(c.USB):
		return &port.ConfigError{Field: "usb", Got: c.USB, Want: "bus-port:configuration.interface, such as 1-1.2:1.0"}
	case c.USB == "" && strings.TrimSpace(c.Path) == "":
		return &port.ConfigError{Field: "path", Got: c.Path, Want: "the path of a USB printer, such as /dev/usb/lp0, or usb"}
	}
	return nil
}

// String is the line as a technician writes it, such as "lp /dev/usb/lp0" or "lp usb 1-1.2:1.0".
func (c Config) String() string {
	if c.USB != "" {
		return "lp usb " + c.USB
	}
	return "lp " + c.Path
}

func (c Config) field() string {
	if c.USB != "" {
		return "usb"
	}
	return "path"
}

// node is the device node; sys is sysUSB, or a test's own.
func (c Config) node(sys string) (string, error) {
	if c.USB == "" {
		return c.Path, nil
	}
	found, err := filepath.Glob(filepath.Join(sys, c.USB, "usbmisc", "lp*"))
	if err != nil {
		return "", fmt.Errorf("find printer %s: %w", c.USB, err)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("open usb %s: %w", c.USB, fs.ErrNotExist)
	}
	return filepath.Join("/dev/usb", filepath.Base(found[0])), nil
}
