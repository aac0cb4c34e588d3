package apptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"yipiao/firmware-sim/control"
)

// lan is a handheld's view of the station: HTTPS, trusting the deployment's root.
type lan struct {
	base  string
	token string
	http  *http.Client
}

func newLAN(s *system, token string) *lan {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "station", "root.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &lan{base: fmt.Sprintf("https://127.0.0.1:%d", s.base+443), token: token, http: &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 2 * clients},
	}}
}

func (l *lan) do(method, path, token string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(context.Background(), method, l.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := l.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %s", res.StatusCode, raw)
	}
	return json.Unmarshal(raw, out)
}

// check asks for an entry; an error means that there was no answer.
func (l *lan) check(nonce, code string) (reason string, seq uint64, err error) {
	body, err := json.Marshal(map[string]string{"nonce": nonce, "code": code, "kind": "entry", "lane": "door"})
	if err != nil {
		return "", 0, err
	}
	var out struct {
		Verdict struct {
			Reason string `json:"reason"`
		} `json:"verdict"`
		Seq uint64 `json:"seq"`
	}
	err = l.do(http.MethodPost, "/api/v1/check", l.token, body, &out)
	return out.Verdict.Reason, out.Seq, err
}

// up reports whether the station answers at all.
func (l *lan) up() bool {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, l.base+"/login", nil)
	if err != nil {
		return false
	}
	res, err := l.http.Do(req)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil
}

func (l *lan) passages(token string) int {
	var st struct {
		Journal struct {
			Passages int `json:"passages"`
		} `json:"journal"`
	}
	if err := l.do(http.MethodGet, "/api/v1/status", token, nil, &st); err != nil {
		return -1
	}
	return st.Journal.Passages
}

func (l *lan) used(token string, ticket uint64) uint64 {
	var t struct {
		Used uint64 `json:"used"`
	}
	if err := l.do(http.MethodGet, fmt.Sprintf("/api/v1/tickets/%d", ticket), token, nil, &t); err != nil {
		return 99
	}
	return t.Used
}

// sim steers the simulated devices.
type sim struct{ c *control.Client }

func newSim(s *system) *sim {
	return &sim{control.NewClient(filepath.Join(s.dir, "sim", "control.sock"))}
}

func (s *sim) close() { s.c.Close() }

// scan reads a ticket at a lane and waits until the gate has answered, or for a moment.
func (s *sim) scan(ctx context.Context, scanner, code string) {
	_, since, err := s.c.Events(ctx, "", 0, 0)
	if err != nil {
		return
	}
	if s.c.Scan(ctx, scanner, code) != nil {
		return
	}
	gate := "gate" + scanner[len("scanner"):]
	for end := time.Now().Add(350 * time.Millisecond); time.Now().Before(end) && ctx.Err() == nil; {
		list, last, err := s.c.Events(ctx, gate, since, 100*time.Millisecond)
		if err != nil {
			return
		}
		for _, e := range list {
			if e.Kind == "passed" {
				return
			}
		}
		since = last
	}
}

// counted is how many people both gates have counted in.
func (s *sim) counted() uint64 {
	devices, err := s.c.Devices(context.Background())
	if err != nil {
		return 0
	}
	n := uint64(0)
	for _, d := range devices {
		if d.Turnstile != nil {
			n += uint64(d.Turnstile.EntryCount)
		}
	}
	return n
}
