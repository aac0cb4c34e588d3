package bridge

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"yipiao/drivers/port/bridgeport"
	"yipiao/drivers/port/serialport"
	"yipiao/edge/internal/devices"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/wan"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
)

// patience bounds every wait of these tests; nothing here takes that long unless it is broken.
const patience = 20 * time.Second

const tenant ticket.TenantID = 7

// A site is what a station has: a deployment root and an authority below it.
type site struct {
	t         *testing.T
	root      *identity.Authority
	authority *identity.Authority
	station   ticket.StationID
}

func newRoot(t *testing.T) *identity.Authority {
	t.Helper()
	root, err := identity.NewRoot(time.Now().Add(-500 * 24 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func newSite(t *testing.T, root *identity.Authority, station ticket.StationID) *site {
	t.Helper()
	key, csr := keyAndCSR(t)
	cert, err := root.IssueSite(csr, tenant, station, time.Now().Add(-499*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, root: root, authority: &identity.Authority{Cert: cert, Key: key}, station: station}
}

func keyAndCSR(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	csr, err := identity.NewCSR(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, csr
}

// device issues a certificate to a device at a time.
func (s *site) device(id string, at time.Time) *tls.Certificate {
	s.t.Helper()
	key, csr := keyAndCSR(s.t)
	cert, err := s.authority.IssueDevice(csr, id, at)
	if err != nil {
		s.t.Fatal(err)
	}
	return identity.Keypair(key, cert, s.authority.Cert)
}

// bridge is a device's own side, as Enrol leaves it, read at a time.
func (s *site) bridge(id string, issued, now time.Time) *Self {
	s.t.Helper()
	c := s.device(id, issued)
	self := &Self{dir: s.t.TempDir(), key: c.PrivateKey.(*ecdsa.PrivateKey), now: func() time.Time { return now }}
	if err := self.save([]*x509.Certificate{c.Leaf, s.authority.Cert, s.root.Cert}); err != nil {
		s.t.Fatal(err)
	}
	self, err := LoadSelf(self.dir, self.now)
	if err != nil {
		s.t.Fatal(err)
	}
	self.now = time.Now
	return self
}

// trust is how the site's station calls a bridge, as edge has it.
func (s *site) trust(own *tls.Certificate, allowed func(string) error) bridgeport.Trust {
	if allowed == nil {
		allowed = func(string) error { return nil }
	}
	self := identity.Identity{Tenant: tenant, Station: s.station}
	return bridgeport.Trust{
		TLS: func() *tls.Config { return identity.DeviceClientTLS(own, s.root.Cert, self, time.Now, allowed) },
		Allowed: func(c *x509.Certificate) error {
			id, err := identity.Of(c)
			if err != nil {
				return err
			}
			return allowed(id.Device)
		},
		Renew: func(c *x509.Certificate, csr []byte) ([]byte, error) {
			id, err := identity.Of(c)
			if err != nil {
				return nil, err
			}
			next, err := s.authority.IssueDevice(csr, id.Device, time.Now())
			if err != nil {
				return nil, err
			}
			return identity.EncodeCerts(next, s.authority.Cert, s.root.Cert), nil
		},
	}
}

// caller is the station's own certificate for calling.
func (s *site) caller() *tls.Certificate { return s.device(identity.StationDevice, time.Now()) }

// A kiosk is a running bridge.
type kiosk struct {
	address string
	log     *lockedBuffer
	stop    func()
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func run(t *testing.T, self *Self, ports map[string]devices.Port) *kiosk {
	t.Helper()
	k := &kiosk{log: &lockedBuffer{}}
	bound := make(chan net.Addr, 1)
	s := New(Config{Listen: "127.0.0.1:0", Ports: ports}, self, slog.New(slog.NewTextHandler(k.log, nil)), func(a net.Addr) { bound <- a })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	k.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("the bridge does not end")
		}
	})
	t.Cleanup(k.stop)
	select {
	case a := <-bound:
		k.address = a.String()
	case err := <-ended:
		t.Fatalf("Run: %v", err)
	}
	return k
}

// relay puts a stretch of network before an address that can be frozen.
func relay(t *testing.T, address string) (*wan.Relay, string) {
	t.Helper()
	r := wan.New("127.0.0.1:0", address)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	at, err := r.Addr(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r, at.String()
}

// plug runs a simulated device on a pty and returns its plug and its path.
func plug(t *testing.T, name string, dev board.Device) (*board.Board, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	b := board.New(path, 0, tape.Recorder{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, dev) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	for until := time.Now().Add(patience); !b.State().Present; {
		if time.Now().After(until) {
			t.Fatal("the simulator does not come up")
		}
	}
	return b, path
}

// A mute device reads what it is sent and says nothing.
type mute struct{}

func (mute) Serve(ctx context.Context, line *board.Line) error {
	stop := context.AfterFunc(ctx, func() { _ = line.Hush() })
	defer stop()
	for {
		if _, err := line.Read(make([]byte, 64)); err != nil {
			if ctx.Err() != nil && board.Quiet(err) {
				return nil
			}
			return err
		}
	}
}

func serial(path string) devices.Port { return devices.Port{Line: serialport.Config{Path: path}} }

var errRevoked = errors.New("revoked")
