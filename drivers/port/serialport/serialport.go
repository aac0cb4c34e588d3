// Package serialport opens a serial line as a port.Port: exclusively, with working deadlines, and
// with an unplugged device told apart from a quiet one.
//
// It knows ttys. It must not know what is said on the line, when to reopen it, or who asked.
// github.com/tarm/serial sets the line and is then let go: its reads report a time-out as io.EOF and
// its Close waits for them, so that bytes move through a second, non-blocking descriptor instead.
package serialport

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/tarm/serial"
	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
)

// A Port is an open serial line.
type Port struct {
	path string
	f    *os.File // O_NONBLOCK, in the runtime's poller; never call Fd() on it, that makes it block

	once     sync.Once
	closeErr error
}

var _ port.Port = (*Port)(nil)

// Open validates the configuration, takes the line for this process alone and sets it. Bytes that
// came in before anybody listened are thrown away: a code read then must not open a gate now.
//
// The error is a *port.ConfigError, or wraps fs.ErrNotExist (not plugged in), fs.ErrPermission,
// port.ErrBusy (held by somebody else) or port.ErrGone (vanished while being opened).
func Open(c Config) (*Port, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	f, err := os.OpenFile(c.Path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(c.Path, err)
	}
	if err := setUp(f, c); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Port{path: c.Path, f: f}, nil
}

// setUp claims the line before it touches its settings, so that a second opener cannot change the
// speed under the first.
func setUp(f *os.File, c Config) error {
	if err := control(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("open %s: %w", c.Path, port.ErrBusy)
		}
		return fmt.Errorf("lock %s: %w", c.Path, err)
	}
	// ReadTimeout 0 sets VMIN=1, VTIME=0. The settings belong to the tty and not to tarm's
	// descriptor, and f keeps the tty open, so that they outlive the Close.
	line, err := serial.OpenPort(c.tarm())
	if err != nil {
		return openError(c.Path, err)
	}
	if err := line.Close(); err != nil {
		return fmt.Errorf("set line %s: %w", c.Path, err)
	}
	// TIOCEXCL keeps other users out but not root, flock keeps out root but only who asks: both.
	err = control(f, func(fd int) error {
		if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); err != nil {
			return err
		}
		return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH)
	})
	if err != nil {
		return openError(c.Path, err)
	}
	return nil
}

// control runs fn on the descriptor without taking it out of the poller.
func control(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = fn(int(fd)) }); err != nil {
		return err
	}
	return inner
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("open %s: %w", path, port.ErrBusy)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EISDIR):
		return &port.ConfigError{Field: "path", Got: path, Want: "a serial line (it exists but is no tty)"}
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
	case gone(err):
		return fmt.Errorf("open %s: %w", path, port.ErrGone)
	}
	return fmt.Errorf("open %s: %w", path, err)
}

// gone reports whether an errno means that the device is no longer there.
func gone(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)
}

// Read implements port.Port.
func (p *Port) Read(b []byte) (int, error) {
	n, err := p.f.Read(b)
	return n, p.mapError("read", err)
}

// Write implements port.Port.
func (p *Port) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	return n, p.mapError("write", err)
}

// mapError turns what a dead tty says into port.ErrGone: 0 bytes and EOF from a hung-up line, EIO,
// ENODEV or ENXIO from a device that was pulled out. A deadline never looks like these here.
func (p *Port) mapError(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF) || gone(err):
		return fmt.Errorf("%s %s: %w", op, p.path, port.ErrGone)
	}
	return err // os.ErrDeadlineExceeded and os.ErrClosed, wrapped in a *fs.PathError with the path
}

// SetReadDeadline implements port.Port.
func (p *Port) SetReadDeadline(t time.Time) error { return p.f.SetReadDeadline(t) }

// SetWriteDeadline implements port.Port.
func (p *Port) SetWriteDeadline(t time.Time) error { return p.f.SetWriteDeadline(t) }

// Close gives the line back. It unblocks Read and Write and may be called more than once.
func (p *Port) Close() error {
	p.once.Do(func() { p.closeErr = p.f.Close() })
	return p.closeErr
}
