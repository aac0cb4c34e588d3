package identity

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"yipiao/sync/ticket"
)

// StationDevice is the device id under which a station calls the devices of its site. Its certificate comes from
// its own site authority, so that it is fresh also after a long time without the cloud. No registry has that id.
const StationDevice = "station"

// DeviceServerTLS is the configuration of a device that its station calls, such as a bridge: only the station of
// the device's own site is answered. current is asked at every handshake for the device's certificate, which says
// which site that is; now is the clock for dates.
func DeviceServerTLS(current func() *tls.Certificate, root *x509.Certificate, self Identity, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Time:                   now,
		SessionTicketsDisabled: true,
		ClientAuth:             tls.RequireAndVerifyClientCert,
		ClientCAs:              poolOf(root),
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current(), nil },
		VerifyConnection: func(cs tls.ConnectionState) error {
			id, err := FromState(&cs)
			if err != nil {
				return err
			}
			want := Identity{Role: RoleDevice, Tenant: self.Tenant, Station: self.Station, Device: StationDevice}
			if id != want {
				return fmt.Errorf("%w: the caller is %s, want %s", ErrRole, id.URI(), want.URI())
			}
			return nil
		},
	}
}

// DeviceClientTLS is the configuration of a station that calls a device of its site. own is its certificate
// (IssueDevice for StationDevice). The device is known by its certificate and not by its address: any device of the station's site
// is accepted that allowed does not refuse.
func DeviceClientTLS(own *tls.Certificate, root *x509.Certificate, self Identity, now func() time.Time, allowed func(device string) error) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Time:               now,
		Certificates:       []tls.Certificate{*own},
		InsecureSkipVerify: true, // replaced by VerifyConnection: a device's certificate has no host names
		VerifyConnection: func(cs tls.ConnectionState) error {
			id, err := verifyAs(cs.PeerCertificates, root, x509.ExtKeyUsageClientAuth, now())
			if err != nil {
				return err
			}
			if id.Role != RoleDevice || id.Tenant != self.Tenant || id.Station != self.Station || id.Device == StationDevice {
				return fmt.Errorf("%w: %s answers, want a device of station %d", ErrRole, id.URI(), self.Station)
			}
			return allowed(id.Device)
		},
	}
}

// verifyAs is whom certificates (leaf first) belong to, with their dates checked at a time.
func verifyAs(certs []*x509.Certificate, root *x509.Certificate, usage x509.ExtKeyUsage, at time.Time) (Identity, error) {
	if len(certs) == 0 {
		return Identity{}, ErrNoCertificate
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	chains, err := certs[0].Verify(x509.VerifyOptions{
		Roots: poolOf(root), Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return Identity{}, fmt.Errorf("verify device: %w", err)
	}
	return FromChain(chains[0])
}

// SiteTLS is the configuration of a program that knows nothing but the hash in its device's code: the server must
// send the site authority with that hash and be the LAN server of that site, whatever its address is called.
func SiteTLS(pin ticket.Hash, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Time:               now,
		InsecureSkipVerify: true, // replaced by VerifyConnection: the site is known only by its hash
		VerifyConnection: func(cs tls.ConnectionState) error {
			site := pinned(cs.PeerCertificates, pin)
			if site == nil {
				return errors.New("identity: the server does not belong to the site of the code")
			}
			if id, err := Of(site); err != nil || id.Role != RoleSite {
				return fmt.Errorf("%w: the code does not name a site", ErrRole)
			}
			_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: poolOf(site), CurrentTime: now()})
			if err != nil {
				return fmt.Errorf("verify server: %w", err)
			}
			return nil
		},
	}
}

// CheckDevice reports whom a device's chain (leaf first, then the site authority, the root last) names. It returns
// an error unless the chain holds at the time and is below the root, and the certificate is for the key.
func CheckDevice(chain []*x509.Certificate, root *x509.Certificate, key *ecdsa.PublicKey, at time.Time) (Identity, error) {
	id, err := verifyAs(chain, root, x509.ExtKeyUsageClientAuth, at)
	switch {
	case err != nil:
		return Identity{}, err
	case id.Role != RoleDevice:
		return Identity{}, fmt.Errorf("%w: %s is no device", ErrRole, id.URI())
	case !key.Equal(chain[0].PublicKey):
		return Identity{}, errors.New("identity: the certificate is for another key")
	}
	return id, nil
}
