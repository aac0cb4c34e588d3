package evdevport

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
)

// patience bounds every wait of these tests; nothing here takes that long unless it is broken.
const patience = 5 * time.Second

func granted(int) error { return nil }

// typed opens a FIFO as if it were an input device, and returns the end at which somebody types.
func typed(t *testing.T) (*Port, *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "event0")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := open(Config{Path: path}, granted)
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.Close(), w.Close() })
	return p, w
}

func TestEventsAreDeliveredAsTheyAre(t *testing.T) {
	p, w := typed(t)
	want := make([]byte, 3*EventSize)
	for i := range want {
		want[i] = byte(i)
	}
	if _, err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	_ = p.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, 4096)
	if n, err := p.Read(got); err != nil || !bytes.Equal(got[:n], want) {
		t.Errorf("% x, %v", got[:n], err)
	}
	if _, err := p.Read(got[:EventSize-1]); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("Read without room for an event: %v", err)
	}
	if _, err := p.Write([]byte{1}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Write: %v", err)
	}
}

func TestDeadlineUnplugAndClose(t *testing.T) {
	p, w := typed(t)
	buf := make([]byte, 64)
	_ = p.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := p.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %v, want os.ErrDeadlineExceeded", err)
	}
	_ = p.SetReadDeadline(time.Now().Add(patience))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Read(buf); !errors.Is(err, port.ErrGone) {
		t.Errorf("Read: %v, want port.ErrGone", err)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Errorf("Close twice: %v", err)
	}
	if _, err := p.Read(buf); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
}

func TestCloseUnblocksRead(t *testing.T) {
	p, _ := typed(t)
	failed := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 64))
		failed <- err
	}()
	if err := p.Close(); err != nil {
		t.Errorf("Close: %v", err)
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

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Path: filepath.Join(dir, "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not plugged in: %v", err)
	}
	for errno, want := range map[unix.Errno]error{unix.EBUSY: port.ErrBusy, unix.ENODEV: port.ErrGone, unix.EPERM: fs.ErrPermission} {
		if _, err := open(Config{Path: fifo}, func(int) error { return errno }); !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", errno, err, want)
		}
	}
	for _, path := range []string{"", " ", fifo, dir, os.DevNull} {
		var ce *port.ConfigError
		if _, err := Open(Config{Path: path}); !errors.As(err, &ce) || ce.Field != "path" {
			t.Errorf("%q: %v, want a *port.ConfigError for path", path, err)
		}
	}
}
