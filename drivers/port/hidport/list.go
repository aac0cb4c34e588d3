package hidport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
)

// An Info is one HID interface that is plugged in.
type Info struct {
	Path         string // bus-port:configuration.interface, as Config.Path
	Vendor       string // four hexadecimal digits, lower case
	Product      string
	Serial       string // "" where the device has none, as the following
	Manufacturer string
	Name         string // the device's product string
	// UsagePage and Usage are the first of the report descriptor, for example 0x8C and 0x02 of a scanner. The
	// kernel shows it only while nobody has the interface open: 0 then.
	UsagePage, Usage uint16
	InUse            bool // a program has the interface open, this one or another
}

// system is where the kernel shows USB devices; a test has its own.
type system struct{ sys, dev string }

var linux = system{sys: "/sys/bus/usb/devices", dev: "/dev/bus/usb"}

// List reports the HID interfaces that are plugged in, in the order of their paths. It opens no device, so
// that it may be called as often as a discovery likes, and works in builds without cgo too. No USB is no error.
func List() ([]Info, error) { return linux.list() }

// ListUnder is List of a machine whose /sys and /dev are below root.
func ListUnder(root string) ([]Info, error) {
	return system{sys: filepath.Join("/", root, linux.sys), dev: filepath.Join("/", root, linux.dev)}.list()
}

// Supported reports whether this build can drive HID devices at all; without cgo it cannot.
func Supported() bool { return supported }

func (s system) list() ([]Info, error) {
	entries, err := os.ReadDir(s.sys)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list USB devices: %w", err)
	}
	var all []Info
	for _, e := range entries {
		if pathForm.MatchString(e.Name()) && s.text(e.Name(), "bInterfaceClass") == "03" {
			all = append(all, s.info(e.Name()))
		}
	}
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// text is an attribute of a device or interface, "" where it has none.
func (s system) text(name, attribute string) string {
	b, err := os.ReadFile(filepath.Join(s.sys, name, attribute))
	if err != nil {
		return "" // it has none, or it was pulled out just now
	}
	return strings.TrimSpace(string(b))
}

func (s system) info(path string) Info {
	device, _, _ := strings.Cut(path, ":")
	i := Info{
		Path: path, Vendor: s.text(device, "idVendor"), Product: s.text(device, "idProduct"),
		Serial: s.text(device, "serial"), Manufacturer: s.text(device, "manufacturer"), Name: s.text(device, "product"),
		InUse: s.claimed(path),
	}
	if found, err := filepath.Glob(filepath.Join(s.sys, path, "*", "report_descriptor")); err == nil && len(found) > 0 {
		if b, err := os.ReadFile(found[0]); err == nil {
			i.UsagePage, i.Usage = firstUsage(b)
		}
	}
	return i
}

// firstUsage reads the usage page and usage at the start of a report descriptor: items of one or two bytes.
func firstUsage(d []byte) (page, usage uint16) {
	for len(d) > 0 {
		size := int(d[0] & 3) // an item of size 3 has four bytes; none of ours has
		if size == 3 || len(d) < 1+size {
			return page, 0
		}
		value := uint16(0)
		for i, b := range d[1 : 1+size] {
			value |= uint16(b) << (8 * i)
		}
		switch d[0] &^ 3 {
		case 0x04:
			page = value
		case 0x08:
			return page, value
		}
		d = d[1+size:]
	}
	return page, 0
}

// claimed reports whether a program has the interface: the kernel then names usbfs as its driver.
func (s system) claimed(path string) bool {
	target, err := os.Readlink(filepath.Join(s.sys, path, "driver"))
	return err == nil && filepath.Base(target) == "usbfs"
}

func (s system) present(path string) bool {
	_, err := os.Stat(filepath.Join(s.sys, path))
	return err == nil
}

// find is the path of the one interface that c means. It wraps fs.ErrNotExist where there is none.
func (s system) find(c Config) (string, error) {
	if c.Path != "" {
		if !s.present(c.Path) {
			return "", fmt.Errorf("open %s: %w", c, fs.ErrNotExist)
		}
		return c.Path, nil
	}
	all, err := s.list()
	if err != nil {
		return "", err
	}
	var paths []string
	for _, i := range all {
		if strings.EqualFold(i.Vendor, c.Vendor) && strings.EqualFold(i.Product, c.Product) && (c.Serial == "" || i.Serial == c.Serial) {
			paths = append(paths, i.Path)
		}
	}
	switch len(paths) {
	case 0:
		return "", fmt.Errorf("open %s: %w", c, fs.ErrNotExist)
	case 1:
		return paths[0], nil
	}
	return "", fmt.Errorf("open %s: several are plugged in: set serial, or path to one of %s", c, strings.Join(paths, ", "))
}

// why says what kept an interface from being opened, which hidapi does not.
func (s system) why(path string) error {
	device, _, _ := strings.Cut(path, ":")
	bus, _ := strconv.Atoi(s.text(device, "busnum"))
	number, _ := strconv.Atoi(s.text(device, "devnum"))
	switch {
	case !s.present(path):
		return fs.ErrNotExist
	case s.claimed(path):
		return port.ErrBusy
	case errors.Is(unix.Access(filepath.Join(s.dev, fmt.Sprintf("%03d/%03d", bus, number)), unix.R_OK|unix.W_OK), unix.EACCES):
		return fs.ErrPermission
	}
	return errors.New("the device did not let itself be opened")
}
