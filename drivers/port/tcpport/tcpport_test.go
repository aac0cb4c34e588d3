package tcpport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
	"yipiao/drivers/port/tcpport"
)

// patience bounds every wait of these tests; nothing here takes that long unless it is broken.
const patience = 5 * time.Second

// dial connects a port to a listener of this machine and returns both ends.
func dial(t *testing.T) (*tcpport.Port, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	p, err := tcpport.Open(t.Context(), tcpport.Config{Address: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.Close(), peer.Close() })
	return p, peer.(*net.TCPConn)
}

func TestPortIsByteTransparent(t *testing.T) {
	p, peer := dial(t)
	want := make([]byte, 256)
	for i := range want {
		want[i] = byte(i)
	}
	_, _ = p.SetReadDeadline(time.Now().Add(patience)), peer.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, 256)
	if n, err := p.Write(want); n != 256 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("to the device: % x, %v", got, err)
	}
	if _, err := peer.Write(want); err != nil {
		t.Fatal(err)
	}
	clear(got)
	if _, err := io.ReadFull(p, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("from the device: % x, %v", got, err)
	}
}

func TestDeadlines(t *testing.T) {
	p, _ := dial(t)
	_ = p.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := p.Read(make([]byte, 8)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %d, %v", n, err)
	}
	_ = p.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // the peer reads nothing
	n, err := p.Write(make([]byte, 64<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n <= 0 || n >= 64<<20 {
		t.Errorf("Write: %d, %v; want what the kernel took", n, err)
	}
}

func TestEveryEndOfAConnectionIsGone(t *testing.T) {
	for name, end := range map[string]func(*net.TCPConn) error{
		"closed": (*net.TCPConn).Close,
		"reset":  func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	} {
		p, peer := dial(t)
		if err := end(peer); err != nil {
			t.Fatal(err)
		}
		_ = p.SetReadDeadline(time.Now().Add(patience))
		if _, err := p.Read(make([]byte, 8)); !errors.Is(err, port.ErrGone) {
			t.Errorf("%s: Read: %v, want port.ErrGone", name, err)
		}
		var err error
		for until := time.Now().Add(patience); err == nil && time.Now().Before(until); { // the first write provokes the reset
			_, err = p.Write([]byte{1})
		}
		if !errors.Is(err, port.ErrGone) {
			t.Errorf("%s: Write: %v, want port.ErrGone", name, err)
		}
	}
}

func TestCloseUnblocksRead(t *testing.T) {
	p, _ := dial(t)
	failed := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 8))
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
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// vanish makes a peer's kernel drop whatever comes, as a machine does that was switched off.
func vanish(t *testing.T, peer *net.TCPConn) {
	t.Helper()
	raw, err := peer.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	var inner error
	err = raw.Control(func(fd uintptr) {
		inner = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]})
	})
	if err = errors.Join(err, inner); err != nil {
		t.Fatal(err)
	}
}

// TestAPeerThatVanishesIsNoticed: while nothing is said, while a few bytes are under way, and in the middle of a
// job that the peer does not take. Nothing arrives from it, not even an end.
func TestAPeerThatVanishesIsNoticed(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, p *tcpport.Port, peer *net.TCPConn) error{
		"idle": func(t *testing.T, p *tcpport.Port, peer *net.TCPConn) error {
			vanish(t, peer)
			return nil
		},
		"asked": func(t *testing.T, p *tcpport.Port, peer *net.TCPConn) error {
			vanish(t, peer)
			_, err := p.Write([]byte{0x10, 4, 1})
			return err
		},
		"in mid-job": func(t *testing.T, p *tcpport.Port, peer *net.TCPConn) error {
			_ = p.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			_, err := p.Write(make([]byte, 64<<20))
			_ = p.SetWriteDeadline(time.Time{})
			vanish(t, peer)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				_, err = p.Write(make([]byte, 1<<20))
			}
			if errors.Is(err, port.ErrGone) {
				return nil
			}
			return errors.Join(errors.New("the write went through"), err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, peer := dial(t)
			if err := before(t, p, peer); err != nil {
				t.Errorf("Write: %v", err)
			}
			_ = p.SetReadDeadline(time.Now().Add(3 * tcpport.Notice))
			if _, err := p.Read(make([]byte, 8)); !errors.Is(err, port.ErrGone) {
				t.Errorf("Read: %v, want port.ErrGone", err)
			}
			if _, err := p.Write([]byte{1}); !errors.Is(err, port.ErrGone) {
				t.Errorf("Write: %v, want port.ErrGone", err)
			}
			if err := errors.Join(p.Close(), p.Close()); err != nil {
				t.Errorf("Close twice: %v", err)
			}
		})
	}
}

// TestAPrinterThatStallsIsNotGone: a printer without paper takes nothing for longer than a dead peer is waited for,
// and then goes on. TCP_USER_TIMEOUT would have ended the connection.
func TestAPrinterThatStallsIsNotGone(t *testing.T) {
	t.Parallel()
	p, peer := dial(t)
	job := make([]byte, 32<<20)
	_ = p.SetWriteDeadline(time.Now().Add(tcpport.Notice + 2*time.Second))
	n, err := p.Write(job)
	if !errors.Is(err, os.ErrDeadlineExceeded) || n <= 0 {
		t.Fatalf("Write: %d, %v, want the deadline", n, err)
	}
	got := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, peer)
		got <- n
	}()
	_ = p.SetWriteDeadline(time.Now().Add(6 * patience))
	if m, err := p.Write(job[n:]); n+m != len(job) || err != nil {
		t.Errorf("the rest: %d, %v", m, err)
	}
	_ = p.Close()
	if all := <-got; all != int64(len(job)) {
		t.Errorf("the printer got %d of %d bytes", all, len(job))
	}
}

func TestOpenWithoutAPeer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	_, first := tcpport.Open(t.Context(), tcpport.Config{Address: address})
	_, second := tcpport.Open(t.Context(), tcpport.Config{Address: address})
	if !errors.Is(first, unix.ECONNREFUSED) || first.Error() != second.Error() {
		t.Errorf("%v; %v; want ECONNREFUSED in the same words", first, second)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tcpport.Open(ctx, tcpport.Config{Address: address}); err == nil {
		t.Error("opened although the context had ended")
	}
}

func TestConfig(t *testing.T) {
	for address, good := range map[string]bool{
		"192.168.1.20:9100": true, "[fe80::1]:4001": true, "printer-1:9100": true,
		"": false, "192.168.1.20": false, ":9100": false, "printer:0": false, "printer:65536": false, "printer:http": false,
		"/dev/ttyS0:1": false, "tcp://printer:9100": false,
	} {
		err := tcpport.Config{Address: address}.Validate()
		var ce *port.ConfigError
		if good != (err == nil) || !good && (!errors.As(err, &ce) || ce.Field != "address") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := tcpport.Open(t.Context(), tcpport.Config{}); err == nil {
		t.Error("opened without an address")
	}
}
