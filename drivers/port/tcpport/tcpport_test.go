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

// TestAPeerThatVanishesIsNoticed reads the socket's options instead of waiting: the kernel keeps them.
func TestAPeerThatVanishesIsNoticed(t *testing.T) {
	p, _ := dial(t)
	option := func(level, name int) time.Duration {
		v, err := tcpport.Option(p, level, name)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(v)
	}
	if option(unix.SOL_SOCKET, unix.SO_KEEPALIVE) == 0 {
		t.Error("keep-alive is off")
	}
	silent := option(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)*time.Second +
		option(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)*option(unix.IPPROTO_TCP, unix.TCP_KEEPCNT)*time.Second
	if silent == 0 || silent > tcpport.Notice {
		t.Errorf("a silent line ends after %v", silent)
	}
	if unanswered := option(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) * time.Millisecond; unanswered == 0 || unanswered > tcpport.Notice {
		t.Errorf("unanswered bytes end the connection after %v", unanswered)
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
