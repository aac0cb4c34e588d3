package hidport

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/port"
	"yipiao/drivers/port/internal/deadline"
)

// A fake is a device in the place of the library's. It watches that nobody uses it in a way that the library
// does not survive.
type fake struct {
	t       *testing.T
	reports chan []byte
	gone    chan struct{}
	wrote   chan []byte
	stuck   chan struct{} // a Write waits for it; nil = it does not
	refuses bool
	using   chan struct{} // room for a Read and a Write
	closed  bool
}

func newFake(t *testing.T) *fake {
	return &fake{
		t: t, reports: make(chan []byte, 5000), gone: make(chan struct{}), wrote: make(chan []byte, 10),
		using: make(chan struct{}, 2),
	}
}

func (f *fake) ReadTimeout(b []byte, ms int) (int, error) {
	if ms <= 0 || len(b) < 64 {
		f.t.Errorf("ReadTimeout of %d bytes for %d ms", len(b), ms)
	}
	f.using <- struct{}{}
	defer func() { <-f.using }()
	select {
	case r := <-f.reports:
		return copy(b, r), nil
	case <-f.gone:
		return 0, errors.New("hidapi: hid_error is not implemented yet")
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return 0, nil
	}
}

func (f *fake) Write(b []byte) (int, error) {
	f.using <- struct{}{}
	defer func() { <-f.using }()
	if f.stuck != nil {
		<-f.stuck
	}
	if f.refuses {
		return 0, errors.New("hidapi: hid_error is not implemented yet")
	}
	f.wrote <- append([]byte(nil), b...)
	return len(b), nil
}

func (f *fake) Close() error {
	if len(f.using) > 0 || f.closed {
		f.t.Error("closed twice, or while it was read or written")
	}
	f.closed = true
	return nil
}

// plugged runs a test with a port of a fake, in virtual time.
func plugged(t *testing.T, test func(t *testing.T, f *fake, p *Port)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p, err := start("hid 1-1:1.0", f, func() bool { return deadline.Closed(f.gone) })
		if err != nil {
			t.Fatal(err)
		}
		test(t, f, p)
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := p.Close(); err != nil || !f.closed {
			t.Errorf("second Close: %v, the device closed: %t", err, f.closed)
		}
	})
}

func report(n byte) []byte {
	r := bytes.Repeat([]byte{n}, 64)
	r[0] = 2
	return r
}

func TestOneReportPerRead(t *testing.T) {
	plugged(t, func(t *testing.T, f *fake, p *Port) {
		for n := range byte(4) {
			f.reports <- report(n)
		}
		buf := make([]byte, 4096)
		for n := range byte(4) {
			if got, err := p.Read(buf); err != nil || !bytes.Equal(buf[:got], report(n)) {
				t.Errorf("report %d: % x, %v", n, buf[:got], err)
			}
		}
		f.reports <- report(9)
		if n, err := p.Read(buf[:8]); n != 8 || !errors.Is(err, io.ErrShortBuffer) {
			t.Errorf("Read into 8 bytes: %d, %v", n, err)
		}
	})
}

func TestReportsOfBeforeAreThrownAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		for range 5 {
			f.reports <- report(1)
		}
		p, err := start("hid", f, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		f.reports <- report(2)
		buf := make([]byte, 64)
		if n, err := p.Read(buf); err != nil || !bytes.Equal(buf[:n], report(2)) {
			t.Errorf("% x, %v; want only what came after Open", buf[:n], err)
		}
	})
}

func TestReadDeadline(t *testing.T) {
	plugged(t, func(t *testing.T, f *fake, p *Port) {
		buf, began := make([]byte, 64), time.Now()
		_ = p.SetReadDeadline(began.Add(37 * time.Millisecond))
		if n, err := p.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 37*time.Millisecond {
			t.Errorf("%d, %v after %v", n, err, time.Since(began))
		}
		f.reports <- report(1)
		if _, err := p.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
		_ = p.SetReadDeadline(time.Time{})
		if _, err := p.Read(buf); err != nil {
			t.Errorf("without a deadline: %v", err)
		}
		failed := make(chan error)
		go func() {
			_, err := p.Read(buf)
			failed <- err
		}()
		synctest.Wait()
		_ = p.SetReadDeadline(time.Now().Add(time.Second)) // while Read waits
		if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline set meanwhile: %v", err)
		}
	})
}

func TestUnplug(t *testing.T) {
	plugged(t, func(t *testing.T, f *fake, p *Port) {
		f.reports <- report(1)
		synctest.Wait()
		close(f.gone)
		synctest.Wait()
		buf := make([]byte, 64)
		if _, err := p.Read(buf); err != nil {
			t.Errorf("the report that came before: %v", err)
		}
		if _, err := p.Read(buf); !errors.Is(err, port.ErrGone) {
			t.Errorf("Read: %v, want port.ErrGone", err)
		}
		if _, err := p.Write([]byte{4, 0}); !errors.Is(err, port.ErrGone) {
			t.Errorf("Write: %v, want port.ErrGone", err)
		}
	})
}

func TestUnplugWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		close(f.gone)
		if _, err := start("hid", f, nil); !errors.Is(err, port.ErrGone) || !f.closed {
			t.Errorf("%v, the device closed: %t", err, f.closed)
		}
	})
}

func TestNobodyReads(t *testing.T) {
	plugged(t, func(t *testing.T, f *fake, p *Port) {
		for range unread + 1 {
			f.reports <- report(1)
		}
		synctest.Wait()
		buf := make([]byte, 64)
		for range unread {
			if _, err := p.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.Read(buf); !errors.Is(err, errOverrun) {
			t.Errorf("%v, want that reports were lost", err)
		}
	})
}

func TestWritePassesReportsAsTheyAre(t *testing.T) {
	plugged(t, func(t *testing.T, f *fake, p *Port) {
		for _, r := range [][]byte{{0xFD, 3, 0x16, 7, 0x0D}, {0, 1, 2}} {
			if n, err := p.Write(r); n != len(r) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
			if got := <-f.wrote; !bytes.Equal(got, r) {
				t.Errorf("the device got % x", got)
			}
		}
		f.refuses = true
		if _, err := p.Write([]byte{4}); err == nil || errors.Is(err, port.ErrGone) {
			t.Errorf("a report that the device refuses: %v", err)
		}
	})
}

func TestWriteDeadlineWhileTheTransferHangs(t *testing.T) {
	plugged(t, func(t *testing.T, f *fake, p *Port) {
		f.stuck = make(chan struct{})
		_ = p.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := p.Write([]byte{4, 1}); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %d, %v", n, err)
		}
		_ = p.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := p.Write([]byte{4, 2}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the next, behind it: %v", err)
		}
		time.AfterFunc(time.Second, func() { close(f.stuck) }) // Close has to wait for it
	})
}

func TestCloseUnblocksAtOnce(t *testing.T) {
	plugged(t, func(t *testing.T, f *fake, p *Port) {
		failed := make(chan error)
		go func() {
			_, err := p.Read(make([]byte, 64))
			failed <- err
		}()
		synctest.Wait()
		began := time.Now()
		go func() { _ = p.Close() }()
		if err := <-failed; !errors.Is(err, os.ErrClosed) || time.Since(began) != 0 {
			t.Errorf("blocked Read: %v after %v", err, time.Since(began))
		}
		_ = p.Close()
		if _, err := p.Write([]byte{1}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write after Close: %v", err)
		}
		if took := time.Since(began); took > pollMs*time.Millisecond {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestOpenOfNothing(t *testing.T) {
	s := tree(t)
	defer func(was bool) { supported = was }(supported)
	supported = true // a build without cgo finds them too
	refuse := func(string) (device, error) { return nil, errors.New("hidapi: failed to open device") }
	for _, c := range []struct {
		config Config
		want   error
	}{
		{Config{Path: "9-1:1.0"}, fs.ErrNotExist},
		{Config{Vendor: "dead", Product: "beef"}, fs.ErrNotExist},
		{Config{Path: "1-1.2:1.0"}, port.ErrBusy}, // the tree says that a program has it
	} {
		if _, err := s.open(c.config, refuse); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.config, err, c.want)
		}
	}
	if _, err := Open(Config{Path: "999-1:1.0"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of this machine: %v, want fs.ErrNotExist", err)
	}
}
