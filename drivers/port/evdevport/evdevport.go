// Package evdevport opens a Linux input device as a port.Port and takes it for itself: what a keyboard
// wedge scanner types reaches the driver and nothing else. Read delivers raw struct input_event records.
//
// It knows input nodes. It must not know keys or codes, when to reopen, or who asked. What the real input
// layer does is in devices.md 2 and exercised in QEMU; the tests of this package use a FIFO in its place.
package evdevport

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
)

// Requests of linux/input.h.
const (
	getVersion = 0x80044501 // EVIOCGVERSION
	grab       = 0x40044590 // EVIOCGRAB
)

// EventSize is the size of one struct input_event on 64-bit Linux; a Read needs room for one.
const EventSize = 24

// Config says which input device.
type Config struct {
	Path string `json:"path"` // best a stable name: /dev/input/by-id/…-event-kbd
}

// Validate reports the first field which cannot be used as a *port.ConfigError. It does no I/O.
func (c Config) Validate() error {
	if strings.TrimSpace(c.Path) == "" {
		return &port.ConfigError{Field: "path", Got: c.Path, Want: "the path of an input device, such as /dev/input/by-id/…-event-kbd"}
	}
	return nil
}

// String is the line as a technician writes it, such as "evdev /dev/input/by-id/…".
func (c Config) String() string { return "evdev " + c.Path }

// A Port is an open, grabbed input device.
type Port struct {
	path string
	f    *os.File // O_NONBLOCK, in the runtime's poller; never call Fd() on it, that makes it block

	once     sync.Once
	closeErr error
}

var _ port.Port = (*Port)(nil)

// Open validates the configuration and takes the device for this process alone. What was typed before is
// not delivered.
//
// The error is a *port.ConfigError, or wraps fs.ErrNotExist (not plugged in), fs.ErrPermission, port.ErrBusy
// (grabbed by somebody else) or port.ErrGone.
func Open(c Config) (*Port, error) { return open(c, take) }

func open(c Config, take func(fd int) error) (*Port, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(c.Path, os.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(c.Path, err)
	}
	raw, err := f.SyscallConn()
	if err == nil {
		var inner error
		err = raw.Control(func(fd uintptr) { inner = take(int(fd)) })
		err = errors.Join(err, inner)
	}
	if err != nil {
		_ = f.Close()
		return nil, openError(c.Path, err)
	}
	return &Port{path: c.Path, f: f}, nil
}

// take asks whether this is an input device at all and grabs it. The kernel lets go when the descriptor is closed.
func take(fd int) error {
	if _, err := unix.IoctlGetInt(fd, getVersion); err != nil {
		return err
	}
	return unix.IoctlSetInt(fd, grab, 1)
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("open %s: %w", path, port.ErrBusy)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EISDIR):
		return &port.ConfigError{Field: "path", Got: path, Want: "an input device (it exists but is none)"}
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("open %s: %w", path, port.ErrGone)
	}
	return fmt.Errorf("open %s: %w", path, err)
}

// Read implements port.Port: whole events, as many as came and fit. It needs room for one.
func (p *Port) Read(b []byte) (int, error) {
	if len(b) < EventSize {
		return 0, fmt.Errorf("read %s: %w: %d bytes, an event has %d", p.path, io.ErrShortBuffer, len(b), EventSize)
	}
	n, err := p.f.Read(b)
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EIO) {
		return n, fmt.Errorf("read %s: %w", p.path, port.ErrGone)
	}
	return n, err // os.ErrDeadlineExceeded and os.ErrClosed, wrapped in a *fs.PathError with the path
}

// Write implements port.Port and always fails: nothing is said to a keyboard.
func (p *Port) Write([]byte) (int, error) {
	return 0, fmt.Errorf("write %s: %w", p.path, errors.ErrUnsupported)
}

// SetReadDeadline implements port.Port.
func (p *Port) SetReadDeadline(t time.Time) error { return p.f.SetReadDeadline(t) }

// SetWriteDeadline implements port.Port; nothing is ever written.
func (p *Port) SetWriteDeadline(time.Time) error { return nil }

// Close lets go of the device. It unblocks Read and may be called more than once.
func (p *Port) Close() error {
	p.once.Do(func() { p.closeErr = p.f.Close() })
	return p.closeErr
}
