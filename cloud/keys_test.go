package cloud

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"yipiao/cloud/internal/seal"
	"yipiao/sync/link/identity"
)

func TestNode_CertificateIsRenewedInTimeAndForNewNames(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	root, err := identity.NewRoot(now)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{dir: dir, root: root, tenant: 1, hosts: []string{"127.0.0.1"}}
	for _, c := range []struct {
		name    string
		after   time.Duration
		change  func()
		renewed bool
	}{
		{"first", 0, func() {}, true},
		{"again", time.Minute, func() {}, false},
		{"after a restart", time.Hour, func() { n = &node{dir: dir, root: root, tenant: 1, hosts: n.hosts} }, false},
		{"31 days left", identity.CloudLife - renewBefore - 24*time.Hour, func() {}, false},
		{"30 days left", identity.CloudLife - renewBefore + time.Minute, func() {}, true},
		{"another name", identity.CloudLife - renewBefore + time.Hour, func() { n.hosts = append(n.hosts, "c.example.cn") }, true},
	} {
		c.change()
		at := now.Add(c.after)
		renewed, err := n.ensure(at)
		if err != nil || renewed != c.renewed {
			t.Fatalf("%s: renewed %v, %v", c.name, renewed, err)
		}
		leaf := n.current().Leaf
		if at.After(leaf.NotAfter) || leaf.VerifyHostname(n.hosts[len(n.hosts)-1]) != nil || leaf.CheckSignatureFrom(root.Cert) != nil {
			t.Fatalf("%s: the certificate does not fit", c.name)
		}
	}
}

func TestRoot_NeedsItsMasterKeyAndItsCertificate(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	master, err := seal.CreateMaster(filepath.Join(dir, "a.key"))
	if err != nil {
		t.Fatal(err)
	}
	made, err := makeRoot(dir, master, now)
	if err != nil {
		t.Fatal(err)
	}
	read, err := readRoot(dir, master)
	if err != nil || !read.Cert.Equal(made.Cert) {
		t.Fatalf("read back: %v", err)
	}
	other, err := seal.CreateMaster(filepath.Join(dir, "b.key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readRoot(dir, other); err == nil {
		t.Fatal("another master key opened the root")
	}
	stranger, err := identity.NewRoot(now)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, rootFile), identity.EncodeCerts(stranger.Cert)); err != nil {
		t.Fatal(err)
	}
	if _, err := readRoot(dir, master); err == nil {
		t.Fatal("key and certificate of two roots were taken for one")
	}
}

func TestCertHosts_LeavesOutWildcardsAndRepeats(t *testing.T) {
	cfg := &Config{Listen: Listen{Sync: "0.0.0.0:9443"}, Public: "cloud.example.cn:9443", Hosts: []string{"127.0.0.1", "10.0.0.9"}}
	got := certHosts(cfg)
	want := []string{"localhost", "127.0.0.1", "::1", "cloud.example.cn", "10.0.0.9"}
	if len(got) != len(want) {
		t.Fatalf("hosts %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] || net.ParseIP(got[i]).IsUnspecified() {
			t.Fatalf("hosts %v, want %v", got, want)
		}
	}
}
