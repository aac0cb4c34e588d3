package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net/url"
	"testing"
	"time"

	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
)

var now = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)

func csr(t *testing.T) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := identity.NewCSR(key)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

func newRoot(t *testing.T) *identity.Authority {
	t.Helper()
	root, err := identity.NewRoot(now)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// issued returns what an issuing call gives for a fresh key, as an authority of its own.
func issued(t *testing.T, issue func(csr []byte) (*x509.Certificate, error)) *identity.Authority {
	t.Helper()
	der, key := csr(t)
	cert, err := issue(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity.Authority{Cert: cert, Key: key}
}

func site(t *testing.T, root *identity.Authority, tenant ticket.TenantID, station ticket.StationID) *identity.Authority {
	t.Helper()
	return issued(t, func(c []byte) (*x509.Certificate, error) { return root.IssueSite(c, tenant, station, now) })
}

func TestParse_OneSpelling(t *testing.T) {
	for text, want := range map[string]identity.Identity{
		"yipiao://7/cloud":         {Role: identity.RoleCloud, Tenant: 7},
		"yipiao://7/station/12":    {Role: identity.RoleStation, Tenant: 7, Station: 12},
		"yipiao://7/site/12":       {Role: identity.RoleSite, Tenant: 7, Station: 12},
		"yipiao://7/device/12/h-3": {Role: identity.RoleDevice, Tenant: 7, Station: 12, Device: "h-3"},
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := identity.Parse(u); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
		if got := want.URI().String(); got != text {
			t.Errorf("%+v is written %s, want %s", want, got, text)
		}
	}
	for _, text := range []string{
		"https://7/cloud", "yipiao://0/cloud", "yipiao:///cloud", "yipiao://7/", "yipiao://7/station", "yipiao://7/station/0",
		"yipiao://7/station/x", "yipiao://7/station/012", "yipiao://07/cloud", "yipiao://7/cloud/1", "yipiao://7/device/1",
		"yipiao://7/device/1/a%2Fb", "yipiao://7/device/1/", "yipiao://7/cloud?x=1", "yipiao://7/cloud#x", "yipiao://u@7/cloud",
		"yipiao://4294967296/cloud", "yipiao://7/root", "yipiao://7/station/1/",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := identity.Parse(u); !errors.Is(err, identity.ErrRole) {
			t.Errorf("%s was read as %+v, %v", text, got, err)
		}
	}
}

func TestFromChain_RoleMustFitTheIssuer(t *testing.T) {
	root := newRoot(t)
	site1, site2 := site(t, root, 7, 1), site(t, root, 7, 2)
	cloud := issued(t, func(c []byte) (*x509.Certificate, error) { return root.IssueCloud(c, 7, []string{"c"}, now) })
	station := issued(t, func(c []byte) (*x509.Certificate, error) { return root.IssueStation(c, 7, 1, now) })
	device := issued(t, func(c []byte) (*x509.Certificate, error) { return site1.IssueDevice(c, "h-3", now) })
	lan := issued(t, func(c []byte) (*x509.Certificate, error) { return site1.IssueLAN(c, []string{"10.0.0.1"}, now) })
	// A site authority that signs what only the root may.
	byGate := issued(t, func(c []byte) (*x509.Certificate, error) { return site1.IssueStation(c, 7, 1, now) })
	chain := func(as ...*identity.Authority) (out []*x509.Certificate) {
		for _, a := range as {
			out = append(out, a.Cert)
		}
		return out
	}
	for _, c := range []struct {
		name  string
		chain []*x509.Certificate
		want  identity.Identity
	}{
		{"cloud", chain(cloud, root), identity.Identity{Role: identity.RoleCloud, Tenant: 7}},
		{"station", chain(station, root), identity.Identity{Role: identity.RoleStation, Tenant: 7, Station: 1}},
		{"site", chain(site1, root), identity.Identity{Role: identity.RoleSite, Tenant: 7, Station: 1}},
		{"device", chain(device, site1, root), identity.Identity{Role: identity.RoleDevice, Tenant: 7, Station: 1, Device: "h-3"}},
		{"device under another site", chain(device, site2, root), identity.Identity{}},
		{"device under the root", chain(device, root), identity.Identity{}},
		{"station under a site", chain(byGate, site1, root), identity.Identity{}},
		{"network certificate", chain(lan, site1, root), identity.Identity{}},
		{"root alone", chain(root), identity.Identity{}},
		{"nothing", nil, identity.Identity{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := identity.FromChain(c.chain)
			if got != c.want || (err == nil) != (c.want.Role != "") || (err != nil && !errors.Is(err, identity.ErrRole)) {
				t.Fatalf("%+v, %v, want %+v", got, err, c.want)
			}
		})
	}
	if _, err := root.IssueLAN(nil, []string{"x"}, now); err == nil {
		t.Error("the root issued a network certificate")
	}
	if _, err := site1.IssueDevice(nil, "a/b", now); err == nil {
		t.Error("a device id with a slash was accepted")
	}
}

func TestIssue_LivesAndPathLength(t *testing.T) {
	root := newRoot(t)
	s := site(t, root, 7, 1)
	station := issued(t, func(c []byte) (*x509.Certificate, error) { return root.IssueStation(c, 7, 1, now) })
	late := issued(t, func(c []byte) (*x509.Certificate, error) {
		return s.IssueLAN(c, []string{"x"}, s.Cert.NotAfter.AddDate(0, -1, 0))
	})
	for name, c := range map[string]struct {
		cert *x509.Certificate
		want time.Time
	}{
		"root":                      {root.Cert, now.Add(identity.RootLife)},
		"site":                      {s.Cert, now.Add(identity.SiteLife)},
		"station":                   {station.Cert, now.Add(identity.StationLife)},
		"never beyond the issuer's": {late.Cert, s.Cert.NotAfter},
	} {
		if !c.cert.NotAfter.Equal(c.want.Truncate(time.Second)) {
			t.Errorf("%s ends %s, want %s", name, c.cert.NotAfter, c.want)
		}
	}
	if !s.Cert.IsCA || !s.Cert.MaxPathLenZero || station.Cert.IsCA {
		t.Error("site must be an authority of path length 0, a station none")
	}
	pool := x509.NewCertPool()
	pool.AddCert(root.Cert)
	below := issued(t, func(c []byte) (*x509.Certificate, error) { return s.IssueSite(c, 7, 1, now) })
	leaf := issued(t, func(c []byte) (*x509.Certificate, error) { return below.IssueLAN(c, []string{"x"}, now) })
	between := x509.NewCertPool()
	between.AddCert(s.Cert)
	between.AddCert(below.Cert)
	if _, err := leaf.Cert.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, CurrentTime: now}); err == nil {
		t.Error("an authority below a site was accepted")
	}
}

func TestIssue_RefusesOtherKeysAndBrokenRequests(t *testing.T) {
	root := newRoot(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := identity.NewCSR(p384)
	if err != nil {
		t.Fatal(err)
	}
	broken, _ := csr(t)
	broken[len(broken)-1] ^= 1
	for name, der := range map[string][]byte{"P-384": other, "signature": broken, "garbage": []byte("x"), "empty": nil} {
		if _, err := root.IssueStation(der, 7, 1, now); err == nil {
			t.Errorf("%s was certified", name)
		}
	}
}

func TestPEM_RoundTrip(t *testing.T) {
	root := newRoot(t)
	s := site(t, root, 7, 1)
	certs, err := identity.DecodeCerts(identity.EncodeCerts(s.Cert, root.Cert))
	if err != nil || len(certs) != 2 || !certs[0].Equal(s.Cert) || !certs[1].Equal(root.Cert) {
		t.Fatalf("certificates: %d, %v", len(certs), err)
	}
	_, key := csr(t)
	text, err := identity.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := identity.DecodeKey(text); err != nil || !back.Equal(key) {
		t.Fatalf("key: %v", err)
	}
	if _, err := identity.DecodeKey([]byte("x")); err == nil {
		t.Error("garbage was read as a key")
	}
	if _, err := identity.DecodeCerts(text); err == nil {
		t.Error("a key was read as certificates")
	}
}
