package lpport

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
)

// patience bounds every wait of these tests; nothing here takes that long unless it is broken.
const patience = 5 * time.Second

// A printer is the other end of a socket pair, with status lines of its own.
type printer struct {
	f     *os.File
	lines atomic.Uint32
	errno atomic.Uint32 // of LPGETSTATUS; 0 = it answers
	asked atomic.Uint32
}

// connect opens a printer. A stream socket says what usblp says: EOF is a read of nothing, a full line waits.
func connect(t *testing.T) (*Port, *printer) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	l := &printer{f: os.NewFile(uintptr(fds[1]), "printer")}
	l.lines.Store(0x18)
	p := newPort("/dev/usb/lp9", os.NewFile(uintptr(fds[0]), "lp9"), func(int) (Status, error) {
		l.asked.Add(1)
		if no := l.errno.Load(); no != 0 {
			return 0, unix.Errno(no)
		}
		return Status(l.lines.Load()), nil
	})
	t.Cleanup(func() { _, _ = p.Close(), l.f.Close() })
	return p, l
}

func TestBothWays(t *testing.T) {
	p, l := connect(t)
	if n, err := p.Write([]byte{0x10, 4, 1}); n != 3 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	got := make([]byte, 16)
	if n, err := l.f.Read(got); err != nil || !bytes.Equal(got[:n], []byte{0x10, 4, 1}) {
		t.Errorf("the printer got % x, %v", got[:n], err)
	}
	if _, err := l.f.Write([]byte{0x16}); err != nil {
		t.Fatal(err)
	}
	_ = p.SetReadDeadline(time.Now().Add(patience))
	if n, err := p.Read(got); n != 1 || got[0] != 0x16 || err != nil {
		t.Errorf("Read: % x, %v", got[:n], err)
	}
}

func TestStatus(t *testing.T) {
	p, l := connect(t)
	for _, c := range []struct {
		lines                uint32
		paperOut, online, no bool
	}{{0x18, false, true, false}, {0x30, true, true, true}, {0x08, false, false, false}} {
		l.lines.Store(c.lines)
		s, err := p.Status()
		if err != nil || s.PaperOut() != c.paperOut || s.Online() != c.online || s.Error() != c.no {
			t.Errorf("%#x: %#x, %v", c.lines, s, err)
		}
	}
	l.errno.Store(uint32(unix.EIO))
	if _, err := p.Status(); !errors.Is(err, unix.EIO) || errors.Is(err, port.ErrGone) {
		t.Errorf("a printer without status lines: %v", err)
	}
	l.errno.Store(uint32(unix.ENODEV))
	if _, err := p.Status(); !errors.Is(err, port.ErrGone) {
		t.Errorf("unplugged: %v", err)
	}
}

func TestReadOfNothingIsSilenceUntilThePrinterIsGone(t *testing.T) {
	p, l := connect(t)
	if err := unix.Shutdown(sock(t, l.f), unix.SHUT_WR); err != nil { // from here on every read is of 0 bytes
		t.Fatal(err)
	}
	_ = p.SetReadDeadline(time.Now().Add(60 * time.Millisecond))
	if n, err := p.Read(make([]byte, 8)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %d, %v, want the deadline", n, err)
	}
	if asked := l.asked.Load(); asked > 20 {
		t.Errorf("asked %d times within 60 ms: a hot loop", asked)
	}
	l.errno.Store(uint32(unix.ENODEV))
	_ = p.SetReadDeadline(time.Now().Add(patience))
	if _, err := p.Read(make([]byte, 8)); !errors.Is(err, port.ErrGone) {
		t.Errorf("Read: %v, want port.ErrGone", err)
	}
}

// sock is the descriptor of a file, which stays in the poller.
func sock(t *testing.T, f *os.File) (n int) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { n = int(fd) }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOfflinePrinterEndsAtTheDeadline(t *testing.T) {
	p, l := connect(t)
	_ = p.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := p.Write(make([]byte, 4<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n <= 0 || n >= 4<<20 {
		t.Errorf("Write: %d, %v; want what the kernel took", n, err)
	}
	if err := l.f.Close(); err != nil {
		t.Fatal(err)
	}
	_ = p.SetWriteDeadline(time.Now().Add(patience))
	if _, err := p.Write([]byte{1}); !errors.Is(err, port.ErrGone) {
		t.Errorf("Write to an unplugged printer: %v, want port.ErrGone", err)
	}
}

func TestCloseUnblocksRead(t *testing.T) {
	for _, silent := range []bool{false, true} {
		p, l := connect(t)
		if silent {
			if err := unix.Shutdown(sock(t, l.f), unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
		}
		failed := make(chan error, 1)
		go func() {
			_, err := p.Read(make([]byte, 8))
			failed <- err
		}()
		if err := errors.Join(p.Close(), p.Close()); err != nil {
			t.Errorf("Close twice: %v", err)
		}
		select {
		case err := <-failed:
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("blocked Read: %v, want os.ErrClosed", err)
			}
		case <-time.After(patience):
			t.Fatal("Read is still blocked after Close")
		}
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		config      Config
		field, says string
	}{
		{Config{Path: "/dev/usb/lp0"}, "", "lp /dev/usb/lp0"},
		{Config{USB: "1-1.2:1.0"}, "", "lp usb 1-1.2:1.0"},
		{Config{}, "path", ""},
		{Config{Path: " "}, "path", ""},
		{Config{USB: "1-1"}, "usb", ""},
		{Config{USB: "../..:1.0"}, "usb", ""},
		{Config{Path: "/dev/usb/lp0", USB: "1-1:1.0"}, "usb", ""},
	} {
		err := c.config.Validate()
		var ce *port.ConfigError
		switch {
		case c.field == "" && (err != nil || c.config.String() != c.says):
			t.Errorf("%+v: %v, %q", c.config, err, c.config)
		case c.field != "" && (!errors.As(err, &ce) || ce.Field != c.field):
			t.Errorf("%+v: %v, want field %s", c.config, err, c.field)
		}
	}
}

func TestNodeOfASocket(t *testing.T) {
	sys := t.TempDir()
	if err := os.MkdirAll(filepath.Join(sys, "1-1.2:1.0/usbmisc/lp3"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := (Config{USB: "1-1.2:1.0"}).node(sys); got != "/dev/usb/lp3" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := (Config{USB: "1-1.3:1.0"}).node(sys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing plugged in: %v", err)
	}
}

func TestOpenOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(Config{Path: filepath.Join(dir, "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not plugged in: %v", err)
	}
	for _, path := range []string{dir, os.DevNull} {
		var ce *port.ConfigError
		if _, err := Open(Config{Path: path}); !errors.As(err, &ce) || ce.Field != "path" {
			t.Errorf("%s: %v, want a *port.ConfigError for path", path, err)
		}
	}
}
