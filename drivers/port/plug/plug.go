// Package plug says what is plugged into a machine that a driver of this project may talk to: serial ports, HID
// interfaces, keyboards that may be scanners, and USB printers. For each it tells the name that stays, the model
// where it is a known one, and what the configuration could say of it.
//
// It reads /sys and /dev and opens no device. It must not know which devices are configured, what state they are
// in, or who asks.
package plug

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"yipiao/drivers"
	"yipiao/drivers/port/hidport"
)

// An Item is one thing that is plugged in: one line that a port package can open.
type Item struct {
	Line drivers.PortType `json:"line"` // serial, hid, evdev or lp
	// Name is how the configuration should call it: a path below /dev, or bus-port:configuration.interface. Why
	// says why it is not the best sort of name; its code is "" where it is.
	Name   string   `json:"name"`
	Why    Reason   `json:"why,omitzero"`
	Node   string   `json:"node,omitempty"` // what is opened in the end; it may be another one after a replug
	Names  []string `json:"names"`          // all that it can be found under, Name and Node among them
	Driver string   `json:"driver,omitempty"`
	USB    *USB     `json:"usb,omitempty"` // nil for what is soldered on
	// UsagePage and Usage are the first of a HID interface's report descriptor, 0 where the kernel does not tell.
	UsagePage uint16 `json:"usage_page,omitempty"`
	Usage     uint16 `json:"usage,omitempty"`
	InUse     bool   `json:"in_use,omitempty"` // a program has it open; known of HID interfaces only
	Fault     Reason `json:"fault,omitzero"`   // why it cannot be used as it is
	Model     *Model `json:"model,omitempty"`  // nil for what nobody here knows
}

// USB says which USB device a line belongs to. Strings are as the device says them, "" where it does not.
type USB struct {
	Path         string `json:"path"`   // bus-port:configuration.interface, such as "1-1.2:1.0"
	Number       string `json:"number"` // bus/device, such as "001/005"; another one after every replug
	Vendor       string `json:"vendor"` // four hexadecimal digits, lower case
	Product      string `json:"product"`
	Manufacturer string `json:"manufacturer,omitempty"`
	Name         string `json:"name,omitempty"`
	Serial       string `json:"serial,omitempty"`
}

// device is the part of Path that the whole device has.
func (u *USB) device() string {
	d, _, _ := strings.Cut(u.Path, ":")
	return d
}

// A Reason is a stable code and what people read, Chinese first.
type Reason struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Reasons why a name is not below by-id. Only NoLinks may change when the device is plugged again.
var (
	NoSerial      = Reason{"no_serial", "设备没有序列号，再插一台同型号就分不清，所以按插口认 (no serial number: known by its socket)"}
	SameSerial    = Reason{"same_serial", "插着的同型号设备序列号相同，所以按插口认 (others of the model have the same serial number: known by its socket)"}
	FactorySerial = Reason{"factory_serial", "序列号是出厂通用值，所以按插口认 (a serial number that every one has: known by its socket)"}
	NoLinks       = Reason{"no_links", "没有 udev 建的稳定名，换插后名字会变 (udev keeps no stable name: it may change)"}
	OnBoard       = Reason{"on_board", "板载串口，名字不变 (on board: the name stays)"}
)

// Reasons why a thing cannot be used as it is.
var (
	NoPermission = Reason{"no_permission", "本账号无权打开 (this account may not open it)"}
	NoDriver     = Reason{"no_driver", "内核没有给它装上驱动 (the kernel has no driver for it)"}
	Taken        = Reason{"taken", "被别的程序占用，内核驱动已让位 (another program has taken it from the kernel)"}
)

// factorySerials are numbers that a maker gives to every device [M]: CP210x as delivered.
var factorySerials = []string{"0001"}

// A Tree is where a machine shows what is plugged in. The zero value is this machine.
type Tree struct {
	Root   string                              // the folder that holds sys and dev; "" for /
	Access func(path string, write bool) error // whether a node may be opened; nil asks the kernel
}

// List reports what is plugged in, ordered by line and name. It opens nothing, so that it may be called as often as
// wanted, also while a station runs. What is pulled out meanwhile is left out. Without /sys it is empty.
func (t Tree) List() ([]Item, error) {
	hid, err := hidport.ListUnder(t.Root)
	if err != nil {
		return nil, err
	}
	all := t.serial()
	all = append(all, t.keyboards()...)
	all = append(all, t.printers()...)
	all = append(all, t.hid(hid)...)
	all = append(all, t.undriven(all)...)
	for i := range all {
		t.finish(&all[i], all)
	}
	slices.SortFunc(all, func(a, b Item) int {
		if c := strings.Compare(string(a.Line), string(b.Line)); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all, nil
}

// finish fills in what follows from the rest: the name, the model, and whether it can be used.
func (t Tree) finish(i *Item, all []Item) {
	if i.Name == "" {
		i.Name, i.Why = stable(i, all)
	}
	for _, n := range []string{i.Name, i.Node} {
		if n != "" && !slices.Contains(i.Names, n) {
			i.Names = append(i.Names, n)
		}
	}
	slices.Sort(i.Names)
	i.Model = recognise(i)
	if i.Fault.Code == "" && i.Node != "" && t.access(i.Node, i.Line != drivers.PortEvdev) != nil {
		i.Fault = NoPermission
	}
}

func (t Tree) access(node string, write bool) error {
	path := filepath.Join("/", t.Root, node)
	if t.Access != nil {
		return t.Access(path, write)
	}
	mode := uint32(unix.R_OK)
	if write {
		mode |= unix.W_OK
	}
	return unix.Access(path, mode)
}

// stable chooses the name of a line that udev keeps links to.
func stable(i *Item, all []Item) (string, Reason) {
	byID, byPath := named(i.Names, "by-id"), named(i.Names, "by-path")
	why := NoSerial
	switch {
	case i.USB == nil:
		return i.Node, OnBoard
	case i.USB.Serial == "":
	case twins(i, all):
		why = SameSerial
	case slices.Contains(factorySerials, i.USB.Serial):
		why = FactorySerial
	case byID != "":
		return byID, Reason{}
	default:
		why = Reason{}
	}
	if byPath == "" {
		return i.Node, NoLinks
	}
	return byPath, why
}

// named is the first name in one of udev's folders.
func named(names []string, folder string) string {
	for _, n := range names {
		if filepath.Base(filepath.Dir(n)) == folder {
			return n
		}
	}
	return ""
}

// twins reports whether another device of the same model says the same serial number.
func twins(i *Item, all []Item) bool {
	return slices.ContainsFunc(all, func(o Item) bool {
		return o.USB != nil && o.USB.Vendor == i.USB.Vendor && o.USB.Product == i.USB.Product &&
			o.USB.Serial == i.USB.Serial && o.USB.device() != i.USB.device()
	})
}

// at is a place in the tree.
func (t Tree) at(parts ...string) string {
	return filepath.Join(append([]string{"/", t.Root}, parts...)...)
}

// text is an attribute below a folder, "" where there is none or it was pulled out just now.
func text(folder, attribute string) string {
	b, err := os.ReadFile(filepath.Join(folder, attribute))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
