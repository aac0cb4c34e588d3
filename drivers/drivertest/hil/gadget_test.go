package hil

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
	"yipiao/drivers/port/hidport"
	"yipiao/drivers/port/lpport"
	"yipiao/drivers/port/serialport"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/usbip"
)

// gadgets is where the kernel takes descriptions of gadgets.
const gadgets = "/sys/kernel/config"

// Controllers of dummy_hcd, one for each rig.
const (
	udcHID = iota
	udcScanner
	udcGate
	udcPrinter
	udcCyclesSerial
)

// A gadget is a rig's device made by the kernel's own gadget drivers, with one function.
type gadget struct {
	dir string
	udc int
}

// newGadget describes a gadget; attributes are those of its function.
func newGadget(t *testing.T, udc int, function string, attributes map[string]string) *gadget {
	t.Helper()
	g := &gadget{dir: fmt.Sprintf("%s/usb_gadget/g%d", gadgets, udc), udc: udc}
	steps := []func() error{
		func() error { return os.MkdirAll(g.dir+"/strings/0x409", 0o755) },
		func() error { return os.MkdirAll(g.dir+"/configs/c.1", 0o755) },
		func() error { return os.MkdirAll(g.dir+"/functions/"+function, 0o755) },
		g.set("idVendor", "0x1209"), g.set("idProduct", fmt.Sprintf("0x%04x", 0x10+udc)),
		g.set("strings/0x409/serialnumber", fmt.Sprintf("GADGET%d", udc)),
		g.set("strings/0x409/product", function),
	}
	for name, value := range attributes {
		steps = append(steps, g.set("functions/"+function+"/"+name, value))
	}
	steps = append(steps, func() error { return os.Symlink(g.dir+"/functions/"+function, g.dir+"/configs/c.1/f1") })
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // the kernel wants it in this order
		for _, path := range []string{"configs/c.1/f1", "configs/c.1", "functions/" + function, "strings/0x409", ""} {
			if err := os.Remove(filepath.Join(g.dir, path)); err != nil {
				t.Errorf("remove gadget: %v", err)
			}
		}
	})
	return g
}

func (g *gadget) set(name, value string) func() error {
	return func() error { return os.WriteFile(g.dir+"/"+name, []byte(value), 0) }
}

func (g *gadget) plugIn() error { return g.set("UDC", fmt.Sprintf("dummy_udc.%d", g.udc))() }

func (g *gadget) pullOut() { _ = g.set("UDC", "\n")() }

// path is the interface's name in /sys.
func (g *gadget) path() string { return busOf(fmt.Sprintf("dummy_hcd.%d", g.udc)) + "-1:1.0" }

// open opens the gadget's side of a function.
func open(node string) func() (board.Conn, error) {
	return func() (board.Conn, error) {
		f, err := os.OpenFile(node, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
}

// gadgetHID is a HID-POS scanner with an OUT endpoint.
func gadgetHID(t *testing.T) *rig {
	g := newGadget(t, udcHID, "hid.usb0", map[string]string{
		"protocol": "0", "subclass": "0", "report_length": "64", "report_desc": string(usbip.PointOfSale),
	})
	return newRig(t, &rig{
		plugIn: g.plugIn, pullOut: g.pullOut, path: g.path, device: open("/dev/hidg0"),
		station: func() (port.Port, error) { return nilPort(hidport.Open(hidport.Config{Path: g.path()})) },
	})
}

// gadgetSerial is a USB serial line.
func gadgetSerial(t *testing.T, udc int, name string) *rig {
	g := newGadget(t, udc, "acm."+name, nil)
	number, err := os.ReadFile(g.dir + "/functions/acm." + name + "/port_num")
	if err != nil {
		t.Fatal(err)
	}
	node := fmt.Sprintf("/dev/ttyGS%c", number[0])
	return newRig(t, &rig{
		plugIn: g.plugIn, pullOut: g.pullOut, path: g.path,
		device: func() (board.Conn, error) { return openRaw(node) },
		station: func() (port.Port, error) {
			tty, err := serialNode(g.path())
			if err != nil {
				return nil, err
			}
			return nilPort(serialport.Open(serialport.Config{Path: tty, Baud: 115200}))
		},
	})
}

// serialNode is what udev's link by path points at.
func serialNode(path string) (string, error) {
	found, _ := filepath.Glob("/sys/bus/usb/devices/" + path + "/tty/tty*")
	if len(found) != 1 {
		return "", errNoNode
	}
	return "/dev/" + filepath.Base(found[0]), nil
}

// openRaw opens the gadget's side of a serial line, which would otherwise echo what it hears.
func openRaw(node string) (board.Conn, error) {
	f, err := os.OpenFile(node, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			if tio, e := unix.IoctlGetTermios(int(fd), unix.TCGETS); e == nil {
				tio.Iflag, tio.Oflag, tio.Lflag = 0, 0, 0
				_ = unix.IoctlSetTermios(int(fd), unix.TCSETS, tio)
			}
		})
	}
	return f, err
}

// setPrinterStatus is GADGET_SET_PRINTER_STATUS of linux/usb/g_printer.h.
const setPrinterStatus = 0xC0016722

// gadgetPrinter is a USB printer, of which there may be one at a time, and sets its status lines while the firmware has it open.
func gadgetPrinter(t *testing.T) (r *rig, setStatus func(int) error) {
	g := newGadget(t, udcPrinter, "printer.0", nil)
	var f *os.File
	r = newRig(t, &rig{
		plugIn: g.plugIn, pullOut: g.pullOut, path: g.path,
		device: func() (board.Conn, error) {
			opened, err := os.OpenFile("/dev/g_printer0", os.O_RDWR|unix.O_NONBLOCK, 0)
			if err != nil {
				return nil, err
			}
			f = opened
			return &greedy{File: f}, nil
		},
		station: func() (port.Port, error) { return nilPort(lpport.Open(lpport.Config{USB: g.path()})) },
	})
	return r, func(status int) error {
		raw, err := f.SyscallConn()
		if err != nil {
			return err
		}
		var inner error
		err = raw.Control(func(fd uintptr) { inner = unix.IoctlSetInt(int(fd), setPrinterStatus, status) })
		return errors.Join(err, inner)
	}
}

// A greedy gadget takes all that the kernel has at once: f_printer of Linux 6.1 crashes the machine when a request
// that was read in part is still there at an unplug.
type greedy struct {
	*os.File
	rest []byte
}

// greedSize is more than the ten requests of 8 KiB which f_printer keeps.
const greedSize = 128 << 10

func (g *greedy) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		buf := make([]byte, greedSize)
		n, err := g.File.Read(buf)
		if err != nil {
			return 0, err
		}
		g.rest = buf[:n]
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}
