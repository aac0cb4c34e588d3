package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"

	"yipiao/sync/ticket"
)

// Lives of certificates (architecture.md section 5).
const (
	day         = 24 * time.Hour
	RootLife    = 20 * 365 * day
	SiteLife    = 10 * 365 * day
	CloudLife   = 90 * day
	StationLife = 397 * day
	DeviceLife  = 397 * day
	LANLife     = 397 * day
)

// backdate lets a machine whose clock is a little behind accept a fresh certificate.
const backdate = 5 * time.Minute

// An Authority signs certificates: the deployment root, or the site authority of a station.
type Authority struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// NewKey makes an ECDSA P-256 key. Keys are made where they are used and never travel.
func NewKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, nil
}

// NewCSR returns a certificate signing request (DER) for key. It carries the public key and the
// proof of possession only: who the key belongs to is decided by the authority.
func NewCSR(key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("make signing request: %w", err)
	}
	return der, nil
}

// NewRoot makes a deployment root that is valid from now for RootLife.
func NewRoot(now time.Time) (*Authority, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	tag := make([]byte, 4)
	if _, err := rand.Read(tag); err != nil {
		return nil, fmt.Errorf("make root: %w", err)
	}
	tmpl := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Yipiao Root " + hex.EncodeToString(tag)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLen:            1,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	cert, err := sign(tmpl, &Authority{Cert: tmpl, Key: key}, key.Public(), now, RootLife)
	if err != nil {
		return nil, fmt.Errorf("make root: %w", err)
	}
	return &Authority{Cert: cert, Key: key}, nil
}

// RootHash is what an enrolment code pins: SHA-256/128 of the root's DER.
func RootHash(root *x509.Certificate) ticket.Hash { return ticket.PayloadHash(string(root.Raw)) }

// IssueCloud certifies the key of csr as a cloud node of the tenant that is reached under hosts
// (names or IP addresses), for CloudLife.
func (a *Authority) IssueCloud(csr []byte, tenant ticket.TenantID, hosts []string, now time.Time) (*x509.Certificate, error) {
	tmpl := named(Identity{Role: RoleCloud, Tenant: tenant}, x509.ExtKeyUsageServerAuth)
	if len(hosts) == 0 {
		return nil, fmt.Errorf("issue cloud certificate: no host name or address")
	}
	setHosts(tmpl, hosts)
	return a.issue(tmpl, csr, now, CloudLife)
}

// IssueStation certifies the key of csr as the station, for StationLife. A station is a client of
// the cloud, and client and server of its peers.
func (a *Authority) IssueStation(csr []byte, tenant ticket.TenantID, station ticket.StationID, now time.Time) (*x509.Certificate, error) {
	tmpl := named(Identity{Role: RoleStation, Tenant: tenant, Station: station},
		x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)
	return a.issue(tmpl, csr, now, StationLife)
}

// IssueSite certifies the key of csr as the site authority of a station: path length 0, for SiteLife.
func (a *Authority) IssueSite(csr []byte, tenant ticket.TenantID, station ticket.StationID, now time.Time) (*x509.Certificate, error) {
	tmpl := named(Identity{Role: RoleSite, Tenant: tenant, Station: station},
		x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)
	tmpl.IsCA, tmpl.MaxPathLenZero = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign
	return a.issue(tmpl, csr, now, SiteLife)
}

// IssueLAN certifies the key of csr as the server of the site's own network under hosts, for
// LANLife. It names no party: it can never speak for a station towards the cloud.
func (a *Authority) IssueLAN(csr []byte, hosts []string, now time.Time) (*x509.Certificate, error) {
	if _, err := a.site(); err != nil {
		return nil, err
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("issue network certificate: no host name or address")
	}
	tmpl := &x509.Certificate{
		Subject:     pkix.Name{CommonName: hosts[0]},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	setHosts(tmpl, hosts)
	return a.issue(tmpl, csr, now, LANLife)
}

// IssueDevice certifies the key of csr as a device of the site's station, for DeviceLife.
func (a *Authority) IssueDevice(csr []byte, device string, now time.Time) (*x509.Certificate, error) {
	site, err := a.site()
	if err != nil {
		return nil, err
	}
	if !validDevice(device) {
		return nil, fmt.Errorf("issue device certificate: id is not 1 to %d letters, digits and hyphens", maxDevice)
	}
	id := Identity{Role: RoleDevice, Tenant: site.Tenant, Station: site.Station, Device: device}
	return a.issue(named(id, x509.ExtKeyUsageClientAuth), csr, now, DeviceLife)
}

func (a *Authority) site() (Identity, error) {
	id, err := Of(a.Cert)
	if err != nil {
		return id, err
	}
	if id.Role != RoleSite {
		return id, fmt.Errorf("%w: %s is not a site authority", ErrRole, id.URI())
	}
	return id, nil
}

func named(id Identity, usage ...x509.ExtKeyUsage) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: id.URI().String()},
		URIs:                  []*url.URL{id.URI()},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           usage,
		BasicConstraintsValid: true,
	}
}

func setHosts(tmpl *x509.Certificate, hosts []string) {
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, h)
		}
	}
}

// issue takes nothing from the request but the public key, after its proof of possession.
func (a *Authority) issue(tmpl *x509.Certificate, csr []byte, now time.Time, life time.Duration) (*x509.Certificate, error) {
	req, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("read signing request: %w", err)
	}
	if err := req.CheckSignature(); err != nil {
		return nil, fmt.Errorf("signing request: %w", err)
	}
	pub, ok := req.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, fmt.Errorf("signing request: key is not ECDSA P-256")
	}
	return sign(tmpl, a, pub, now, life)
}

func sign(tmpl *x509.Certificate, a *Authority, pub crypto.PublicKey, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	tmpl.SerialNumber = serial.Add(serial, big.NewInt(1))
	tmpl.NotBefore, tmpl.NotAfter = now.Add(-backdate), now.Add(life)
	if last := a.Cert.NotAfter; a.Cert != tmpl && last.Before(tmpl.NotAfter) {
		tmpl.NotAfter = last
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.Cert, pub, a.Key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
