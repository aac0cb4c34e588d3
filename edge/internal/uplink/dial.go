package uplink

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// connectWithin bounds a connection's beginning; a dead carrier often swallows packets.
const connectWithin = 10 * time.Second

// A Binding says over what a link goes; the zero value leaves it to the routing table.
type Binding struct {
	Interface string // network interface, such as "wwan0"
	Source    string // own address, such as "10.20.0.7"
}

// Validate names what cannot be; it does not ask whether the interface is there, which may come later.
func (b Binding) Validate() error {
	switch {
	case b.Interface != "" && b.Source != "":
		return fmt.Errorf("interface and source exclude each other")
	case len(b.Interface) >= unix.IFNAMSIZ:
		return fmt.Errorf("interface %q is longer than %d characters", b.Interface, unix.IFNAMSIZ-1)
	case b.Source != "" && net.ParseIP(b.Source) == nil:
		return fmt.Errorf("source %q is no IP address", b.Source)
	}
	return nil
}

// Dial opens connections that leave by the binding alone. A packet never takes another way: a link that is probed
// over its neighbour would look alive when it is dead.
func (b Binding) Dial() func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: connectWithin}
	if b.Source != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(b.Source)}
	}
	if b.Interface != "" {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			var bound error
			err := c.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), b.Interface) })
			if err == nil && bound != nil {
				err = fmt.Errorf("bind to interface %s: %w", b.Interface, bound)
			}
			return err
		}
	}
	return d.DialContext
}
