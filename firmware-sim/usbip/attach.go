package usbip

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// attach is where the kernel module vhci_hcd takes sockets of all its hubs.
const attach = "/sys/devices/platform/vhci_hcd.0/attach"

// portsOfHub is how many ports of vhci_hcd a hub has: 15 for USB 2, which come first, and 15 for USB 3. It is
// CONFIG_USBIP_VHCI_HC_PORTS of Debian's kernels, twice.
const portsOfHub = 30

// fullSpeed is USB_SPEED_FULL of linux/usb/ch9.h, the speed of scanners.
const fullSpeed = 2

// Attach plugs a device into a socket of a hub of vhci_hcd, both counted from 0, and returns the device's end of the
// cable, to be served; closing it pulls the plug. It needs root and the module. A socket that is still in use, which
// one is for a moment after the plug was pulled, is an error.
func Attach(hub, socket int) (*os.File, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("usbip: socket pair: %w", err)
	}
	defer func() { _ = unix.Close(ends[0]) }() // the kernel keeps its own hold on it
	port := hub*portsOfHub + socket
	plug := fmt.Sprintf("%d %d %d %d", port, ends[0], 1<<16|(port+1), fullSpeed)
	if err := os.WriteFile(attach, []byte(plug), 0); err != nil {
		_ = unix.Close(ends[1])
		return nil, fmt.Errorf("usbip: attach to hub %d, socket %d: %w", hub, socket, err)
	}
	if err := unix.SetNonblock(ends[1], true); err != nil {
		_ = unix.Close(ends[1])
		return nil, fmt.Errorf("usbip: %w", err)
	}
	return os.NewFile(uintptr(ends[1]), "usbip"), nil
}
