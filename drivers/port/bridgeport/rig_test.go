package bridgeport_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"yipiao/drivers/port"
	"yipiao/drivers/port/bridgeport"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/wan"
)

// patience bounds every wait of these tests; nothing here takes that long unless it is broken.
const patience = 20 * time.Second

// certificate signs itself: who trusts whom is not this package's business.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func asServer(t *testing.T) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate(t)}, ClientAuth: tls.RequireAnyClientCert}
}

func asClient(t *testing.T) bridgeport.Trust {
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate(t)}, InsecureSkipVerify: true}
	return bridgeport.Trust{
		TLS:     func() *tls.Config { return cfg },
		Allowed: func(*x509.Certificate) error { return nil },
		Renew:   func(*x509.Certificate, []byte) ([]byte, error) { return nil, errors.New("no") },
	}
}

// A rig is a bridge with one port, whose far end is in the test's hand, and a station's port over it.
type rig struct {
	t       *testing.T
	station *bridgeport.Port
	device  board.Conn
	session *bridgeport.Session
	ended   chan error // of Serve
	network *wan.Relay
}

// A wiring is what differs between rigs.
type wiring struct {
	line    string
	local   port.Port // nil for a pipe of bytes
	device  board.Conn
	trust   *bridgeport.Trust
	renewal bridgeport.Renewal
	relay   bool
}

func connect(t *testing.T, w wiring) *rig {
	t.Helper()
	before := runtime.NumGoroutine()
	files := descriptors(t)
	if w.local == nil {
		host, device := board.Pipe(fmt.Errorf("pipe: %w", port.ErrGone))
		w.local, w.device = host, device
	}
	r := &rig{t: t, device: w.device, ended: make(chan error, 1)}
	l := listen(t)
	accepted := make(chan *bridgeport.Session, 1)
	go func() {
		defer close(accepted)
		raw, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		s, err := bridgeport.Accept(context.Background(), raw, asServer(t))
		if err != nil {
			t.Error(err)
			return
		}
		accepted <- s
		r.ended <- s.Serve(context.Background(), w.local, w.renewal)
	}()
	address := l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	relayed := make(chan error, 1)
	if w.relay {
		r.network = wan.New("127.0.0.1:0", address)
		go func() { relayed <- r.network.Run(ctx) }()
		at, err := r.network.Addr(ctx)
		if err != nil {
			t.Fatal(err)
		}
		address = at.String()
	} else {
		relayed <- nil
	}
	if w.trust == nil {
		trust := asClient(t)
		w.trust = &trust
	}
	p, err := bridgeport.Open(t.Context(), bridgeport.Config{Address: address, Name: "thing-1", Line: w.line}, *w.trust)
	if err != nil {
		t.Fatal(err)
	}
	r.station, r.session = p, <-accepted
	if r.session.Name() != "thing-1" {
		t.Errorf("wanted: %q", r.session.Name())
	}
	t.Cleanup(func() {
		_ = p.Close()
		r.session.Close()
		_ = w.device.Close()
		select {
		case <-r.ended:
		case <-time.After(patience):
			t.Error("the bridge's session has not ended")
		}
		cancel()
		<-relayed
		_ = l.Close()
		settle(t, "goroutines", before, runtime.NumGoroutine)
		settle(t, "descriptors", files, func() int { return descriptors(t) })
	})
	return r
}

// end waits for the bridge's session and gives its answer back for the cleanup.
func (r *rig) end() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(patience):
		r.t.Fatal("the bridge's session has not ended")
		return nil
	}
}

// settle waits until a count has come down to what it was.
func settle(t *testing.T, what string, want int, count func() int) {
	t.Helper()
	for until := time.Now().Add(patience); count() > want; runtime.Gosched() {
		if time.Now().After(until) {
			t.Errorf("%d %s, before %d", count(), what, want)
			return
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// A counted port counts how much is written to it.
type counted struct {
	port.Port
	written atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Port.Write(b)
	c.written.Add(int64(n))
	return n, err
}
