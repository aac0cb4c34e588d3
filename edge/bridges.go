package edge

import (
	"crypto/hmac"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"yipiao/drivers/port/bridgeport"
	"yipiao/edge/internal/fleet"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
)

// errRevoked ends a port of a bridge whose row in the registry no longer lets it serve.
var errRevoked = errors.New("the bridge is not registered here, or has been revoked")

// bridges is the station's side of bridges: who may be one, and how the station calls them.
type bridges struct {
	st   *Station
	site *identity.Authority

	mu  sync.Mutex // guards the field below
	own *tls.Certificate
}

func (s *Station) assembleBridges() error {
	s.bridges = &bridges{st: s, site: &identity.Authority{Cert: s.id.Site[0], Key: s.id.SiteKey}}
	if _, err := s.bridges.caller(); err != nil {
		return err
	}
	s.devices.Trust(bridgeport.Trust{TLS: s.bridges.tls, Allowed: s.bridges.allowed, Renew: s.bridges.renew})
	return nil
}

// caller is the certificate with which the station calls devices, issued by itself and renewed in time. Together
// with an error it returns the old one, if there is one.
func (b *bridges) caller() (*tls.Certificate, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own != nil && b.st.now().Add(identity.DeviceLife/2).Before(b.own.Leaf.NotAfter) {
		return b.own, nil
	}
	key, err := identity.NewKey()
	if err != nil {
		return b.own, err
	}
	csr, err := identity.NewCSR(key)
	if err != nil {
		return b.own, err
	}
	cert, err := b.site.IssueDevice(csr, identity.StationDevice, b.st.now())
	if err != nil {
		return b.own, fmt.Errorf("certificate for bridges: %w", err)
	}
	b.own = identity.Keypair(key, append([]*x509.Certificate{cert}, b.st.id.Site...)...)
	return b.own, nil
}

// tls is the configuration of the next call.
func (b *bridges) tls() *tls.Config {
	own, err := b.caller()
	if err != nil { // the old one may still do
		b.st.log.Error("certificate for bridges not renewed", "error", err)
	}
	self := identity.Identity{Tenant: b.st.id.Tenant, Station: b.st.id.Station}
	return identity.DeviceClientTLS(own, b.st.id.Root, self, b.st.now, b.registered)
}

// registered refuses a device that is not, or no longer, a bridge of this station.
func (b *bridges) registered(device string) error {
	d, ok := b.st.fleet.Known(device)
	if !ok || !d.Permitted(fleet.MayBridge, "") {
		return errRevoked
	}
	return nil
}

func (b *bridges) allowed(cert *x509.Certificate) error {
	id, err := identity.Of(cert)
	if err != nil {
		return err
	}
	return b.registered(id.Device)
}

// renew issues the next certificate for a bridge that serves.
func (b *bridges) renew(cert *x509.Certificate, csr []byte) ([]byte, error) {
	id, err := identity.Of(cert)
	if err == nil {
		err = b.registered(id.Device)
	}
	if err != nil {
		return nil, err
	}
	b.st.note(ticket.FactOperatorAction, ticket.Note{Subject: id.Device, State: "bridge_renewed"})
	return b.issue(csr, id.Device)
}

// issue certifies a bridge; what it answers begins with the certificate and ends with the root.
func (b *bridges) issue(csr []byte, device string) ([]byte, error) {
	cert, err := b.site.IssueDevice(csr, device, b.st.now())
	if err != nil {
		return nil, err
	}
	return identity.EncodeCerts(cert, b.site.Cert, b.st.id.Root), nil
}

// Invite implements lanapi.Bridges.
func (b *bridges) Invite(name, address, by string) (string, time.Time, error) {
	if address == "" {
		address = b.st.cfg.lanAddress()
	}
	code, err := identity.NewDeviceCode(address, identity.RootHash(b.site.Cert))
	if err != nil {
		return "", time.Time{}, &ticket.FieldError{
			Field: "address", Want: "驿站在局域网中的 地址:端口 (the station's host:port on the LAN)", Code: "bad_address",
		}
	}
	until := time.Now().Add(identity.DeviceCodeLife)
	err = b.st.fleet.Invite(fleet.Invitation{Code: code.ID(), Secret: code.Secret(), Name: name, By: by, Until: until})
	if err != nil {
		return "", time.Time{}, err
	}
	b.st.note(ticket.FactOperatorAction, ticket.Note{Subject: code.ID(), State: "bridge_code_made", Text: by})
	return code.String(), until, nil
}

// lanAddress is where others find this station: where it listens, or the first of its further names.
func (c *Config) lanAddress() string {
	host, port, err := net.SplitHostPort(c.Listen.LAN)
	if ip := net.ParseIP(host); err != nil || host != "" && (ip == nil || !ip.IsUnspecified()) {
		return c.Listen.LAN
	}
	for _, h := range c.Listen.Hosts {
		return net.JoinHostPort(h, port)
	}
	return ""
}

// Join implements lanapi.Bridges.
func (b *bridges) Join(code string, proof, csr []byte) (string, []byte, error) {
	done, err := b.st.fleet.Join(code, csr,
		func(secret []byte) bool { return hmac.Equal(identity.DeviceProof(secret, csr), proof) },
		func(id string) ([]byte, error) { return b.issue(csr, id) })
	if err != nil {
		return "", nil, err
	}
	if !done.Again {
		b.st.note(ticket.FactOperatorAction, ticket.Note{Subject: done.Device.ID, State: "bridge_added", Text: done.By})
	}
	return done.Device.ID, done.Certificate, nil
}

// Devices implements lanapi.Bridges.
func (b *bridges) Devices() []fleet.Device { return b.st.fleet.Devices() }

// Revoke implements lanapi.Bridges. A bridge's open ports end within a second.
func (b *bridges) Revoke(id, by string) error {
	if err := b.st.fleet.Revoke(id); err != nil {
		return err
	}
	b.st.note(ticket.FactOperatorAction, ticket.Note{Subject: id, State: "device_revoked", Text: by})
	return nil
}
