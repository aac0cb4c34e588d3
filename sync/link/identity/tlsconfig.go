package identity

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"yipiao/sync/ticket"
)

// Keypair joins a certificate chain (leaf first, the root last, so that an enrolling station can
// match it with its pinned hash) and its key.
func Keypair(key crypto.Signer, chain ...*x509.Certificate) *tls.Certificate {
	c := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, cert := range chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c
}

// ServerTLS is the configuration of a listener on which a client may show a certificate. One that is
// shown must end at the root and fit its issuer, or the handshake fails; whether one is needed is
// each route's business (FromState). current is asked at every handshake; now is the clock for dates.
func ServerTLS(current func() *tls.Certificate, root *x509.Certificate, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		Time:       now,
		ClientAuth: tls.VerifyClientCertIfGiven,
		ClientCAs:  poolOf(root),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return current(), nil
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return nil
			}
			_, err := FromState(&cs)
			return err
		},
	}
}

// ClientTLS is the configuration of a station that calls its cloud: it trusts the root only, never
// the web's authorities, and accepts a cloud node of its own tenant only. own is the station's
// certificate.
func ClientTLS(root *x509.Certificate, own *tls.Certificate, tenant ticket.TenantID, now func() time.Time) *tls.Config {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13,
		Time:       now,
		RootCAs:    poolOf(root),
		VerifyConnection: func(cs tls.ConnectionState) error {
			id, err := FromState(&cs)
			if err != nil {
				return err
			}
			return isCloud(id, tenant)
		},
	}
	if own != nil {
		cfg.Certificates = []tls.Certificate{*own}
	}
	return cfg
}

// EnrolTLS is the configuration of a machine that knows nothing but the hash in its enrolment code:
// the server must send a root with that hash and prove to be a cloud node under it.
func EnrolTLS(pin ticket.Hash, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Time:               now,
		InsecureSkipVerify: true, // replaced by VerifyConnection: the root is known only by its hash
		VerifyConnection: func(cs tls.ConnectionState) error {
			root := pinned(cs.PeerCertificates, pin)
			if root == nil {
				return fmt.Errorf("identity: the server does not belong to the deployment of the enrolment code")
			}
			id, err := verify(&cs, root, now())
			if err != nil {
				return err
			}
			return isCloud(id, id.Tenant)
		},
	}
}

// UndatedTLS is ClientTLS for the one question that a machine with a wrong clock may ask, the time:
// everything is checked but the dates (architecture.md section 5, rule 8). The handshake's own
// signature over the client's random bytes makes the answer fresh.
func UndatedTLS(root *x509.Certificate, tenant ticket.TenantID) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // replaced by VerifyConnection, which leaves out the dates only
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return ErrNoCertificate
			}
			at := cs.PeerCertificates[0].NotBefore
			if at.Before(root.NotBefore) {
				at = root.NotBefore
			}
			id, err := verify(&cs, root, at)
			if err != nil {
				return err
			}
			return isCloud(id, tenant)
		},
	}
}

func isCloud(id Identity, tenant ticket.TenantID) error {
	if id.Role != RoleCloud || id.Tenant != tenant {
		return fmt.Errorf("%w: the server is %s, want the cloud of tenant %d", ErrRole, id.URI(), tenant)
	}
	return nil
}

func pinned(certs []*x509.Certificate, pin ticket.Hash) *x509.Certificate {
	for _, c := range certs {
		if RootHash(c) == pin {
			return c
		}
	}
	return nil
}

func verify(cs *tls.ConnectionState, root *x509.Certificate, at time.Time) (Identity, error) {
	between := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		between.AddCert(c)
	}
	chains, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{
		DNSName: cs.ServerName, Roots: poolOf(root), Intermediates: between, CurrentTime: at,
	})
	if err != nil {
		return Identity{}, fmt.Errorf("verify server: %w", err)
	}
	return FromChain(chains[0])
}

func poolOf(root *x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool
}
