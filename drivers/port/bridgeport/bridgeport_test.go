package bridgeport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yipiao/drivers/port"
	"yipiao/drivers/port/bridgeport"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/scannerhid"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8)
	}
	return b
}

func TestPortIsByteTransparent(t *testing.T) {
	r := connect(t, wiring{})
	want, got := pattern(256), make([]byte, 256)
	_, _ = r.station.SetReadDeadline(time.Now().Add(patience)), r.device.SetReadDeadline(time.Now().Add(patience))
	if n, err := r.station.Write(want); n != 256 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	if _, err := io.ReadFull(r.device, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("to the device: % x, %v", got, err)
	}
	if _, err := r.device.Write(want); err != nil {
		t.Fatal(err)
	}
	clear(got)
	if _, err := io.ReadFull(r.station, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("from the device: % x, %v", got, err)
	}
	if n, err := r.station.Write(nil); n != 0 || err != nil {
		t.Errorf("Write of nothing: %d, %v", n, err)
	}
	if n, err := r.station.Read(nil); n != 0 || err != nil {
		t.Errorf("Read of nothing: %d, %v", n, err)
	}
}

func TestReadDeadline(t *testing.T) {
	r := connect(t, wiring{})
	_ = r.station.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := r.station.Read(make([]byte, 8)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %d, %v", n, err)
	}
	_ = r.station.SetReadDeadline(time.Time{})
	failed := make(chan error, 1)
	go func() {
		_, err := r.station.Read(make([]byte, 8))
		failed <- err
	}()
	_ = r.station.SetReadDeadline(time.Unix(1, 0)) // also while somebody reads
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("blocked Read: %v", err)
	}
}

// TestWriteDeadline: the count is what the device's line has taken, and nothing of the rest follows.
func TestWriteDeadline(t *testing.T) {
	host, device := board.Pipe(port.ErrGone)
	local := &counted{Port: host}
	r := connect(t, wiring{local: local, device: device})
	job := pattern(1 << 20)
	go func() { // the device reads nothing; the deadline comes when its line is full
		for local.written.Load() < 12<<10 {
			runtime.Gosched()
		}
		_ = r.station.SetWriteDeadline(time.Unix(1, 0))
	}()
	n, err := r.station.Write(job)
	if !errors.Is(err, os.ErrDeadlineExceeded) || n <= 0 || int64(n) != local.written.Load() {
		t.Fatalf("Write: %d, %v; the line took %d", n, err, local.written.Load())
	}
	if again, err := r.station.Write(job); again != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write after the deadline: %d, %v", again, err)
	}
	_ = r.station.SetWriteDeadline(time.Now().Add(patience))
	got := make(chan []byte, 1)
	go func() {
		b := make([]byte, n+3)
		_ = device.SetReadDeadline(time.Now().Add(patience))
		_, _ = io.ReadFull(device, b)
		got <- b
	}()
	if m, err := r.station.Write([]byte("end")); m != 3 || err != nil {
		t.Fatalf("Write: %d, %v", m, err)
	}
	if b := <-got; !bytes.Equal(b, append(job[:n:n], "end"...)) {
		t.Errorf("the device has %d bytes that are not what was counted", len(b))
	}
}

func TestAPrinterThatStallsGetsItsMegabyte(t *testing.T) {
	r := connect(t, wiring{})
	job := pattern(1 << 20)
	got := make(chan []byte, 1)
	go func() {
		var all []byte
		buf := make([]byte, 3000)
		_ = r.device.SetReadDeadline(time.Now().Add(patience))
		for len(all) < len(job) {
			n, err := r.device.Read(buf)
			if err != nil {
				break
			}
			if all = append(all, buf[:n]...); len(all)/200_000 != (len(all)-n)/200_000 {
				<-time.After(50 * time.Millisecond) // paper feed
			}
		}
		got <- all
	}()
	_ = r.station.SetWriteDeadline(time.Now().Add(patience))
	if n, err := r.station.Write(job); n != len(job) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	if !bytes.Equal(<-got, job) {
		t.Error("the printer has got something else")
	}
}

// TestAReaderThatDawdlesLosesNothing: what it does not read waits in the device, not in memory.
func TestAReaderThatDawdlesLosesNothing(t *testing.T) {
	r := connect(t, wiring{})
	job := pattern(1 << 20)
	_ = r.device.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	held, err := r.device.Write(job)
	if !errors.Is(err, os.ErrDeadlineExceeded) || held > 200_000 {
		t.Fatalf("with nobody reading the device got rid of %d bytes, %v", held, err)
	}
	go func() {
		_ = r.device.SetWriteDeadline(time.Now().Add(patience))
		_, _ = r.device.Write(job[held:])
	}()
	got := make([]byte, len(job))
	_ = r.station.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(r.station, got); err != nil || !bytes.Equal(got, job) {
		t.Errorf("%v", err)
	}
}

func TestUnplugIsGoneAfterWhatWasSent(t *testing.T) {
	r := connect(t, wiring{})
	if _, err := r.device.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	_ = r.device.Close()
	if err := r.end(); err == nil {
		t.Error("Serve: nil")
	}
	got := make([]byte, 16)
	_ = r.station.SetReadDeadline(time.Now().Add(patience))
	if n, err := r.station.Read(got); string(got[:n]) != "last" || err != nil {
		t.Errorf("Read: %q, %v", got[:n], err)
	}
	if _, err := r.station.Read(got); !errors.Is(err, port.ErrGone) {
		t.Errorf("Read: %v, want port.ErrGone", err)
	}
	if _, err := r.station.Write(got); !errors.Is(err, port.ErrGone) {
		t.Errorf("Write: %v, want port.ErrGone", err)
	}
}

func TestUnplugUnblocksWrite(t *testing.T) {
	r := connect(t, wiring{})
	failed := make(chan error, 1)
	go func() {
		_, err := r.station.Write(make([]byte, 1<<20))
		failed <- err
	}()
	_ = r.device.SetReadDeadline(time.Now().Add(patience))
	if _, err := r.device.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = r.device.Close()
	select {
	case err := <-failed:
		if !errors.Is(err, port.ErrGone) {
			t.Errorf("blocked Write: %v, want port.ErrGone", err)
		}
	case <-time.After(patience):
		t.Fatal("Write is still blocked")
	}
}

func TestCloseUnblocksBothAndReleasesTheLocalPort(t *testing.T) {
	r := connect(t, wiring{})
	failed := make(chan error, 2)
	go func() {
		_, err := r.station.Read(make([]byte, 8))
		failed <- err
	}()
	go func() {
		_, err := r.station.Write(make([]byte, 1<<20))
		failed <- err
	}()
	_ = r.device.SetReadDeadline(time.Now().Add(patience))
	if _, err := r.device.Read(make([]byte, 1)); err != nil { // the write is under way
		t.Fatal(err)
	}
	if err := errors.Join(r.station.Close(), r.station.Close()); err != nil {
		t.Errorf("Close twice: %v", err)
	}
	for range 2 {
		select {
		case err := <-failed:
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("blocked call: %v, want os.ErrClosed", err)
			}
		case <-time.After(patience):
			t.Fatal("a call is still blocked after Close")
		}
	}
	if _, err := r.station.Read(make([]byte, 8)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if err := r.end(); !errors.Is(err, port.ErrGone) {
		t.Errorf("Serve: %v", err)
	}
	for {
		if _, err := r.device.Read(make([]byte, 64<<10)); err != nil {
			if !errors.Is(err, board.ErrUnplugged) {
				t.Errorf("the device's end: %v, want the local port closed", err)
			}
			return
		}
	}
}

func TestHIDIsOneReportPerCall(t *testing.T) {
	host, device := scannerhid.Pipe(port.ErrGone)
	r := connect(t, wiring{line: "hid", local: host, device: device})
	_, _ = r.station.SetReadDeadline(time.Now().Add(patience)), device.SetReadDeadline(time.Now().Add(patience))
	for i := range 3 {
		if _, err := device.Write(bytes.Repeat([]byte{byte(i + 1)}, 20+i)); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 64)
	for i := range 2 {
		if n, err := r.station.Read(buf); n != 20+i || buf[0] != byte(i+1) || err != nil {
			t.Errorf("report %d: %d bytes, %v", i, n, err)
		}
	}
	if n, err := r.station.Read(buf[:5]); n != 5 || !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("too small a buffer: %d, %v", n, err)
	}
	for _, size := range []int{64, 5} {
		if n, err := r.station.Write(make([]byte, size)); n != size || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
		if n, err := device.Read(buf); n != size || err != nil {
			t.Errorf("the device: %d, %v", n, err)
		}
	}
	if _, err := r.station.Write(make([]byte, 5000)); err == nil {
		t.Error("5000 bytes went out as a report")
	}
}

func TestEvdevIsWholeEvents(t *testing.T) {
	r := connect(t, wiring{line: "evdev"})
	if _, err := r.device.Write(pattern(72)); err != nil {
		t.Fatal(err)
	}
	_ = r.station.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	for buf := make([]byte, 50); len(got) < 72; {
		n, err := r.station.Read(buf)
		if n%24 != 0 || err != nil {
			t.Fatalf("Read: %d, %v", n, err)
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, pattern(72)) {
		t.Errorf("% x", got)
	}
	if _, err := r.station.Read(make([]byte, 23)); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("too small a buffer: %v", err)
	}
}

func TestADeadNetworkIsNoticedAtBothEnds(t *testing.T) {
	r := connect(t, wiring{relay: true})
	if err := r.network.SetDelay(time.Minute); err != nil { // nothing arrives, and no FIN either
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := r.station.Write(make([]byte, 8<<20)) // in the middle of a job
		failed <- err
	}()
	if r.session.Alive(10 * time.Millisecond) {
		t.Error("the bridge believes the station to be there")
	}
	_ = r.station.SetReadDeadline(time.Now().Add(patience))
	if _, err := r.station.Read(make([]byte, 8)); !errors.Is(err, port.ErrGone) {
		t.Errorf("Read: %v, want port.ErrGone", err)
	}
	if err := <-failed; !errors.Is(err, port.ErrGone) {
		t.Errorf("Write: %v, want port.ErrGone", err)
	}
	if err := r.end(); !errors.Is(err, port.ErrGone) {
		t.Errorf("Serve: %v, want port.ErrGone", err)
	}
}

// TestWriteDeadlineOverADeadNetwork: nobody can tell how much was written, so the port is gone.
func TestWriteDeadlineOverADeadNetwork(t *testing.T) {
	r := connect(t, wiring{relay: true})
	if err := r.network.SetDelay(time.Minute); err != nil {
		t.Fatal(err)
	}
	_ = r.station.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := r.station.Write([]byte("x")); n != 0 || !errors.Is(err, port.ErrGone) {
		t.Errorf("Write: %d, %v, want port.ErrGone", n, err)
	}
}

func TestAStationThatIsThereSaysSo(t *testing.T) {
	if r := connect(t, wiring{}); !r.session.Alive(patience) {
		t.Error("it does not")
	}
}

func TestABridgeThatIsNoLongerAllowedIsDropped(t *testing.T) {
	refused := errors.New("revoked")
	trust := asClient(t)
	asked := 0
	trust.Allowed = func(*x509.Certificate) error {
		if asked++; asked > 1 { // once when it is opened, then every second
			return refused
		}
		return nil
	}
	r := connect(t, wiring{trust: &trust})
	_ = r.station.SetReadDeadline(time.Now().Add(patience))
	if _, err := r.station.Read(make([]byte, 8)); !errors.Is(err, refused) {
		t.Errorf("Read: %v, want %v", err, refused)
	}
	_ = r.end()
}

func TestACertificateIsRenewedOverTheConnection(t *testing.T) {
	trust := asClient(t)
	trust.Renew = func(_ *x509.Certificate, csr []byte) ([]byte, error) { return append([]byte("signed "), csr...), nil }
	got := make(chan string, 1)
	r := connect(t, wiring{trust: &trust, renewal: bridgeport.Renewal{
		Request: func() []byte { return []byte("please") },
		Take: func(chain []byte) {
			select {
			case got <- string(chain):
			default:
			}
		},
	}})
	_ = r
	select {
	case chain := <-got:
		if chain != "signed please" {
			t.Errorf("%q", chain)
		}
	case <-time.After(patience):
		t.Fatal("no certificate came")
	}
}

func TestRefusalsAreWhatALocalPortSays(t *testing.T) {
	l := listen(t)
	refuse := make(chan error)
	server := asServer(t)
	go func() {
		for err := range refuse {
			raw, aerr := l.Accept()
			if aerr != nil {
				return
			}
			if s, serr := bridgeport.Accept(context.Background(), raw, server); serr == nil {
				s.Refuse(err)
			}
		}
	}()
	defer close(refuse)
	trust, config := asClient(t), bridgeport.Config{Address: l.Addr().String(), Name: "printer-1", Line: "lp"}
	for _, c := range []struct {
		local error
		want  error  // errors.Is
		field string // of a *port.ConfigError
		says  string
	}{
		{local: fmt.Errorf("open: %w", port.ErrBusy), want: port.ErrBusy},
		{local: fmt.Errorf("open: %w", fs.ErrNotExist), want: fs.ErrNotExist},
		{local: fmt.Errorf("open: %w", fs.ErrPermission), want: fs.ErrPermission},
		{local: fmt.Errorf("open: %w", port.ErrGone), want: port.ErrGone},
		{local: bridgeport.ErrUnknownPort, field: "name", says: "printer-1"},
		{local: &bridgeport.LineError{Have: "serial"}, field: "line", says: "serial"},
		{local: &port.ConfigError{Field: "path", Got: "/dev/null", Want: "a USB printer"}, field: "name", says: "/dev/null"},
		{local: errors.New("on fire"), says: "on fire"},
	} {
		refuse <- c.local
		_, err := bridgeport.Open(t.Context(), config, trust)
		var ce *port.ConfigError
		switch {
		case err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says):
			t.Errorf("%v became %v", c.local, err)
		case c.field != "" && (!errors.As(err, &ce) || ce.Field != c.field):
			t.Errorf("%v became %v, want field %s", c.local, err, c.field)
		}
	}
}

func TestOpenWithoutABridge(t *testing.T) {
	l := listen(t)
	address := l.Addr().String()
	trust := asClient(t)
	for name, answer := range map[string]func(net.Conn){
		"hangs up":       func(c net.Conn) { _ = c.Close() },
		"another server": func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); _ = c.Close() },
		"refuses the certificate": func(c net.Conn) {
			cfg := asServer(t)
			cfg.VerifyConnection = func(tls.ConnectionState) error { return errors.New("not my station") }
			if _, err := bridgeport.Accept(context.Background(), c, cfg); err == nil {
				t.Error("accepted")
			}
		},
	} {
		go func() {
			if c, err := l.Accept(); err == nil {
				answer(c)
			}
		}()
		_, err := bridgeport.Open(t.Context(), bridgeport.Config{Address: address, Name: "x"}, trust)
		if err == nil || name == "refuses the certificate" && !strings.Contains(err.Error(), "refuses this station") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_ = l.Close()
	_, first := bridgeport.Open(t.Context(), bridgeport.Config{Address: address, Name: "x"}, trust)
	_, second := bridgeport.Open(t.Context(), bridgeport.Config{Address: address, Name: "x"}, trust)
	if !errors.Is(first, unix.ECONNREFUSED) || first.Error() != second.Error() {
		t.Errorf("%v; %v; want ECONNREFUSED in the same words", first, second)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bridgeport.Open(ctx, bridgeport.Config{Address: address, Name: "x"}, trust); err == nil {
		t.Error("opened although the context had ended")
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		config bridgeport.Config
		field  string
	}{
		{bridgeport.Config{Address: "10.0.0.5:8447", Name: "printer-1"}, ""},
		{bridgeport.Config{Address: "[fe80::1]:8447", Name: "a.b_c", Line: "hid"}, ""},
		{bridgeport.Config{Name: "printer-1"}, "address"},
		{bridgeport.Config{Address: "kiosk", Name: "printer-1"}, "address"},
		{bridgeport.Config{Address: "kiosk:0", Name: "printer-1"}, "address"},
		{bridgeport.Config{Address: "kiosk:8447"}, "name"},
		{bridgeport.Config{Address: "kiosk:8447", Name: "a/b"}, "name"},
		{bridgeport.Config{Address: "kiosk:8447", Name: "a", Line: "tcp"}, "line"},
	} {
		err := c.config.Validate()
		var ce *port.ConfigError
		if c.field == "" && err != nil || c.field != "" && (!errors.As(err, &ce) || ce.Field != c.field) {
			t.Errorf("%+v: %v, want field %q", c.config, err, c.field)
		}
	}
	if c := (bridgeport.Config{Address: "a:1", Name: "b"}); c.String() != "bridge a:1 b" || c.Speaks() != "serial" {
		t.Errorf("%s %s", c, c.Speaks())
	}
}
