package board_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

const patience = 5 * time.Second

// An echo answers what it hears.
type echo struct{ line chan *board.Line }

func (e echo) Serve(ctx context.Context, line *board.Line) error {
	e.line <- line
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	buf := make([]byte, 64)
	for ctx.Err() == nil {
		n, err := line.Read(buf)
		if err != nil {
			return err
		}
		if _, err := line.Write(buf[:n]); err != nil {
			return err
		}
	}
	return nil
}

// running starts an echo on a board.
func running(t *testing.T, link string) (*board.Board, echo) {
	t.Helper()
	b, e := board.New(link, 0, tape.Recorder{}), echo{make(chan *board.Line, 10)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, e) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if _, err := os.Lstat(link); err == nil {
			t.Error("the link is left behind")
		}
	})
	return b, e
}

func plugged(t *testing.T, e echo) *board.Line {
	t.Helper()
	select {
	case l := <-e.line:
		return l
	case <-time.After(patience):
		t.Fatal("no line came up")
		return nil
	}
}

// station opens the far end as a station does.
func station(t *testing.T, link string) *os.File {
	t.Helper()
	f, err := os.OpenFile(link, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func exchange(t *testing.T, f *os.File, want []byte) {
	t.Helper()
	if _, err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	_ = f.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("echo of % x: % x, %v", want, got, err)
	}
}

func TestBoardOnAPseudoTerminal(t *testing.T) {
	link := filepath.Join(t.TempDir(), "dev", "thing")
	b, e := running(t, link)
	line := plugged(t, e)
	if _, err := line.Write([]byte("x")); !errors.Is(err, board.ErrNobody) {
		t.Errorf("Write with nobody there: %v, want ErrNobody", err)
	}
	if s := b.State(); !s.Plugged || !s.Present || s.Open || s.Path != link {
		t.Errorf("%+v, want plugged in and not open", s)
	}
	f := station(t, link)
	exchange(t, f, []byte{0, 3, 4, 10, 13, 17, 19, 26, 127, 255})
	if s := b.State(); !s.Open {
		t.Errorf("%+v, want open", s)
	}
	_ = f.Close()
	exchange(t, station(t, link), []byte("again")) // a station that restarts
}

func TestUnplugAndReplug(t *testing.T) {
	link := filepath.Join(t.TempDir(), "thing")
	b, e := running(t, link)
	plugged(t, e)
	f := station(t, link)
	exchange(t, f, []byte("before"))
	b.SetFaults(board.Faults{Lose: 0, DelayMs: 1})
	b.Unplug()
	if _, err := os.Lstat(link); err == nil {
		t.Error("the name is still there")
	}
	_ = f.SetReadDeadline(time.Now().Add(patience))
	if _, err := f.Read(make([]byte, 1)); err == nil || board.Quiet(err) {
		t.Errorf("Read: %v, want the line hung up", err)
	}
	if s := b.State(); s.Plugged || s.Present || s.Open {
		t.Errorf("%+v, want unplugged", s)
	}
	b.Unplug() // twice is once
	b.Replug()
	if got := plugged(t, e).Faults(); got.DelayMs != 1 {
		t.Errorf("faults after the replug: %+v", got)
	}
	exchange(t, station(t, link), []byte("after"))
}

func TestBoardKeepsItsHandsOffAFile(t *testing.T) {
	link := filepath.Join(t.TempDir(), "thing")
	if err := os.WriteFile(link, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := board.New(link, 0, tape.Recorder{})
	if err := b.Run(t.Context(), echo{make(chan *board.Line, 1)}); err == nil {
		t.Error("Run: nil, want an error")
	}
	if raw, err := os.ReadFile(link); string(raw) != "precious" {
		t.Errorf("the file: %q, %v", raw, err)
	}
}

func TestBoardReplacesAStaleLink(t *testing.T) {
	link := filepath.Join(t.TempDir(), "thing")
	if err := os.Symlink("/nowhere", link); err != nil {
		t.Fatal(err)
	}
	_, e := running(t, link)
	plugged(t, e)
	exchange(t, station(t, link), []byte("x"))
}
