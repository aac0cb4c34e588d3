package board_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
)

// runningBoard runs an echo on a board until the test ends.
func runningBoard(t *testing.T, b *board.Board) echo {
	t.Helper()
	e := echo{make(chan *board.Line, 10)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, e) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return e
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func talk(t *testing.T, c io.ReadWriter, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("echo of %s: %s, %v", text, got, err)
	}
}

func TestTCPServesOneHostAtATime(t *testing.T) {
	b := board.NewTCP("127.0.0.1:0", 0, tape.Recorder{})
	e := runningBoard(t, b)
	line := plugged(t, e)
	if _, err := line.Write([]byte("x")); !errors.Is(err, board.ErrNobody) {
		t.Errorf("Write with nobody there: %v, want ErrNobody", err)
	}
	addr := b.State().Path
	first := dial(t, addr)
	talk(t, first, "first")
	if s := b.State(); !s.Plugged || !s.Present || !s.Open {
		t.Errorf("%+v, want open", s)
	}
	second := dial(t, addr)
	if _, err := second.Write([]byte("second")); err != nil {
		t.Fatal(err)
	}
	talk(t, first, "still the first's")
	_ = first.Close()
	got := make([]byte, 6)
	if _, err := io.ReadFull(second, got); err != nil || string(got) != "second" {
		t.Errorf("the second one's turn: %s, %v", got, err)
	}
}

func TestTCPUnplugRefuses(t *testing.T) {
	b := board.NewTCP("127.0.0.1:0", 0, tape.Recorder{})
	e := runningBoard(t, b)
	plugged(t, e)
	addr := b.State().Path
	c := dial(t, addr)
	talk(t, c, "before")
	b.Unplug()
	if _, err := c.Read(make([]byte, 1)); err == nil || board.Quiet(err) {
		t.Errorf("Read: %v, want the connection ended", err)
	}
	if c, err := net.DialTimeout("tcp", addr, patience); err == nil {
		_ = c.Close()
		t.Error("an unplugged device takes connections")
	}
	b.Replug()
	plugged(t, e)
	if b.State().Path != addr {
		t.Errorf("after the replug at %s, before at %s", b.State().Path, addr)
	}
	talk(t, dial(t, addr), "after")
}

func TestTCPPortThatIsTaken(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	b := board.NewTCP(l.Addr().String(), 0, tape.Recorder{})
	if err := b.Run(t.Context(), echo{make(chan *board.Line, 1)}); err == nil {
		t.Error("Run: nil, want that the port is taken")
	}
}

// pipe is a cable inside the process.
func pipe(gone error) (host, device board.Conn) { return board.Pipe(gone) }

func TestInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board.NewInside(pipe, 0, tape.Recorder{})
		if _, err := b.Connect(errGone); !errors.Is(err, board.ErrUnplugged) {
			t.Errorf("Connect before Run: %v, want ErrUnplugged", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		e := echo{make(chan *board.Line, 10)}
		go func() { done <- b.Run(ctx, e) }()
		synctest.Wait()
		host, err := b.Connect(errGone)
		if err != nil {
			t.Fatal(err)
		}
		talk(t, host, "hello")
		if s := b.State(); s.Path != "" || !s.Open {
			t.Errorf("%+v", s)
		}
		_ = host.Close()
		next, err := b.Connect(errGone) // the device outlives its hosts
		if err != nil {
			t.Fatal(err)
		}
		talk(t, next, "next")
		b.Unplug()
		if _, err := next.Read(make([]byte, 1)); !errors.Is(err, errGone) {
			t.Errorf("Read after the unplug: %v, want errGone", err)
		}
		if _, err := b.Connect(errGone); !errors.Is(err, board.ErrUnplugged) {
			t.Errorf("Connect: %v, want ErrUnplugged", err)
		}
		b.Replug()
		synctest.Wait()
		last, err := b.Connect(errGone)
		if err != nil {
			t.Fatal(err)
		}
		talk(t, last, "last")
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		_ = last.Close()
	})
}

func TestConnectIsForBoardsInside(t *testing.T) {
	b := board.New("/nowhere", 0, tape.Recorder{})
	if _, err := b.Connect(errGone); err == nil {
		t.Error("Connect to a pseudo-terminal: nil, want an error")
	}
	inside := board.NewInside(pipe, 0, tape.Recorder{})
	runningBoard(t, inside)
	taken := 0
	for end := time.Now().Add(patience); taken < 6 && time.Now().Before(end); {
		host, err := inside.Connect(errGone)
		if errors.Is(err, board.ErrTaken) {
			return
		}
		if err == nil {
			taken++
			t.Cleanup(func() { _ = host.Close() })
		}
	}
	t.Errorf("%d hosts wait for one line, want that the last are turned away", taken)
}
