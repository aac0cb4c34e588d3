// Package plugtest builds /sys and /dev trees of machines with things plugged in, for tests: folders, attributes
// and links as the Linux kernel and udev make them, in a temporary folder.
//
// It knows how such trees look. It must not know who reads them.
package plugtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// host is the USB host controller of every machine.
const host = "sys/devices/pci0000:00/0000:00:14.0"

// HIDPOS is how the report descriptor of a scanner begins, Keyboard and Mouse those of keyboards and mice, Vendor of
// something of its maker's own.
var (
	HIDPOS   = []byte{0x05, 0x8C, 0x09, 0x02, 0xA1, 0x01}
	Keyboard = []byte{0x05, 0x01, 0x09, 0x06, 0xA1, 0x01}
	Mouse    = []byte{0x05, 0x01, 0x09, 0x02, 0xA1, 0x01}
	Vendor   = []byte{0x06, 0x00, 0xFF, 0x09, 0x01, 0xA1, 0x01}
)

// A Device is a USB device to plug in.
type Device struct {
	Port                       string // bus-port, such as "1-1.2"
	Number                     int    // on its bus
	Vendor, Product            string
	Manufacturer, Name, Serial string
	Interfaces                 []Interface
}

// An Interface is one interface of a Device, and what the kernel makes of it.
type Interface struct {
	Class  string // two hexadecimal digits
	Sub    string
	Driver string // "" for none
	TTY    string // such as "ttyUSB0"
	LP     string // such as "lp1"
	Event  string // such as "event5"
	Report []byte // of HID
}

// A Machine is a tree.
type Machine struct {
	Root string
	t    testing.TB
}

// New makes an empty machine: a USB bus and nothing on it.
func New(t testing.TB) *Machine {
	t.Helper()
	m := &Machine{Root: t.TempDir(), t: t}
	for _, d := range []string{host, "sys/bus/usb/devices", "sys/class/tty", "sys/class/input", "sys/class/usbmisc", "dev"} {
		m.dir(d)
	}
	return m
}

// Board puts a serial port on the board. A kind of "0" is a place without a UART.
func (m *Machine) Board(tty, kind string) {
	m.t.Helper()
	folder := "sys/devices/platform/serial8250/tty/" + tty
	m.write(folder+"/type", kind)
	m.link(folder+"/device", "sys/devices/platform/serial8250")
	m.link("sys/class/tty/"+tty, folder)
	m.write("dev/"+tty, "")
}

// Terminal adds a tty without a device, as the consoles are.
func (m *Machine) Terminal(tty string) {
	m.t.Helper()
	m.dir("sys/devices/virtual/tty/" + tty)
	m.link("sys/class/tty/"+tty, "sys/devices/virtual/tty/"+tty)
	m.write("dev/"+tty, "")
}

// Plug plugs a device in, with udev's links to it.
func (m *Machine) Plug(d Device) {
	m.t.Helper()
	folder := m.folder(d.Port)
	for name, value := range map[string]string{
		"idVendor": d.Vendor, "idProduct": d.Product, "manufacturer": d.Manufacturer, "product": d.Name, "serial": d.Serial,
		"busnum": "1", "devnum": fmt.Sprint(d.Number),
	} {
		if value != "" {
			m.write(folder+"/"+name, value)
		}
	}
	m.link("sys/bus/usb/devices/"+d.Port, folder)
	m.write(fmt.Sprintf("dev/bus/usb/001/%03d", d.Number), "")
	for n, i := range d.Interfaces {
		m.plugInterface(d, n, i)
	}
}

func (m *Machine) plugInterface(d Device, n int, i Interface) {
	name := fmt.Sprintf("%s:1.%d", d.Port, n)
	folder := m.folder(d.Port) + "/" + name
	m.write(folder+"/bInterfaceClass", i.Class)
	m.write(folder+"/bInterfaceSubClass", i.Sub)
	m.link("sys/bus/usb/devices/"+name, folder)
	if i.Driver != "" {
		m.dir("sys/bus/usb/drivers/" + i.Driver)
		m.link(folder+"/driver", "sys/bus/usb/drivers/"+i.Driver)
	}
	if i.Report != nil && i.Driver != "usbfs" {
		m.write(fmt.Sprintf("%s/0003:%s:%s.0001/report_descriptor", folder, strings.ToUpper(d.Vendor), strings.ToUpper(d.Product)), string(i.Report))
	}
	id, path := m.linkNames(d, n)
	if i.TTY != "" {
		below := folder
		if strings.HasPrefix(i.TTY, "ttyUSB") {
			below, id, path = folder+"/"+i.TTY, id+"-port0", path+"-port0"
		}
		m.dir(below)
		m.member("tty", i.TTY, below, below+"/tty/"+i.TTY, "dev/"+i.TTY)
		m.relink("dev/serial/by-id/"+id, "../../"+i.TTY)
		m.relink("dev/serial/by-path/"+path, "../../"+i.TTY)
	}
	if i.Event != "" {
		input := folder + "/0003:0000:0000.0001/input/input" + strings.TrimPrefix(i.Event, "event")
		m.write(input+"/capabilities/key", "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe")
		m.member("input", i.Event, input, input+"/"+i.Event, "dev/input/"+i.Event)
		m.relink("dev/input/by-id/"+id+"-event-kbd", "../"+i.Event)
		m.relink("dev/input/by-path/"+path+"-event-kbd", "../"+i.Event)
	}
	if i.LP != "" {
		m.member("usbmisc", i.LP, folder, folder+"/usbmisc/"+i.LP, "dev/usb/"+i.LP)
	}
}

// member puts something into a class of devices.
func (m *Machine) member(class, name, device, folder, node string) {
	m.dir(folder)
	m.link(folder+"/device", device)
	m.link("sys/class/"+class+"/"+name, folder)
	m.write(node, "")
}

// linkNames are udev's names for an interface.
func (m *Machine) linkNames(d Device, n int) (id, path string) {
	id = "usb-" + strings.ReplaceAll(d.Manufacturer+"_"+d.Name, " ", "_")
	if d.Manufacturer == "" {
		id = "usb-" + strings.ReplaceAll(d.Vendor+"_"+d.Name, " ", "_")
	}
	if d.Serial != "" {
		id += "_" + d.Serial
	}
	_, port, _ := strings.Cut(d.Port, "-")
	return fmt.Sprintf("%s-if%02d", id, n), fmt.Sprintf("pci-0000:00:14.0-usb-0:%s:1.%d", port, n)
}

// Unplug pulls a device out.
func (m *Machine) Unplug(d Device) {
	m.t.Helper()
	m.remove("sys/bus/usb/devices/" + d.Port)
	m.remove(fmt.Sprintf("dev/bus/usb/001/%03d", d.Number))
	for n, i := range d.Interfaces {
		m.remove(fmt.Sprintf("sys/bus/usb/devices/%s:1.%d", d.Port, n))
		for class, name := range map[string]string{"tty": i.TTY, "usbmisc": i.LP, "input": i.Event} {
			if name != "" {
				m.remove("sys/class/" + class + "/" + name)
				m.remove(map[string]string{"tty": "dev/", "usbmisc": "dev/usb/", "input": "dev/input/"}[class] + name)
			}
		}
		id, path := m.linkNames(d, n)
		for _, folder := range []string{"dev/serial", "dev/input"} {
			for _, suffix := range []string{"", "-port0", "-event-kbd"} {
				m.remove(folder + "/by-id/" + id + suffix)
				m.remove(folder + "/by-path/" + path + suffix)
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(m.Root, m.folder(d.Port))); err != nil {
		m.t.Fatal(err)
	}
}

// Forget removes udev's links, as on a machine without udev.
func (m *Machine) Forget() {
	m.t.Helper()
	for _, folder := range []string{"dev/serial", "dev/input/by-id", "dev/input/by-path"} {
		if err := os.RemoveAll(filepath.Join(m.Root, folder)); err != nil {
			m.t.Fatal(err)
		}
	}
}

// folder is where the kernel has a device: below the hubs it hangs on.
func (m *Machine) folder(port string) string {
	bus, chain, _ := strings.Cut(port, "-")
	folder, at := host+"/usb"+bus, bus+"-"
	for i, p := range strings.Split(chain, ".") {
		if i > 0 {
			at += "."
		}
		at += p
		folder += "/" + at
	}
	return folder
}

func (m *Machine) dir(path string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Join(m.Root, path), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

func (m *Machine) write(path, value string) {
	m.t.Helper()
	m.dir(filepath.Dir(path))
	if err := os.WriteFile(filepath.Join(m.Root, path), []byte(value+"\n"), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// link makes a relative link between two places of the tree.
func (m *Machine) link(path, target string) {
	m.t.Helper()
	rel, err := filepath.Rel(filepath.Dir(path), target)
	if err != nil {
		m.t.Fatal(err)
	}
	m.relink(path, rel)
}

// relink makes a link, in the place of one that is there: the newest wins, as with udev.
func (m *Machine) relink(path, target string) {
	m.t.Helper()
	m.dir(filepath.Dir(path))
	m.remove(path)
	if err := os.Symlink(target, filepath.Join(m.Root, path)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *Machine) remove(path string) {
	m.t.Helper()
	if err := os.Remove(filepath.Join(m.Root, path)); err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
}
