package serialport_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
	"yipiao/drivers/port/serialport"
)

// patience bounds every wait of these tests; nothing here takes that long unless it is broken.
const patience = 5 * time.Second

// A line is a pty: the master plays the device.
type line struct {
	master *os.File
	path   string
}

func newLine(t *testing.T) line {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	path := slave.Name()
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	return line{master, path}
}

func open(t *testing.T, path string) *serialport.Port {
	t.Helper()
	p, err := serialport.Open(serialport.Config{Path: path, Baud: 115200})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// within fails the test if fn takes longer than patience, and returns how long it took.
func within(t *testing.T, what string, fn func()) time.Duration {
	t.Helper()
	start := time.Now()
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s did not return", what)
	}
	return time.Since(start)
}

// allBytes holds every byte value, which a line that is not raw would change or swallow.
func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func readFull(t *testing.T, p *serialport.Port, n int) []byte {
	t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got, buf := []byte(nil), make([]byte, 512)
	for len(got) < n {
		k, err := p.Read(buf)
		if err != nil {
			t.Fatalf("Read after %d of %d bytes: %v", len(got), n, err)
		}
		got = append(got, buf[:k]...)
	}
	return got
}

func TestPortIsByteTransparent(t *testing.T) {
	l := newLine(t)
	p := open(t, l.path)
	want := allBytes()

	if _, err := l.master.Write(want); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, p, len(want)); !bytes.Equal(got, want) {
		t.Errorf("device to host: % x", got)
	}

	if n, err := p.Write(want); n != len(want) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	got := make([]byte, 0, 256)
	buf := make([]byte, 256)
	within(t, "reading at the device", func() {
		for len(got) < len(want) {
			n, err := l.master.Read(buf)
			if err != nil {
				return
			}
			got = append(got, buf[:n]...)
		}
	})
	if !bytes.Equal(got, want) {
		t.Errorf("host to device: % x", got)
	}
}

func TestOpenSetsTheLineForGood(t *testing.T) {
	l := newLine(t)
	p, err := serialport.Open(serialport.Config{Path: l.path, Baud: 38400, Size: 8, Parity: "even", StopBits: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	tio, err := unix.IoctlGetTermios(int(l.master.Fd()), unix.TCGETS) // a master answers for its slave
	if err != nil {
		t.Fatal(err)
	}
	if tio.Lflag != 0 || tio.Cflag&unix.CBAUD != unix.B38400 || tio.Cflag&unix.CSTOPB == 0 {
		t.Errorf("lflag %#x cflag %#x: want raw, 38400 and two stop bits after Open returned", tio.Lflag, tio.Cflag)
	}
}

func TestOpenThrowsAwayWhatCameBefore(t *testing.T) {
	l := newLine(t)
	if _, err := l.master.Write([]byte("stale\r")); err != nil {
		t.Fatal(err)
	}
	p := open(t, l.path)
	if _, err := l.master.Write([]byte("fresh\r")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, p, 6); string(got) != "fresh\r" {
		t.Errorf("read %q, want only what came after Open", got)
	}
}

func TestReadDeadline(t *testing.T) {
	p := open(t, newLine(t).path)
	const wait = 37 * time.Millisecond
	var n int
	var err error
	took := within(t, "Read", func() {
		_ = p.SetReadDeadline(time.Now().Add(wait))
		n, err = p.Read(make([]byte, 8))
	})
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %d, %v; want os.ErrDeadlineExceeded", n, err)
	}
	if took < wait {
		t.Errorf("Read returned after %v, before its deadline of %v", took, wait)
	}
	if err := p.SetReadDeadline(time.Time{}); err != nil {
		t.Errorf("removing the deadline: %v", err)
	}
}

func TestCloseUnblocksRead(t *testing.T) {
	p := open(t, newLine(t).path)
	failed := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 8))
		failed <- err
	}()
	within(t, "Close", func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	select {
	case err := <-failed:
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("blocked Read: %v, want os.ErrClosed", err)
		}
	case <-time.After(patience):
		t.Fatal("Read is still blocked after Close")
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := p.Write([]byte{1}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close: %v, want os.ErrClosed", err)
	}
}

func TestWriteToAFullLineEndsAtItsDeadline(t *testing.T) {
	p := open(t, newLine(t).path) // nobody reads the master
	var n int
	var err error
	within(t, "Write", func() {
		_ = p.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		n, err = p.Write(make([]byte, 1<<20))
	})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write: %v, want os.ErrDeadlineExceeded", err)
	}
	if n <= 0 || n >= 1<<20 {
		t.Errorf("Write reported %d bytes, want what the kernel took", n)
	}
}

func TestUnplugIsGoneAndNotATimeout(t *testing.T) {
	l := newLine(t)
	p := open(t, l.path)
	failed := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 8))
		failed <- err
	}()
	if err := l.master.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		if !errors.Is(err, port.ErrGone) {
			t.Errorf("blocked Read: %v, want port.ErrGone", err)
		}
	case <-time.After(patience):
		t.Fatal("Read did not notice that the device is gone")
	}
	if _, err := p.Read(make([]byte, 8)); !errors.Is(err, port.ErrGone) {
		t.Errorf("next Read: %v, want port.ErrGone", err)
	}
	if _, err := p.Write([]byte{1}); !errors.Is(err, port.ErrGone) {
		t.Errorf("Write: %v, want port.ErrGone", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestSecondOpenInThisProcessIsBusy(t *testing.T) {
	l := newLine(t)
	first := open(t, l.path)
	// The second opener asks for another speed, which the first must not feel.
	_, err := serialport.Open(serialport.Config{Path: l.path, Baud: 1200})
	if !errors.Is(err, port.ErrBusy) {
		t.Fatalf("second Open: %v, want port.ErrBusy", err)
	}
	tio, err := unix.IoctlGetTermios(int(l.master.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if tio.Cflag&unix.CBAUD != unix.B115200 {
		t.Errorf("the refused opener changed the speed: cflag %#x", tio.Cflag)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, l.path) // and it is free again
}

// helperPath asks this test binary to be the other process.
const helperPath = "SERIALPORT_TEST_OPEN"

func TestMain(m *testing.M) {
	path, ok := os.LookupEnv(helperPath)
	if !ok {
		os.Exit(m.Run())
	}
	_, err := serialport.Open(serialport.Config{Path: path})
	if errors.Is(err, port.ErrBusy) {
		os.Exit(42)
	}
	os.Exit(43)
}

func TestOpenByAnotherProcessIsBusy(t *testing.T) {
	l := newLine(t)
	open(t, l.path)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), helperPath+"="+l.path)
	err = cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 42 {
		t.Errorf("the other process ended with %v, want port.ErrBusy (exit code 42)", err)
	}
}

func TestOpenOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	if _, err := serialport.Open(serialport.Config{Path: filepath.Join(dir, "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing device: %v, want fs.ErrNotExist", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, dir, os.DevNull} {
		_, err := serialport.Open(serialport.Config{Path: path})
		var ce *port.ConfigError
		if !errors.As(err, &ce) || ce.Field != "path" {
			t.Errorf("%s: %v, want a *ConfigError for path", path, err)
		}
	}
	dangling := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "unplugged"), dangling); err != nil {
		t.Fatal(err)
	}
	if _, err := serialport.Open(serialport.Config{Path: dangling}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dangling link: %v, want fs.ErrNotExist", err)
	}
}
