package plug

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"yipiao/drivers"
	"yipiao/drivers/port/hidport"
)

// interfaceForm is the name of a USB interface in /sys.
var interfaceForm = regexp.MustCompile(`^[0-9]+-[0-9]+(\.[0-9]+)*:[0-9]+\.[0-9]+$`)

// Interface classes of USB that are looked for.
const (
	classComm    = "02" // of which subclass 02 is a modem line, as of CDC adapters
	subModem     = "02"
	classPrinter = "07"
)

// Usage pages of HID.
const (
	pageDesktop = 0x01 // mice, keyboards, which have an input device
	pageScanner = 0x8C
)

// otherPages are HID interfaces that no driver here wants: keys, lamps, media keys, touch screens, power supplies.
var otherPages = []uint16{pageDesktop, 0x07, 0x08, 0x0C, 0x0D, 0x84, 0x85}

// class lists the members of a class of devices whose names begin with prefix: each by name, with its real folder.
func (t Tree) class(class, prefix string) map[string]string {
	out := make(map[string]string)
	entries, err := os.ReadDir(t.at("sys/class", class))
	if err != nil {
		return out // no such class: nothing of it is plugged in
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		if real, err := filepath.EvalSymlinks(t.at("sys/class", class, e.Name())); err == nil {
			out[e.Name()] = real
		}
	}
	return out
}

// usb finds the USB interface that a folder of /sys is below; nil for none.
func (t Tree) usb(folder string) (u *USB, driver string) {
	for ; len(folder) > len(t.at("sys")); folder = filepath.Dir(folder) {
		if interfaceForm.MatchString(filepath.Base(folder)) {
			return usbOf(folder), linkBase(folder, "driver")
		}
	}
	return nil, ""
}

// usbOf reads a USB interface's folder and that of its device above it.
func usbOf(folder string) *USB {
	dev := filepath.Dir(folder)
	bus, _ := strconv.Atoi(text(dev, "busnum"))
	number, _ := strconv.Atoi(text(dev, "devnum"))
	return &USB{
		Path: filepath.Base(folder), Number: fmt.Sprintf("%03d/%03d", bus, number),
		Vendor: strings.ToLower(text(dev, "idVendor")), Product: strings.ToLower(text(dev, "idProduct")),
		Manufacturer: text(dev, "manufacturer"), Name: text(dev, "product"), Serial: text(dev, "serial"),
	}
}

// linkBase is the last part of what a link points at.
func linkBase(folder, link string) string {
	target, err := os.Readlink(filepath.Join(folder, link))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// links finds udev's names by what they point at.
func (t Tree) links(folder string) map[string][]string {
	out := make(map[string][]string)
	for _, sort := range []string{"by-id", "by-path"} {
		entries, err := os.ReadDir(t.at("dev", folder, sort))
		if err != nil {
			continue
		}
		for _, e := range entries {
			name := filepath.Join("/dev", folder, sort, e.Name())
			target, err := os.Readlink(t.at(name))
			if err != nil {
				continue
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(name), target)
			}
			out[target] = append(out[target], name)
		}
	}
	return out
}

func (t Tree) exists(node string) bool {
	_, err := os.Lstat(t.at(node))
	return err == nil
}

// serial finds ttys that have a device: those of USB, and UARTs on the board that are really there.
func (t Tree) serial() []Item {
	var all []Item
	links := t.links("serial")
	for name, folder := range t.class("tty", "tty") {
		node := "/dev/" + name
		if _, err := os.Stat(filepath.Join(folder, "device")); err != nil || !t.exists(node) {
			continue
		}
		i := Item{Line: drivers.PortSerial, Node: node, Names: links[node]}
		i.USB, i.Driver = t.usb(folder)
		if i.USB == nil {
			if kind := text(folder, "type"); kind == "" || kind == "0" {
				continue // a place on the board where no UART is
			}
			i.Driver = linkBase(filepath.Join(folder, "device"), "driver")
		}
		all = append(all, i)
	}
	return all
}

// keyboards finds input devices of USB with the keys of a keyboard.
func (t Tree) keyboards() []Item {
	var all []Item
	links := t.links("input")
	for name, folder := range t.class("input", "event") {
		node := "/dev/input/" + name
		i := Item{Line: drivers.PortEvdev, Node: node, Names: links[node]}
		i.USB, i.Driver = t.usb(folder)
		if i.USB != nil && types(text(folder, "device/capabilities/key")) && t.exists(node) {
			all = append(all, i)
		}
	}
	return all
}

// types reports whether a bitmap of keys has all of the first 31, escape to S: udev's own test for a keyboard.
func types(bitmap string) bool {
	words := strings.Fields(bitmap)
	if len(words) == 0 {
		return false
	}
	low, err := strconv.ParseUint(words[len(words)-1], 16, 64)
	return err == nil && low&0xFFFFFFFE == 0xFFFFFFFE
}

// printers finds what usblp drives.
func (t Tree) printers() []Item {
	var all []Item
	for name, folder := range t.class("usbmisc", "lp") {
		i := Item{Line: drivers.PortLP, Node: "/dev/usb/" + name}
		i.USB, i.Driver = t.usb(folder)
		if i.USB != nil && t.exists(i.Node) {
			i.Name = i.USB.Path
			all = append(all, i)
		}
	}
	return all
}

// hid takes the interfaces that may be a scanner or a reader. One that is in use does not tell its usage page.
func (t Tree) hid(found []hidport.Info) []Item {
	var all []Item
	for _, f := range found {
		if slices.Contains(otherPages, f.UsagePage) {
			continue
		}
		folder, err := filepath.EvalSymlinks(t.at("sys/bus/usb/devices", f.Path))
		if err != nil {
			continue
		}
		i := Item{
			Line: drivers.PortHID, Name: f.Path, USB: usbOf(folder), Driver: linkBase(folder, "driver"),
			UsagePage: f.UsagePage, Usage: f.Usage, InUse: f.InUse,
		}
		i.Node = "/dev/bus/usb/" + i.USB.Number
		i.Names = []string{strings.TrimSpace(f.Vendor + ":" + f.Product + " " + f.Serial)}
		all = append(all, i)
	}
	return all
}

// undriven finds USB interfaces that should be a printer or a serial port and are not.
func (t Tree) undriven(driven []Item) []Item {
	entries, err := os.ReadDir(t.at("sys/bus/usb/devices"))
	if err != nil {
		return nil
	}
	var all []Item
	for _, e := range entries {
		folder, err := filepath.EvalSymlinks(t.at("sys/bus/usb/devices", e.Name()))
		if err != nil || !interfaceForm.MatchString(e.Name()) {
			continue
		}
		i := Item{USB: usbOf(folder), Name: e.Name(), Driver: linkBase(folder, "driver"), Fault: NoDriver}
		switch class := text(folder, "bInterfaceClass"); {
		case class == classPrinter:
			i.Line = drivers.PortLP
		case class == classComm && text(folder, "bInterfaceSubClass") == subModem, adapter(i.USB) != "":
			i.Line = drivers.PortSerial
		}
		if i.Driver == "usbfs" {
			i.Fault = Taken
		}
		seen := slices.ContainsFunc(driven, func(o Item) bool { return o.USB != nil && o.USB.Path == i.USB.Path })
		if i.Line != "" && !seen {
			all = append(all, i)
		}
	}
	return all
}
