// Package lpport opens a USB printer of the kernel's usblp driver as a port.Port.
//
// It knows /dev/usb/lpN, its status lines and its habits. It must not know a printer language, when to
// reopen, or who asked. What the real driver does is in devices.md 3 (b) and exercised in QEMU; the tests of
// this package use a socket in its place.
package lpport

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
)

// getStatus is LPGETSTATUS of linux/lp.h.
const getStatus = 0x060B

// idleWait is how long to wait after a read of nothing: many printers end every poll with an empty packet,
// which the kernel hands over as a read of 0 bytes.
const idleWait = 20 * time.Millisecond

// A Status is what the printer says on the three lines of the old parallel port.
type Status uint8

// Bits of a Status [T].
const (
	notError   Status = 0x08
	selected   Status = 0x10
	paperEmpty Status = 0x20
)

// PaperOut reports that there is no paper.
func (s Status) PaperOut() bool { return s&paperEmpty != 0 }

// Online reports that the printer takes data.
func (s Status) Online() bool { return s&selected != 0 }

// Error reports a fault; many printers raise it with an open cover.
func (s Status) Error() bool { return s&notError == 0 }

// A Port is an open printer.
type Port struct {
	path   string
	f      *os.File // O_NONBLOCK, in the runtime's poller; never call Fd() on it, that makes it block
	status func(fd int) (Status, error)

	mu       sync.Mutex // guards deadline
	deadline time.Time  // of Read

	once     sync.Once
	closed   chan struct{}
	closeErr error
}

var _ port.Port = (*Port)(nil)

// Open validates the configuration and takes the printer for this process alone; usblp itself admits one.
//
// The error is a *port.ConfigError, or wraps fs.ErrNotExist (not plugged in), fs.ErrPermission, port.ErrBusy
// or port.ErrGone.
func Open(c Config) (*Port, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	path, err := c.node(sysUSB)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(c, path, err)
	}
	p := newPort(path, f, lpStatus)
	if _, err := p.Status(); err != nil && !errors.Is(err, unix.EIO) { // EIO: it has no status lines
		_ = f.Close()
		return nil, openError(c, path, err)
	}
	return p, nil
}

func newPort(path string, f *os.File, status func(int) (Status, error)) *Port {
	return &Port{path: path, f: f, status: status, closed: make(chan struct{})}
}

func lpStatus(fd int) (Status, error) {
	v, err := unix.IoctlGetInt(fd, getStatus)
	return Status(v), err
}

func openError(c Config, path string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("open %s: %w", path, port.ErrBusy)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EISDIR):
		return &port.ConfigError{Field: c.field(), Got: path, Want: "a USB printer (it exists but is none)"}
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
	case gone(err):
		return fmt.Errorf("open %s: %w", path, port.ErrGone)
	}
	return fmt.Errorf("open %s: %w", path, err)
}

// gone reports whether an errno means that the printer is no longer there; an interrupted write ends with
// ENODEV or EIO, as it happens [T].
func gone(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EPIPE)
}

// Status asks for the status lines. The printer itself answers; one that cannot is an EIO, and is not gone.
// It may be called from any goroutine.
func (p *Port) Status() (s Status, err error) {
	raw, err := p.f.SyscallConn()
	if err != nil {
		return 0, p.mapError("status", err)
	}
	var inner error
	err = raw.Control(func(fd uintptr) { s, inner = p.status(int(fd)) })
	if err == nil {
		err = inner
	}
	if errors.Is(err, unix.EIO) {
		return 0, fmt.Errorf("status %s: %w", p.path, unix.EIO)
	}
	return s, p.mapError("status", err)
}

// Read implements port.Port. A read of nothing is silence as long as the printer is there, and so is EINVAL,
// which usblp answers for a printer that cannot speak.
func (p *Port) Read(b []byte) (int, error) {
	for {
		n, err := p.f.Read(b)
		if !errors.Is(err, io.EOF) && !errors.Is(err, unix.EINVAL) {
			return n, p.mapError("read", err)
		}
		if _, err := p.Status(); err != nil && !errors.Is(err, unix.EIO) {
			return 0, err
		}
		if p.overdue() {
			return 0, fmt.Errorf("read %s: %w", p.path, os.ErrDeadlineExceeded)
		}
		p.idle()
	}
}

func (p *Port) overdue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.deadline.IsZero() && !time.Now().Before(p.deadline)
}

// idle waits a little, or less if the deadline or the end comes first; the next read says which it was.
func (p *Port) idle() {
	p.mu.Lock()
	deadline := p.deadline
	p.mu.Unlock()
	wait := idleWait
	if !deadline.IsZero() {
		wait = min(wait, time.Until(deadline))
	}
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.closed:
	}
}

// Write implements port.Port. A printer that is offline takes nothing: the deadline then ends the write.
func (p *Port) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	return n, p.mapError("write", err)
}

func (p *Port) mapError(op string, err error) error {
	if err != nil && gone(err) {
		return fmt.Errorf("%s %s: %w", op, p.path, port.ErrGone)
	}
	return err // os.ErrDeadlineExceeded and os.ErrClosed, wrapped in a *fs.PathError with the path
}

// SetReadDeadline implements port.Port.
func (p *Port) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	p.deadline = t
	p.mu.Unlock()
	return p.f.SetReadDeadline(t)
}

// SetWriteDeadline implements port.Port.
func (p *Port) SetWriteDeadline(t time.Time) error { return p.f.SetWriteDeadline(t) }

// Close gives the printer back. It unblocks Read and Write and may be called more than once.
func (p *Port) Close() error {
	p.once.Do(func() {
		close(p.closed)
		p.closeErr = p.f.Close()
	})
	return p.closeErr
}
