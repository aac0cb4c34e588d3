package hil

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
	"yipiao/drivers/port/evdevport"
	"yipiao/drivers/port/hidport"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scannerhid"
	"yipiao/firmware-sim/usbip"
)

// Hubs of vhci_hcd, one for each rig: a hub looks after one socket at a time.
const (
	hubHID = iota
	hubWedge
	hubCyclesHID
	hubCyclesWedge
)

// A virtual is a rig's device on the virtual bus.
type virtual struct {
	model       usbip.Model
	hub, socket int

	cable *scannerhid.ReportEnd // the firmware's end
	end   func()
}

func (v *virtual) plugIn() error {
	bus, err := usbip.Attach(v.hub, v.socket)
	if err != nil {
		return err
	}
	inner, outer := scannerhid.Pipe(io.EOF)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = usbip.New(v.model).Serve(ctx, bus, inner)
	}()
	v.cable = outer
	v.end = func() {
		cancel()
		<-served
		_ = inner.Close()
	}
	return nil
}

func (v *virtual) pullOut() { v.end() }

// device is the firmware's end; closing it does not pull the plug, as little as stopping a firmware does.
func (v *virtual) device() (board.Conn, error) {
	return kept{v.cable}, v.cable.SetReadDeadline(time.Time{})
}

type kept struct{ board.Conn }

func (kept) Close() error { return nil }

// path is the interface's name in /sys, which stays with the socket.
func (v *virtual) path() string {
	return fmt.Sprintf("%s-%d:1.0", busOf(fmt.Sprintf("vhci_hcd.%d", v.hub)), v.socket+1)
}

// busOf is the number of the first bus of a virtual controller: the one of USB 2.
func busOf(controller string) string {
	found, _ := filepath.Glob("/sys/devices/platform/" + controller + "/usb*")
	for _, hub := range found {
		if speed, err := os.ReadFile(hub + "/speed"); err == nil && strings.TrimSpace(string(speed)) == "480" {
			return strings.TrimPrefix(filepath.Base(hub), "usb")
		}
	}
	return "none"
}

func newRig(t *testing.T, r *rig) *rig {
	r.t = t
	t.Cleanup(r.close)
	return r
}

// virtualHID is a HID-POS scanner, found as the configuration says.
func virtualHID(t *testing.T, v *virtual, c hidport.Config) *rig {
	return newRig(t, &rig{
		plugIn: v.plugIn, pullOut: v.pullOut, path: v.path, device: v.device,
		station: func() (port.Port, error) { return nilPort(hidport.Open(c)) },
	})
}

// virtualWedge is a keyboard.
func virtualWedge(t *testing.T, v *virtual) *rig {
	return newRig(t, &rig{
		plugIn: v.plugIn, pullOut: v.pullOut, path: v.path, device: v.device, ready: v.awake,
		station: func() (port.Port, error) {
			node, err := eventNode(v.path())
			if err != nil {
				return nil, err
			}
			return nilPort(evdevport.Open(evdevport.Config{Path: node}))
		},
	})
}

// awake presses a shift key and looks whether the kernel hears it: for 50 ms after a keyboard was plugged in it
// drops what is typed.
func (v *virtual) awake() error {
	node, err := eventNode(v.path())
	if err != nil {
		return err
	}
	f, err := os.OpenFile(node, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for _, modifier := range []byte{2, 0} {
		if _, err := v.cable.Write([]byte{modifier, 0, 0, 0, 0, 0, 0, 0}); err != nil {
			return err
		}
	}
	if err := f.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return err
	}
	_, err = f.Read(make([]byte, evdevport.EventSize*64))
	return err
}

var errNoNode = errors.New("no device node yet")

// eventNode is what udev's link by path points at.
func eventNode(path string) (string, error) {
	found, _ := filepath.Glob("/sys/bus/usb/devices/" + path + "/*/input/input*/event*")
	if len(found) != 1 {
		return "", errNoNode
	}
	return "/dev/input/" + filepath.Base(found[0]), nil
}

// nilPort keeps a nil *Port from becoming a port that is not nil.
func nilPort[P port.Port](p P, err error) (port.Port, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}
