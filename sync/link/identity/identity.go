package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"yipiao/sync/ticket"
)

// A Role is what kind of party a certificate names.
type Role string

// Roles. Cloud, station and site certificates are signed by the deployment root, device
// certificates by the site authority of their station.
const (
	RoleCloud   Role = "cloud"
	RoleStation Role = "station"
	RoleSite    Role = "site"
	RoleDevice  Role = "device"
)

const scheme = "yipiao"

// maxDevice is the largest length of a device id in a name.
const maxDevice = 64

// Errors that a caller branches on.
var (
	// ErrNoCertificate is returned when the other side has shown no certificate.
	ErrNoCertificate = errors.New("identity: no certificate")
	// ErrRole is returned when a good certificate names a party that it may not name, or not the
	// party that is wanted here.
	ErrRole = errors.New("identity: role does not fit")
)

// An Identity is the party that a certificate names.
type Identity struct {
	Role    Role
	Tenant  ticket.TenantID
	Station ticket.StationID // of stations, sites and devices
	Device  string           // of devices: the id in its station's registry
}

// URI is the name as it stands in a certificate: yipiao://<tenant>/cloud, …/station/<id>,
// …/site/<station> or …/device/<station>/<id>.
func (id Identity) URI() *url.URL {
	path := "/" + string(id.Role)
	switch id.Role {
	case RoleStation, RoleSite:
		path += "/" + decimal(id.Station)
	case RoleDevice:
		path += "/" + decimal(id.Station) + "/" + id.Device
	case RoleCloud:
	}
	return &url.URL{Scheme: scheme, Host: decimal(id.Tenant), Path: path}
}

func decimal[T ~uint32](n T) string { return strconv.FormatUint(uint64(n), 10) }

// Parse is the strict inverse of URI: every identity has exactly one spelling.
func Parse(u *url.URL) (Identity, error) {
	var id Identity
	bad := func(why string) (Identity, error) { return Identity{}, fmt.Errorf("%w: name %q: %s", ErrRole, u, why) }
	if u.Scheme != scheme {
		return bad("scheme is not " + scheme)
	}
	tenant, err := strconv.ParseUint(u.Host, 10, 32)
	if err != nil || tenant == 0 {
		return bad("tenant is not a number from 1")
	}
	id.Tenant = ticket.TenantID(tenant)
	parts := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	id.Role = Role(parts[0])
	want, known := map[Role]int{RoleCloud: 1, RoleStation: 2, RoleSite: 2, RoleDevice: 3}[id.Role]
	if !known || len(parts) != want {
		return bad("path is not cloud, station/<id>, site/<station> or device/<station>/<id>")
	}
	if want > 1 {
		n, err := strconv.ParseUint(parts[1], 10, 32)
		if err != nil || n == 0 {
			return bad("station is not a number from 1")
		}
		id.Station = ticket.StationID(n)
	}
	if want > 2 {
		if id.Device = parts[2]; !validDevice(id.Device) {
			return bad("device id is not 1 to 64 letters, digits and hyphens")
		}
	}
	if id.URI().String() != u.String() {
		return bad("not in its one spelling")
	}
	return id, nil
}

func validDevice(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxDevice
}

// Of returns whom a certificate names, without asking who issued it.
func Of(cert *x509.Certificate) (Identity, error) {
	if len(cert.URIs) != 1 {
		return Identity{}, fmt.Errorf("%w: certificate has %d names of ours, want 1", ErrRole, len(cert.URIs))
	}
	return Parse(cert.URIs[0])
}

// FromChain returns whom a verified chain (leaf first, deployment root last) belongs to. It returns
// ErrRole unless the role fits the issuer: cloud, station and site from the root, a device from the
// site authority of the station in its name (architecture.md section 5, rule 1).
func FromChain(chain []*x509.Certificate) (Identity, error) {
	if len(chain) < 2 {
		return Identity{}, fmt.Errorf("%w: chain of %d certificates", ErrRole, len(chain))
	}
	id, err := Of(chain[0])
	if err != nil {
		return Identity{}, err
	}
	if chain[0].IsCA != (id.Role == RoleSite) {
		return Identity{}, fmt.Errorf("%w: %s is or is not an authority", ErrRole, id.URI())
	}
	if id.Role != RoleDevice {
		if len(chain) != 2 {
			return Identity{}, fmt.Errorf("%w: %s is not signed by the root itself", ErrRole, id.URI())
		}
		return id, nil
	}
	site, err := Of(chain[1])
	if err != nil || len(chain) != 3 || site.Role != RoleSite || site.Tenant != id.Tenant || site.Station != id.Station {
		return Identity{}, fmt.Errorf("%w: %s is not signed by its site", ErrRole, id.URI())
	}
	return id, nil
}

// FromState returns whom the other side of a connection is. It returns ErrNoCertificate when none
// was shown, and ErrRole as FromChain does. The connection must come from one of the configurations
// of this package.
func FromState(cs *tls.ConnectionState) (Identity, error) {
	if cs == nil || len(cs.PeerCertificates) == 0 {
		return Identity{}, ErrNoCertificate
	}
	if len(cs.VerifiedChains) == 0 {
		return Identity{}, fmt.Errorf("%w: certificate was not verified", ErrRole)
	}
	var err error
	for _, chain := range cs.VerifiedChains {
		var id Identity
		if id, err = FromChain(chain); err == nil {
			return id, nil
		}
	}
	return Identity{}, err
}
