package identity_test

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
)

func TestDeviceCode_IsNoStationsCode(t *testing.T) {
	c, err := identity.NewDeviceCode("192.168.1.10:8443", ticket.PayloadHash("site"))
	if err != nil || !strings.HasPrefix(c.String(), "D1/192.168.1.10:8443/") {
		t.Fatalf("%s, %v", c, err)
	}
	back, err := identity.ParseDeviceCode(strings.ToLower(c.String()))
	if err != nil || back != c {
		t.Errorf("%+v, %v", back, err)
	}
	var fe *ticket.FieldError
	if _, err := identity.ParseCode(c.String()); !errors.As(err, &fe) || fe.Code != "bad_enrol_code_shape" {
		t.Errorf("as a station's: %v", err)
	}
	station, err := identity.ParseCode("E1" + c.String()[2:])
	if err != nil || station.ID() == c.ID() || string(station.Secret()) == string(c.Secret()) {
		t.Errorf("the same digits have the same secret as a station's, %v", err)
	}
}

func TestCheckDevice(t *testing.T) {
	root := newRoot(t)
	s, other := site(t, root, 7, 3), site(t, root, 7, 4)
	der, key := csr(t)
	cert, err := s.IssueDevice(der, "d1", now)
	if err != nil {
		t.Fatal(err)
	}
	chain := append(chainOf(cert, s), root.Cert)
	id, err := identity.CheckDevice(chain, root.Cert, &key.PublicKey, now)
	if want := (identity.Identity{Role: identity.RoleDevice, Tenant: 7, Station: 3, Device: "d1"}); err != nil || id != want {
		t.Errorf("%+v, %v", id, err)
	}
	_, strange := csr(t)
	if _, err := identity.CheckDevice(chain, root.Cert, &strange.PublicKey, now); err == nil {
		t.Error("a certificate for another key")
	}
	if _, err := identity.CheckDevice(chain, root.Cert, &key.PublicKey, now.Add(identity.DeviceLife+time.Minute)); err == nil {
		t.Error("a certificate that has ended")
	}
	if _, err := identity.CheckDevice(append(chainOf(cert, other), root.Cert), root.Cert, &key.PublicKey, now); err == nil {
		t.Error("below another site")
	}
	if _, err := identity.CheckDevice(nil, root.Cert, &key.PublicKey, now); !errors.Is(err, identity.ErrNoCertificate) {
		t.Errorf("nothing: %v", err)
	}
	lan, err := s.IssueLAN(der, []string{"x"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identity.CheckDevice(chainOf(lan, s), root.Cert, &key.PublicKey, now); err == nil {
		t.Error("a server's certificate passes for a device's")
	}
}

func chainOf(leaf *x509.Certificate, s *identity.Authority) []*x509.Certificate {
	return []*x509.Certificate{leaf, s.Cert}
}
