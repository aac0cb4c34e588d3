package cloud

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"yipiao/cloud/internal/seal"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
)

// Files of the data directory.
const (
	databaseFile = "cloud.db"
	keysDir      = "keys"
	rootFile     = "root.pem"    // certificate of the deployment root
	rootKeyFile  = "root.sealed" // its key, wrapped by the master key
	nodeFile     = "cloud.pem"   // certificate of this node
	nodeKeyFile  = "cloud.key"   // its key
)

// Places for which the master key seals.
const rootPlace = "root.key"

func fieldKeyPlace(tenant ticket.TenantID) string { return fmt.Sprintf("tenant.field_key/%d", tenant) }

func signKeyPlace(tenant ticket.TenantID, id ticket.KeyID) string {
	return fmt.Sprintf("sign_key.priv/%d/%d", tenant, id)
}

// writeFile writes a file that only its owner can read, whole and durably or not at all.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// makeRoot makes the deployment root of a new data directory.
func makeRoot(dir string, master *seal.Key, now time.Time) (*identity.Authority, error) {
	root, err := identity.NewRoot(now)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(root.Key)
	if err != nil {
		return nil, fmt.Errorf("make root: %w", err)
	}
	sealed, err := master.Seal(der, rootPlace)
	if err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(dir, rootKeyFile), sealed); err != nil {
		return nil, fmt.Errorf("write root: %w", err)
	}
	if err := writeFile(filepath.Join(dir, rootFile), identity.EncodeCerts(root.Cert)); err != nil {
		return nil, fmt.Errorf("write root: %w", err)
	}
	return root, nil
}

// readRoot opens the deployment root.
func readRoot(dir string, master *seal.Key) (*identity.Authority, error) {
	text, err := os.ReadFile(filepath.Join(dir, rootFile))
	if err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	certs, err := identity.DecodeCerts(text)
	if err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	sealed, err := os.ReadFile(filepath.Join(dir, rootKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	der, err := master.Open(sealed, rootPlace)
	if err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("read root: not an ECDSA key")
	}
	if !key.PublicKey.Equal(certs[0].PublicKey) {
		return nil, errors.New("read root: key and certificate do not belong together")
	}
	return &identity.Authority{Cert: certs[0], Key: key}, nil
}

// renewBefore is how long before its end the node's certificate is replaced.
const renewBefore = 30 * 24 * time.Hour

// A node keeps the certificate of the sync listener. It is safe for concurrent use.
type node struct {
	dir    string
	root   *identity.Authority
	tenant ticket.TenantID
	hosts  []string

	mu sync.Mutex
	// pair is guarded by mu.
	pair *tls.Certificate
}

// certHosts are the names and addresses under which the sync listener may be called.
func certHosts(cfg *Config) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	for _, address := range []string{cfg.Listen.Sync, cfg.Public} {
		if host, _, err := net.SplitHostPort(address); err == nil {
			hosts = append(hosts, host)
		}
	}
	var out []string
	for _, h := range append(hosts, cfg.Hosts...) {
		if ip := net.ParseIP(h); h == "" || ip != nil && ip.IsUnspecified() || slices.Contains(out, h) {
			continue
		}
		out = append(out, h)
	}
	return out
}

func (n *node) current() *tls.Certificate {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pair
}

// ensure sees to it that the certificate is good for a while and for all hosts. It reports whether a
// new one was made.
func (n *node) ensure(now time.Time) (renewed bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key, cert, err := n.read()
	if err != nil {
		return false, err
	}
	if cert == nil || !n.fits(cert, now) || !key.PublicKey.Equal(cert.PublicKey) {
		csr, err := identity.NewCSR(key)
		if err != nil {
			return false, err
		}
		if cert, err = n.root.IssueCloud(csr, n.tenant, n.hosts, now); err != nil {
			return false, err
		}
		if err := writeFile(filepath.Join(n.dir, nodeFile), identity.EncodeCerts(cert, n.root.Cert)); err != nil {
			return false, fmt.Errorf("write cloud certificate: %w", err)
		}
		renewed = true
	}
	n.pair = identity.Keypair(key, cert, n.root.Cert)
	return renewed, nil
}

func (n *node) fits(cert *x509.Certificate, now time.Time) bool {
	if cert.CheckSignatureFrom(n.root.Cert) != nil || now.Before(cert.NotBefore) || now.Add(renewBefore).After(cert.NotAfter) {
		return false
	}
	for _, h := range n.hosts {
		if cert.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}

// read returns the node's key, which it makes where there is none, and its certificate or nil.
func (n *node) read() (*ecdsa.PrivateKey, *x509.Certificate, error) {
	file := filepath.Join(n.dir, nodeKeyFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := identity.NewKey()
		if err != nil {
			return nil, nil, err
		}
		if text, err = identity.EncodeKey(key); err != nil {
			return nil, nil, err
		}
		if err := writeFile(file, text); err != nil {
			return nil, nil, fmt.Errorf("write cloud key: %w", err)
		}
		return key, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read cloud key: %w", err)
	}
	key, err := identity.DecodeKey(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read cloud key: %w", err)
	}
	text, err = os.ReadFile(filepath.Join(n.dir, nodeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return key, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read cloud certificate: %w", err)
	}
	certs, err := identity.DecodeCerts(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read cloud certificate: %w", err)
	}
	return key, certs[0], nil
}
