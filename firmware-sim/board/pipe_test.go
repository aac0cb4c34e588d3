package board_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/firmware-sim/board"
)

var errGone = errors.New("gone")

func TestPipeCarriesBothWays(t *testing.T) {
	host, device := board.Pipe(errGone)
	for _, way := range []struct{ from, to *board.PipeEnd }{{host, device}, {device, host}} {
		want := bytes.Repeat([]byte{0, 1, 2, 255}, 500)
		if n, err := way.from.Write(want); n != len(want) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(way.to, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("Read: %v, equal %v", err, bytes.Equal(got, want))
		}
	}
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, _ := board.Pipe(errGone)
		start := time.Now()
		_ = host.SetReadDeadline(start.Add(time.Second))
		if _, err := host.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Read: %v after %v", err, time.Since(start))
		}
		_ = host.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := host.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 1<<20 {
			t.Errorf("Write to a full line: %d, %v", n, err)
		}
		// A deadline that is moved while a read waits.
		_ = host.SetReadDeadline(time.Now().Add(time.Hour))
		time.AfterFunc(time.Second, func() { _ = host.SetReadDeadline(time.Now().Add(time.Second)) })
		start = time.Now()
		if _, err := host.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("Read with a moved deadline: %v after %v", err, time.Since(start))
		}
	})
}

func TestPipeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := board.Pipe(errGone)
		if _, err := device.Write([]byte("last")); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { _ = device.Close() })
		buf := make([]byte, 8)
		if n, err := host.Read(buf); string(buf[:n]) != "last" || err != nil {
			t.Errorf("Read: %q, %v", buf[:n], err)
		}
		if _, err := host.Read(buf); !errors.Is(err, errGone) {
			t.Errorf("Read after the far end closed: %v, want errGone", err)
		}
		if _, err := host.Write(buf); !errors.Is(err, errGone) {
			t.Errorf("Write after the far end closed: %v, want errGone", err)
		}
		if _, err := device.Read(buf); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read of a closed end: %v, want os.ErrClosed", err)
		}
		time.AfterFunc(time.Second, func() { _ = host.Close() })
		_ = host.SetReadDeadline(time.Time{})
		if _, err := device.Read(buf); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	})
}

func TestPipeTellsWhatWasSentBeforeTheUnplug(t *testing.T) {
	host, device := board.Pipe(errGone)
	_, _ = device.Write([]byte("x"))
	_ = device.Close()
	buf := make([]byte, 8)
	if n, err := host.Read(buf); n != 1 || err != nil {
		t.Errorf("Read: %d, %v; want the byte", n, err)
	}
	if _, err := host.Read(buf); !errors.Is(err, errGone) {
		t.Errorf("Read: %v, want errGone", err)
	}
}
