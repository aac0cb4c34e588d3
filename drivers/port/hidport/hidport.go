// Package hidport opens a USB HID interface as a port.Port over github.com/karalabe/hid: one report per Read
// and per Write, deadlines, and an unplugged device told apart from a quiet one.
//
// It knows USB interfaces and reports. It must not know what a report means, when to reopen, or who asked.
// It finds devices in /sys, not by libusb: that opens none of them, gives strings in a static binary too, and
// gives the usage page, which libusb cannot. While an interface is open the kernel's own driver is detached, so
// that a scanner cannot type. The tests of this package put a device of their own below it; the real
// library, with a device on a virtual bus, is exercised in QEMU.
package hidport

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/karalabe/hid"

	"yipiao/drivers/port"
	"yipiao/drivers/port/internal/deadline"
)

const (
	// pollMs is how long one read of the library waits, in ms, and so about how long Close takes at most.
	// Never 0, which does not wait at all, nor -1, which nothing ends.
	pollMs = 200
	// settle is for how long after opening reports are thrown away: a code that the scanner has kept since
	// before anybody listened must not open a gate now.
	settle = 100 * time.Millisecond
	// reportSize is room for the longest report of a full-speed device and its identifier; the library cuts off
	// what does not fit.
	reportSize = 65
	// leaving is how long an unplugged device may still be listed, looked at every lookAgain.
	leaving   = 500 * time.Millisecond
	lookAgain = 10 * time.Millisecond
	// unread is how many reports may wait for a Read; more mean a host that does not read.
	unread = 1024
)

var errOverrun = errors.New("too many reports unread")

// A device is what is used of hid.Device.
type device interface {
	ReadTimeout(b []byte, ms int) (int, error) // (0, nil) when the time is up
	Write(b []byte) (int, error)               // up to a second
	Close() error                              // only while neither of the others runs
}

// A Port is an open HID interface.
type Port struct {
	name string
	dev  device
	left func() bool // whether the interface is no longer there

	reports chan []byte
	writes  chan write
	closing chan struct{} // closed by Close
	failed  chan struct{} // closed when the device can no longer be read, after failure is set
	failure error

	readBy, writeBy *deadline.Deadline

	once     sync.Once
	released chan struct{} // closed when dev is, after closeErr is set
	closeErr error
}

type write struct {
	report []byte
	done   chan result // room for one, nobody may wait any more
}

type result struct {
	n   int
	err error
}

var _ port.Port = (*Port)(nil)

// Open validates the configuration, finds the interface and takes it from the kernel and from everybody else. It
// takes settle longer than the device needs.
//
// The error is a *port.ConfigError, or wraps fs.ErrNotExist (not plugged in), fs.ErrPermission (no right to
// /dev/bus/usb) or port.ErrBusy.
func Open(c Config) (*Port, error) {
	return linux.open(c, func(path string) (device, error) { return hid.DeviceInfo{Path: path}.Open() })
}

func (s system) open(c Config, opener func(path string) (device, error)) (*Port, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	path, err := s.find(c)
	if err != nil {
		return nil, err
	}
	dev, err := opener(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c, s.why(path))
	}
	return start(c.String(), dev, func() bool { return !s.present(path) })
}

// start makes a port of an open device, which it owns from here on.
func start(name string, dev device, left func() bool) (*Port, error) {
	for until := time.Now().Add(settle); time.Now().Before(until); {
		ms := max(int(time.Until(until).Milliseconds()), 1)
		if _, err := dev.ReadTimeout(make([]byte, reportSize), ms); err != nil {
			_ = dev.Close()
			return nil, fmt.Errorf("open %s: %w", name, port.ErrGone)
		}
	}
	p := &Port{
		name: name, dev: dev, left: left,
		reports: make(chan []byte, unread), writes: make(chan write),
		closing: make(chan struct{}), failed: make(chan struct{}), released: make(chan struct{}),
		readBy: deadline.New(), writeBy: deadline.New(),
	}
	var workers sync.WaitGroup
	workers.Go(p.drain)
	workers.Go(p.send)
	go p.release(&workers)
	return p, nil
}

// drain reads all the time: the library keeps only some 30 reports and drops the oldest without a word.
func (p *Port) drain() {
	buf := make([]byte, reportSize)
	for {
		if deadline.Closed(p.closing) {
			return
		}
		n, err := p.dev.ReadTimeout(buf, pollMs)
		switch {
		case err != nil: // whatever it says, the device is lost
			p.fail(port.ErrGone)
			return
		case n == 0:
			continue
		}
		select {
		case p.reports <- append([]byte(nil), buf[:n]...):
		default:
			p.fail(errOverrun)
			return
		}
	}
}

func (p *Port) fail(err error) {
	p.failure = err
	close(p.failed)
}

// send hands reports to the device one after another. A transfer cannot be taken back, so that it may go
// on after the Write that wanted it has returned.
func (p *Port) send() {
	for {
		select {
		case w := <-p.writes:
			n, err := p.dev.Write(w.report)
			w.done <- result{n, err}
		case <-p.closing:
			return
		}
	}
}

// Read implements port.Port: exactly one report, beginning with its identifier where the device numbers its
// reports. It answers io.ErrShortBuffer, and the report is cut off, where b is too small; 64 bytes are enough.
func (p *Port) Read(b []byte) (int, error) {
	expired := p.readBy.Wait()
	if err := p.ended("read", expired); err != nil {
		return 0, err
	}
	select {
	case r := <-p.reports:
		return take(b, r)
	case <-p.closing:
		return 0, p.error("read", os.ErrClosed)
	case <-expired:
		return 0, p.error("read", os.ErrDeadlineExceeded)
	case <-p.failed:
	}
	select {
	case r := <-p.reports: // what came before the end is still delivered
		return take(b, r)
	default:
		return 0, p.error("read", p.failure)
	}
}

// ended reports that the port is closed or the deadline over, before anything is done.
func (p *Port) ended(op string, expired <-chan struct{}) error {
	switch {
	case deadline.Closed(p.closing):
		return p.error(op, os.ErrClosed)
	case deadline.Closed(expired):
		return p.error(op, os.ErrDeadlineExceeded)
	}
	return nil
}

func take(b, report []byte) (int, error) {
	n := copy(b, report)
	if n < len(report) {
		return n, io.ErrShortBuffer
	}
	return n, nil
}

// Write implements port.Port: b is one output report as it is, its first byte the identifier, 0 where the device
// does not number its reports. A report that is still going out at the deadline counts as not written.
func (p *Port) Write(b []byte) (int, error) {
	expired := p.writeBy.Wait()
	if err := p.ended("write", expired); err != nil {
		return 0, err
	}
	if deadline.Closed(p.failed) {
		return 0, p.error("write", p.failure)
	}
	w := write{append([]byte(nil), b...), make(chan result, 1)}
	queue, done := p.writes, chan result(nil)
	for {
		select {
		case queue <- w:
			queue, done = nil, w.done
		case r := <-done:
			if r.err != nil {
				return 0, p.error("write", p.refusal())
			}
			return len(b), nil
		case <-p.closing:
			return 0, p.error("write", os.ErrClosed)
		case <-p.failed:
			return 0, p.error("write", p.failure)
		case <-expired:
			return 0, p.error("write", os.ErrDeadlineExceeded)
		}
	}
}

// refusal tells a device that does not take a report from one that is gone; the library does not. A device that was
// pulled out is listed for a moment longer, and whoever reads from it hears of it.
func (p *Port) refusal() error {
	for until := time.Now().Add(leaving); time.Now().Before(until); {
		if p.left() {
			return port.ErrGone
		}
		select {
		case <-p.failed:
			return p.failure
		case <-p.closing:
			return os.ErrClosed
		case <-time.After(lookAgain):
		}
	}
	return errors.New("the device did not take the report")
}

func (p *Port) error(op string, err error) error { return fmt.Errorf("%s %s: %w", op, p.name, err) }

// SetReadDeadline implements port.Port.
func (p *Port) SetReadDeadline(t time.Time) error {
	p.readBy.Set(t)
	return nil
}

// SetWriteDeadline implements port.Port.
func (p *Port) SetWriteDeadline(t time.Time) error {
	p.writeBy.Set(t)
	return nil
}

// Close unblocks Read and Write at once and gives the interface back to the kernel; it returns when that is
// done, which takes as long as a read or a transfer under way. It may be called more than once.
func (p *Port) Close() error {
	p.once.Do(func() { close(p.closing) })
	<-p.released
	return p.closeErr
}

// release gives the device back when nobody uses it any more: the C library frees what a running call still uses.
func (p *Port) release(workers *sync.WaitGroup) {
	workers.Wait()
	p.closeErr = p.dev.Close()
	close(p.released)
}
