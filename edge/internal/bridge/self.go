package bridge

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"yipiao/sync/link/identity"
)

// Errors that callers branch on.
var (
	// ErrNotEnrolled is returned for a data folder without a certificate.
	ErrNotEnrolled = errors.New("本机尚未登记到驿站：请在驿站上运行 yipiao station bridge-code，再在本机运行 yipiao bridge enrol CODE (this machine is not registered at a station)")
	// ErrExpired is returned for a certificate that has ended: the bridge was off for too long.
	ErrExpired = errors.New("本机证书已过期，或时钟不对：请核对时钟，再用新的登记码运行 yipiao bridge enrol CODE (the certificate has ended, or the clock is wrong)")
)

// selfFile holds key, certificate, site authority and root, so that they change in one step.
const selfFile = "bridge.pem"

// A Self is who a bridge is: a device of one station. It is safe for concurrent use.
type Self struct {
	identity.Identity

	dir  string
	key  *ecdsa.PrivateKey
	root *x509.Certificate
	now  func() time.Time

	mu    sync.Mutex // guards the fields below
	chain []*x509.Certificate
	asked time.Time // for the last time for a new certificate
}

// LoadSelf reads what Enrol has written. It returns ErrNotEnrolled or ErrExpired.
func LoadSelf(dir string, now func() time.Time) (*Self, error) {
	text, err := os.ReadFile(filepath.Join(dir, selfFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotEnrolled
	}
	if err != nil {
		return nil, fmt.Errorf("证书读不到 (certificate): %w", err)
	}
	_, rest := pem.Decode(text)
	key, err := identity.DecodeKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", selfFile, err)
	}
	chain, err := identity.DecodeCerts(rest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", selfFile, err)
	}
	s := &Self{dir: dir, key: key, now: now}
	if err := s.adopt(chain); err != nil {
		return nil, err
	}
	return s, nil
}

// adopt takes a chain for the key: certificate, site authority, root.
func (s *Self) adopt(chain []*x509.Certificate) error {
	root := chain[len(chain)-1]
	id, err := identity.CheckDevice(chain, root, &s.key.PublicKey, s.now())
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return ErrExpired
	}
	if err != nil {
		return fmt.Errorf("证书不可用 (certificate): %w", err)
	}
	s.Identity, s.root, s.chain = id, root, chain
	return nil
}

// save writes the file in one step, readable by its owner only.
func (s *Self) save(chain []*x509.Certificate) error {
	key, err := identity.EncodeKey(s.key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, selfFile+".*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(key, identity.EncodeCerts(chain...)...))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(s.dir, selfFile))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("证书存不下 (certificate not stored): %w", err)
	}
	return nil
}

// certificate is what a caller is shown.
func (s *Self) certificate() *tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return identity.Keypair(s.key, s.chain[:len(s.chain)-1]...)
}

// Until is when the certificate ends.
func (s *Self) Until() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chain[0].NotAfter
}

// askAgain is how long to wait for a new certificate before asking for it again.
const askAgain = time.Minute

// request returns a signing request once two thirds of the certificate's life are over, now and then.
func (s *Self) request() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, cert := s.now(), s.chain[0]
	if now.Before(cert.NotAfter.Add(-cert.NotAfter.Sub(cert.NotBefore)/3)) || now.Sub(s.asked) < askAgain {
		return nil
	}
	csr, err := identity.NewCSR(s.key)
	if err != nil {
		return nil
	}
	s.asked = now
	return csr
}

// renew takes the answer to a request and keeps it.
func (s *Self) renew(text []byte) error {
	chain, err := identity.DecodeCerts(text)
	if err != nil {
		return err
	}
	id, err := identity.CheckDevice(chain, s.root, &s.key.PublicKey, s.now())
	if err != nil {
		return err
	}
	if id != s.Identity {
		return fmt.Errorf("the new certificate names %s", id.URI())
	}
	if err := s.save(chain); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chain = chain
	return nil
}

// tries is how often Enrol asks: the first answer may be lost, and the same request gets the same answer.
const tries = 3

// Enrol makes this machine a bridge with a one-time code of a station: it makes a key, has it certified, and keeps
// both below dir. What was there before is replaced once that has succeeded.
func Enrol(ctx context.Context, dir, codeText string, now func() time.Time) (*Self, error) {
	code, err := identity.ParseDeviceCode(codeText)
	if err != nil {
		return nil, err
	}
	key, err := identity.NewKey()
	if err != nil {
		return nil, err
	}
	csr, err := identity.NewCSR(key)
	if err != nil {
		return nil, err
	}
	var text []byte
	for n := 1; ; n++ {
		var final bool
		if text, final, err = join(ctx, code, csr, now); err == nil || final || n == tries || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	chain, err := identity.DecodeCerts(text)
	if err != nil {
		return nil, err
	}
	if len(chain) != 3 || identity.RootHash(chain[1]) != code.Root {
		return nil, errors.New("驿站的答复与登记码不符 (the answer does not fit the code)")
	}
	s := &Self{dir: dir, key: key, now: now}
	if err := s.adopt(chain); err != nil {
		return nil, err
	}
	if err := s.save(chain); err != nil {
		return nil, err
	}
	return s, nil
}

// join asks the station once; final says that asking again is of no use.
func join(ctx context.Context, code identity.Code, csr []byte, now func() time.Time) (pem []byte, final bool, err error) {
	body, err := json.Marshal(map[string]any{"code": code.ID(), "proof": identity.DeviceProof(code.Secret(), csr), "csr": csr})
	if err != nil {
		return nil, true, err
	}
	transport := &http.Transport{TLSClientConfig: identity.SiteTLS(code.Root, now)}
	defer transport.CloseIdleConnections()
	client := &http.Client{Timeout: 10 * time.Second, Transport: transport}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+code.Address+"/api/v1/bridges/enrol", bytes.NewReader(body))
	if err != nil {
		return nil, true, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, false, fmt.Errorf("连不上登记码中的驿站 (cannot reach the station of the code): %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil, false, fmt.Errorf("驿站的答复不完整 (incomplete answer): %w", err)
	}
	var out struct {
		Certificate string `json:"certificate"`
		Error       struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, true, fmt.Errorf("%s 上的不是驿站 (that is no station): HTTP %d", code.Address, res.StatusCode)
	}
	if res.StatusCode != http.StatusCreated {
		return nil, res.StatusCode < 500, fmt.Errorf("驿站拒绝 (refused)：%s [%s]", out.Error.Message, out.Error.Code)
	}
	return []byte(out.Certificate), true, nil
}
