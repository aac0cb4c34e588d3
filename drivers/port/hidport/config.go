package hidport

import (
	"regexp"
	"strings"

	"github.com/karalabe/hid"

	"yipiao/drivers/port"
)

// Config says which HID interface: by Path, which stays with the USB socket, or by Vendor and Product (and
// Serial, where several of them are in use), which follows the device from socket to socket.
type Config struct {
	Path    string `json:"path,omitempty"`    // bus-port:configuration.interface, such as "1-1.2:1.0"
	Vendor  string `json:"vendor,omitempty"`  // four hexadecimal digits, such as "0c2e"
	Product string `json:"product,omitempty"` // likewise
	Serial  string `json:"serial,omitempty"`  // as the device says it
}

var (
	pathForm = regexp.MustCompile(`^[0-9]+-[0-9]+(\.[0-9]+)*:[0-9]+\.[0-9]+$`)
	idForm   = regexp.MustCompile(`^[0-9a-fA-F]{4}$`)
)

// supported is false in a build without cgo.
var supported = hid.Supported()

// Validate reports the first field which cannot be used as a *port.ConfigError, and that this build cannot
// drive HID devices at all (field "type"). It does no I/O.
func (c Config) Validate() error {
	bad := func(field, got, want string) error { return &port.ConfigError{Field: field, Got: got, Want: want} }
	switch {
	case !supported:
		return bad("type", "hid", "another type: 此程序不支持 HID (this build was made without cgo and does not support HID)")
	case c.Path != "" && (c.Vendor != "" || c.Product != "" || c.Serial != ""):
		return bad("path", c.Path, "path, or vendor and product, not both")
	case c.Path != "":
		if !pathForm.MatchString(c.Path) {
			return bad("path", c.Path, "bus-port:configuration.interface, such as 1-1.2:1.0")
		}
		return nil
	case c.Vendor == "" && c.Product == "":
		return bad("path", c.Path, "bus-port:configuration.interface, such as 1-1.2:1.0, or vendor and product")
	case !idForm.MatchString(c.Vendor):
		return bad("vendor", c.Vendor, "four hexadecimal digits, such as 0c2e")
	case !idForm.MatchString(c.Product):
		return bad("product", c.Product, "four hexadecimal digits, such as 0b61")
	}
	return nil
}

// String is the line as a technician writes it, such as "hid 1-1.2:1.0" or "hid 0c2e:0b61 SN123".
func (c Config) String() string {
	if c.Path != "" {
		return "hid " + c.Path
	}
	return strings.TrimSpace("hid " + strings.ToLower(c.Vendor+":"+c.Product) + " " + c.Serial)
}
