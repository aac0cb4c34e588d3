package main

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
	"time"
)

// An api asks one part over HTTPS, trusting the deployment's root only.
type api struct {
	name  string // of the part, for messages
	base  string
	token string
	http  *http.Client
}

// refusal is an answer that is not the one asked for.
type refusal struct {
	Status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (r *refusal) Error() string { return fmt.Sprintf("%s [%s, %d]", r.Message, r.Code, r.Status) }

func (s *system) client(name, address, token string) (*api, error) {
	return newAPI(name, address, token, s.path("station", "root.pem"))
}

// newAPI trusts the root certificate in a file.
func newAPI(name, address, token, rootFile string) (*api, error) {
	text, err := os.ReadFile(rootFile)
	if err != nil {
		return nil, fmt.Errorf("部署根证书读不到 (deployment root): %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: not PEM", rootFile)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rootFile, err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &api{name: name, base: "https://" + address, token: token, http: &http.Client{
		Timeout:   40 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 128},
	}}, nil
}

// stationAPI asks the station as the tool, cloudAPI the cloud as its operator.
func (s *system) stationAPI() (*api, error) {
	return s.client("驿站 (station)", s.Ports.stationLAN(), s.ToolToken)
}

func (s *system) cloudAPI(ctx context.Context) (*api, error) {
	a, err := s.client("云端 (cloud)", s.Ports.cloudWeb(), "")
	if err != nil {
		return nil, err
	}
	return a, a.login(ctx, s.Cloud)
}

func (a *api) login(ctx context.Context, who account) error {
	var out struct {
		Token string `json:"token"`
	}
	err := a.call(ctx, http.MethodPost, "/api/v1/login", map[string]string{"name": who.Name, "password": who.Password}, &out)
	a.token = out.Token
	return err
}

func (a *api) get(ctx context.Context, path string, out any) error {
	return a.call(ctx, http.MethodGet, path, nil, out)
}

func (a *api) call(ctx context.Context, method, path string, body, out any) error {
	var send io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, send)
	if err != nil {
		return err
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	res, err := a.http.Do(req)
	if err != nil {
		return fmt.Errorf("连不上%s (cannot reach): %w", a.name, err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("%s: %w", a.name, err)
	}
	if res.StatusCode >= 300 {
		var r struct {
			Error refusal `json:"error"`
		}
		if json.Unmarshal(raw, &r) != nil || r.Error.Code == "" {
			r.Error = refusal{Code: "http", Message: string(raw)}
		}
		r.Error.Status = res.StatusCode
		return fmt.Errorf("%s: %w", a.name, &r.Error)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s: %s: %w", a.name, path, err)
	}
	return nil
}
