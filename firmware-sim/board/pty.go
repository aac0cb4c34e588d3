package board

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// ErrNobody is returned by a pseudo-terminal's Write while no station has it open. The bytes are lost,
// as they would be on a wire.
var ErrNobody = errors.New("board: nobody has the line open")

// lookEvery is how often a pseudo-terminal that nobody has open looks for a station.
const lookEvery = 10 * time.Millisecond

// A ptyConn is the device's end of a pseudo-terminal.
type ptyConn struct {
	f     *os.File // the master, non-blocking
	slave string   // path of the station's end
	link  string   // name which points at it, or ""
	read  deadline
	done  chan struct{}
}

var _ socket = (*ptyConn)(nil)

// openPTY makes a pseudo-terminal in raw mode whose far end nobody holds.
func openPTY() (*ptyConn, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open pty: %w", err)
	}
	defer func() { _ = master.Close() }()
	defer func() { _ = slave.Close() }()
	if err := setRaw(int(slave.Fd())); err != nil {
		return nil, fmt.Errorf("set pty raw: %w", err)
	}
	// creack/pty leaves the master blocking and out of the runtime's poller, where no deadline works.
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate pty: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("set pty non-blocking: %w", err)
	}
	return &ptyConn{f: os.NewFile(uintptr(fd), "pty"), slave: slave.Name(), done: make(chan struct{})}, nil
}

// setRaw keeps the line from echoing to the device what it sends before the station has set it.
func setRaw(fd int) error {
	tio, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	tio.Iflag, tio.Oflag, tio.Lflag = 0, 0, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, tio)
}

// Read waits for a station to open the line and for its bytes.
func (c *ptyConn) Read(p []byte) (int, error) {
	for {
		n, err := c.f.Read(p)
		if err == nil || !errors.Is(err, unix.EIO) {
			return n, err
		}
		if t := c.read.time(); !t.IsZero() && !time.Now().Before(t) {
			return 0, os.ErrDeadlineExceeded
		}
		select { // EIO: nobody has the far end open
		case <-time.After(lookEvery):
		case <-c.done:
			return 0, os.ErrClosed
		}
	}
}

// Write sends bytes to the station, or loses them where there is none.
func (c *ptyConn) Write(p []byte) (int, error) {
	if !c.opened() {
		return 0, ErrNobody
	}
	return c.f.Write(p)
}

// opened reports whether a station has the far end open.
func (c *ptyConn) opened() bool {
	raw, err := c.f.SyscallConn()
	if err != nil {
		return false
	}
	hup := true
	err = raw.Control(func(fd uintptr) {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if _, err := unix.Poll(set, 0); err == nil {
			hup = set[0].Revents&unix.POLLHUP != 0
		}
	})
	return err == nil && !hup
}

func (c *ptyConn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return c.closed(c.f.SetReadDeadline(t))
}

func (c *ptyConn) SetWriteDeadline(t time.Time) error { return c.closed(c.f.SetWriteDeadline(t)) }

// closed says os.ErrClosed where the error is only that: the runtime's own for deadlines is another.
func (c *ptyConn) closed(err error) error {
	if err != nil && isClosed(c.done) {
		return os.ErrClosed
	}
	return err
}

// Close removes the name and hangs up: the station sees the device vanish.
func (c *ptyConn) Close() error {
	if isClosed(c.done) {
		return nil
	}
	close(c.done)
	dropLink(c.link, c.slave)
	return c.f.Close()
}

// putLink points a stable name at the pseudo-terminal, replacing an older link but nothing else.
func putLink(link, target string) error {
	if info, err := os.Lstat(link); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("link %s: something that is no link is in the way", link)
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	tmp := link + ".new"
	_ = os.Remove(tmp)
	if err := os.Symlink(target, tmp); err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	if err := os.Rename(tmp, link); err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	return nil
}

// dropLink removes a link if it still points where it was put.
func dropLink(link, target string) {
	if got, err := os.Readlink(link); err == nil && got == target {
		_ = os.Remove(link)
	}
}
