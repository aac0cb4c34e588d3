package hil

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"yipiao/drivers"
	"yipiao/drivers/port/hidport"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/usbip"
)

// cycles is how often each kind of port is unplugged and plugged in again, besides everything else.
const cycles = 20

// TestDevices exercises every kind of port, side by side: the virtual machine is slow, and most of it is waiting.
// Whatever happens, nothing may be left behind (goroutines, descriptors).
func TestDevices(t *testing.T) {
	t.Run("First", func(t *testing.T) { plugCycles(t, 1) }) // libusb keeps what it opens first
	var before counts
	t.Run("Before", func(t *testing.T) { before = count(t) }) // in a test of its own, as at the end
	t.Run("All", func(t *testing.T) {
		t.Run("VirtualHID", testVirtualHID)
		t.Run("GadgetHID", testGadgetHID)
		t.Run("Wedge", testWedge)
		t.Run("SerialScanner", testSerialScanner)
		t.Run("Turnstile", testTurnstile)
		t.Run("Printer", testPrinter)
		plugCycles(t, cycles)
	})
	t.Run("Permission", testPermission)
	t.Run("NothingIsLeftBehind", func(t *testing.T) {
		await(t, "goroutines and descriptors to be as before", func() error {
			now := count(t)
			if now.goroutines > before.goroutines || now.descriptors > before.descriptors {
				stacks := make([]byte, 16<<10)
				return fmt.Errorf("%+v, before %+v\n%s", now, before, stacks[:runtime.Stack(stacks, true)])
			}
			return nil
		})
	})
}

// A cycler is what is done in a plug cycle of one kind of port.
type cycler struct {
	rig      *rig
	driver   func() (drivers.Device, error)
	firmware func() (sim board.Device, send func() error) // send may be nil
	code     string                                       // that send makes it send
}

// cyclers have sockets and controllers of their own, so that they may run beside everything else.
var cyclers = map[string]func(t *testing.T) cycler{
	"HID": func(t *testing.T) cycler {
		v := &virtual{model: usbip.Scanner("SCN0002"), hub: hubCyclesHID}
		return cycler{virtualHID(t, v, hidport.Config{Path: v.path()}), newHID, func() (board.Device, func() error) {
			sim := hidFirmware(t, "")
			return sim, func() error { return scan(t.Context(), sim, long) }
		}, long}
	},
	"Wedge": func(t *testing.T) cycler {
		v := &virtual{model: usbip.Wedge("KBD0002"), hub: hubCyclesWedge}
		return cycler{virtualWedge(t, v), newWedge, func() (board.Device, func() error) {
			k := newTypist()
			return k, func() error { return k.scan(short + "\r") }
		}, short}
	},
	"Serial": func(t *testing.T) cycler {
		return cycler{gadgetSerial(t, udcCyclesSerial, "cycles"), newLine, func() (board.Device, func() error) {
			sim := lineFirmware(t)
			return sim, func() error { return scan(t.Context(), sim, long) }
		}, long}
	},
}

// plugCycles pulls a device of each of these kinds out and puts it back, so many times.
func plugCycles(t *testing.T, times int) {
	for name, setUp := range cyclers {
		t.Run(name+"PlugCycles", func(t *testing.T) {
			t.Parallel()
			c := setUp(t)
			for range times {
				c.cycle(t)
			}
		})
	}
}

// cycle plugs the device in, uses it and pulls it out; a printer that answers is in use.
func (c cycler) cycle(t *testing.T) {
	t.Helper()
	sim, send := c.firmware()
	s := c.rig.run(t, made(t, c.driver), sim)
	if send != nil {
		if err := send(); err != nil {
			t.Fatal(err)
		}
		s.scan(c.code)
	}
	c.rig.pull()
	s.gone()
}

type counts struct{ goroutines, descriptors int }

func count(t *testing.T) counts {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return counts{runtime.NumGoroutine(), len(open)}
}
