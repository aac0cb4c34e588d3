// Package enrol makes a machine a station: it makes the keys, uses the one-time code, and keeps what
// came of it in the data directory. It must not know what a station does with its identity.
package enrol

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
)

// ErrNotEnrolled is returned by Load for a directory without an identity.
var ErrNotEnrolled = errors.New("本站尚未登记到云端：请用一次性码运行 yipiao enroll (station is not enrolled)")

// ErrEnrolled is returned by Enrol for a directory that already has one.
var ErrEnrolled = errors.New("本站已经登记过 (station is already enrolled)")

// An Identity is who this station is. Private keys never leave its directory.
type Identity struct {
	Tenant   ticket.TenantID  `json:"tenant"`
	Station  ticket.StationID `json:"station"`
	Venue    string           `json:"venue"`
	Cloud    string           `json:"cloud"` // host:port of the cloud's sync listener
	Epoch    uint32           `json:"epoch"` // journal epoch
	Enrolled int64            `json:"enrolled_ms"`
	// BackupRecipient is the tenant's key for backups (age1…); "" when the cloud has told none.
	BackupRecipient string `json:"backup_recipient,omitempty"`

	Root     *x509.Certificate   `json:"-"`
	Chain    []*x509.Certificate `json:"-"` // station certificate first
	Key      *ecdsa.PrivateKey   `json:"-"`
	Site     []*x509.Certificate `json:"-"` // site authority first
	SiteKey  *ecdsa.PrivateKey   `json:"-"`
	DataKey  []byte              `json:"-"` // 32 bytes
	ChainKey []byte              `json:"-"`
}

// Files below the data directory. keys/ is readable by the station's account only; without a TPM that
// is all that seals them, and the maintenance page says so.
const (
	identityFile = "identity.json"
	keysDir      = "keys"
	keyFile      = "keys/station.key"
	siteKeyFile  = "keys/site.key"
	dataKeyFile  = "keys/data.key"
	chainKeyFile = "keys/chain.key"
	chainFile    = "station.pem"
	siteFile     = "site.pem"
	rootFile     = "root.pem"
)

// Enrol uses a one-time code. It can be repeated after any failure: the keys are made once and kept,
// and the same request gets the same answer. identity.json is written last.
func Enrol(ctx context.Context, dir, codeText string) (*Identity, error) {
	code, err := identity.ParseCode(codeText)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, identityFile)); err == nil {
		return nil, ErrEnrolled
	}
	if err := os.MkdirAll(filepath.Join(dir, keysDir), 0o700); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	key, err := obtainKey(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	siteKey, err := obtainKey(filepath.Join(dir, siteKeyFile))
	if err != nil {
		return nil, err
	}
	csr, err := obtainCSR(filepath.Join(dir, keysDir, "station.csr"), key)
	if err != nil {
		return nil, err
	}
	siteCSR, err := obtainCSR(filepath.Join(dir, keysDir, "site.csr"), siteKey)
	if err != nil {
		return nil, err
	}
	got, err := httplink.Enrol(ctx, code, csr, siteCSR, httplink.EnrolConfig{})
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	return keep(dir, code.Address, got)
}

func keep(dir, cloud string, e *httplink.Enrolment) (*Identity, error) {
	id := Identity{
		Tenant: e.Reply.Tenant, Station: e.Reply.Station, Venue: e.Reply.Venue, Cloud: cloud,
		Epoch: e.Reply.Epoch, Enrolled: e.Reply.TimeMs, BackupRecipient: e.Reply.BackupRecipient,
	}
	data := make([]byte, 32)
	if _, err := rand.Read(data); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	text, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	for _, f := range []struct {
		name  string
		bytes []byte
	}{
		{dataKeyFile, data}, {chainKeyFile, e.Reply.ChainKey},
		{chainFile, identity.EncodeCerts(e.Station...)}, {siteFile, identity.EncodeCerts(e.Site...)},
		{rootFile, identity.EncodeCerts(e.Root)}, {identityFile, text},
	} {
		if err := writeFile(filepath.Join(dir, f.name), f.bytes); err != nil {
			return nil, fmt.Errorf("enrol: %w", err)
		}
	}
	return Load(dir)
}

// Load reads the identity of an enrolled station, or returns ErrNotEnrolled.
func Load(dir string) (*Identity, error) {
	text, err := os.ReadFile(filepath.Join(dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotEnrolled
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	id := &Identity{}
	if err := json.Unmarshal(text, id); err != nil {
		return nil, fmt.Errorf("identity: %s: %w", identityFile, err)
	}
	var root []*x509.Certificate
	for _, step := range []func() error{
		func() (err error) { root, err = readCerts(dir, rootFile); return },
		func() (err error) { id.Chain, err = readCerts(dir, chainFile); return },
		func() (err error) { id.Site, err = readCerts(dir, siteFile); return },
		func() (err error) { id.Key, err = readKey(filepath.Join(dir, keyFile)); return },
		func() (err error) { id.SiteKey, err = readKey(filepath.Join(dir, siteKeyFile)); return },
		func() (err error) { id.DataKey, err = os.ReadFile(filepath.Join(dir, dataKeyFile)); return },
		func() (err error) { id.ChainKey, err = os.ReadFile(filepath.Join(dir, chainKeyFile)); return },
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("identity: %w", err)
		}
	}
	id.Root = root[0]
	return id, nil
}

func readCerts(dir, name string) ([]*x509.Certificate, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	certs, err := identity.DecodeCerts(b)
	if err == nil && len(certs) == 0 {
		err = fmt.Errorf("%s: no certificate", name)
	}
	return certs, err
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return identity.DecodeKey(b)
}

// obtainKey reads a private key, making it at the first attempt.
func obtainKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := readKey(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = identity.NewKey(); err != nil {
		return nil, err
	}
	b, err := identity.EncodeKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeFile(path, b)
}

// obtainCSR keeps the signing request too: its signature is random, and a repeated request must be
// the same to the byte.
func obtainCSR(path string, key *ecdsa.PrivateKey) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if b, err = identity.NewCSR(key); err != nil {
		return nil, err
	}
	return b, writeFile(path, b)
}

// writeFile writes durably: a new file, synced, then renamed over the old one.
func writeFile(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
