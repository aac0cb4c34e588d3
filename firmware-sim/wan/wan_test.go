package wan_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"yipiao/firmware-sim/wan"
)

const patience = 5 * time.Second

// cloud echoes until the far end is done.
func cloud(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = c.Close() }()
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return l.Addr().String()
}

func relay(t *testing.T, target string) (*wan.Relay, string) {
	t.Helper()
	r := wan.New("127.0.0.1:0", target)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not return")
		}
	})
	addr, err := r.Addr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r, addr.String()
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

func echoed(c net.Conn, text string) error {
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	buf := make([]byte, len(text))
	if _, err := io.ReadFull(c, buf); err != nil {
		return err
	}
	if string(buf) != text {
		return errors.New("echo of something else: " + string(buf))
	}
	return nil
}

// wantReset fails unless a new connection is reset at once, be it while it is made or when it is used.
func wantReset(t *testing.T, addr string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err == nil {
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(patience))
		err = echoed(c, "x")
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, io.EOF) {
		t.Errorf("a new connection: %v, want a reset at once", err)
	}
}

func TestRelayCarriesBothWaysToTheEnd(t *testing.T) {
	r, addr := relay(t, cloud(t))
	c := dial(t, addr)
	if err := echoed(c, "hello"); err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 3<<20)
	go func() {
		_, _ = c.Write(big)
		_ = c.CloseWrite() // half closed: the rest still comes back
	}()
	n, err := io.Copy(io.Discard, c)
	if err != nil || n != int64(len(big)) {
		t.Errorf("%d of %d bytes, %v", n, len(big), err)
	}
	if s := r.State(); s.Bytes != 2*uint64(len(big)+5) {
		t.Errorf("%d bytes carried", s.Bytes)
	}
}

func TestCutAndMend(t *testing.T) {
	r, addr := relay(t, cloud(t))
	c := dial(t, addr)
	if err := echoed(c, "before"); err != nil {
		t.Fatal(err)
	}
	r.Cut()
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read over a cut line: %v, want a reset at once", err)
	}
	if s := r.State(); !s.Cut {
		t.Errorf("%+v, want cut", s)
	}
	wantReset(t, addr)
	r.Mend()
	if err := echoed(dial(t, addr), "after"); err != nil {
		t.Errorf("after mending: %v", err)
	}
}

func TestDelay(t *testing.T) {
	r, addr := relay(t, cloud(t))
	c := dial(t, addr)
	if err := r.SetDelay(60 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := echoed(c, "slow"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 120*time.Millisecond {
		t.Errorf("there and back took %v, want 120 ms at least", took)
	}
	if err := r.SetDelay(-1); err == nil {
		t.Error("a negative delay: nil, want an error")
	}
}

func TestTargetThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	_, addr := relay(t, nobody)
	wantReset(t, addr)
}

func TestListenAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := wan.New(l.Addr().String(), "127.0.0.1:1").Run(t.Context()); err == nil {
		t.Error("Run: nil, want an error")
	}
}
