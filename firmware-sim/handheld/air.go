package handheld

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"yipiao/firmware-sim/tape"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

var (
	errAway = errors.New("out of reach")
	errLost = errors.New("lost on the air")
)

// ask posts body until it is answered, or all tries are used up.
func (h *Handheld) ask(ctx context.Context, path, text string, body []byte) ([]byte, error) {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var last error
	for try := range h.set.Tries {
		if try > 0 {
			h.count(func(s *State) { s.Retries++ })
			if err := pause(ctx, time.Duration(h.set.RetryMs)*time.Millisecond); err != nil {
				return nil, err
			}
		}
		h.rec.Add(tape.Sent, fmt.Sprintf("%s，第 %d 次 / attempt %d", text, try+1, try+1), body)
		answer, err := h.attempt(ctx, path, body)
		switch {
		case err == nil:
			h.rec.Add(tape.Received, "应答 / answer", answer)
			return answer, nil
		case errors.Is(err, ErrRefused), errors.Is(err, os.ErrNotExist), errors.Is(err, errTrust), ctx.Err() != nil:
			return nil, err
		}
		h.rec.Add("unanswered", "没有应答 / no answer: "+err.Error(), nil)
		last = err
	}
	return nil, fmt.Errorf("%w: %w", ErrNoAnswer, last)
}

// attempt posts once, as the faults have it.
func (h *Handheld) attempt(ctx context.Context, path string, body []byte) ([]byte, error) {
	h.mu.Lock()
	f, away := h.faults, h.away
	for _, n := range []*int{&h.faults.LoseRequests, &h.faults.LoseReplies, &h.faults.Duplicate} {
		*n = max(*n-1, 0)
	}
	lost := f.LoseReplies > 0 || f.LoseRate > 0 && h.rng.IntN(1000) < f.LoseRate
	h.mu.Unlock()
	if err := pause(ctx, time.Duration(f.DelayMs)*time.Millisecond); err != nil {
		return nil, err
	}
	switch {
	case away:
		return nil, errAway
	case f.LoseRequests > 0:
		return nil, errLost
	}
	if f.Duplicate > 0 {
		_, _ = h.post(ctx, path, body) // the second one's answer counts
	}
	answer, err := h.post(ctx, path, body)
	if err == nil && lost {
		return nil, errLost
	}
	return answer, err
}

// post is one HTTP request. Answers of a server in trouble are errors that may be tried again.
func (h *Handheld) post(ctx context.Context, path string, body []byte) ([]byte, error) {
	client, err := h.connected()
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(h.set.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("handheld: token: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(h.set.TimeoutMs)*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(h.set.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("handheld: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusNoContent:
		return answer, nil
	case resp.StatusCode >= http.StatusInternalServerError:
		return nil, fmt.Errorf("status %d: %s", resp.StatusCode, problem(answer))
	}
	return nil, fmt.Errorf("%w: status %d: %s", ErrRefused, resp.StatusCode, problem(answer))
}

// problem is what the station says is wrong.
func problem(answer []byte) string {
	var p struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(answer, &p) != nil || p.Error.Code == "" {
		return "no reason given"
	}
	return p.Error.Code + ", " + p.Error.Message
}

var errTrust = errors.New("handheld: no certificate in the file")

// connected is the client, made when it is first needed.
func (h *Handheld) connected() (*http.Client, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client != nil {
		return h.client, nil
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS13}
	if h.set.CAFile != "" {
		pem, err := os.ReadFile(h.set.CAFile)
		if err != nil {
			return nil, fmt.Errorf("handheld: ca: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: %s", errTrust, h.set.CAFile)
		}
	}
	h.client = &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
	return h.client, nil
}

// Close lets idle connections go.
func (h *Handheld) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client != nil {
		h.client.CloseIdleConnections()
	}
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A State is what a handheld shows.
type State struct {
	Lane    string   `json:"lane"`
	Away    bool     `json:"away"` // out of the network's reach
	Scans   uint64   `json:"scans"`
	Retries uint64   `json:"retries"` // attempts after the first of a request
	Shown   *Verdict `json:"shown,omitempty"`
	Faults  Faults   `json:"faults"`

	Battery  int    `json:"battery"`
	Charging bool   `json:"charging"`
	Network  string `json:"network"`
	Signal   int    `json:"signal"`
}

// State reports how the handheld is.
func (h *Handheld) State() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.state
	s.Lane, s.Away, s.Faults = h.set.Lane, h.away, h.faults
	s.Battery, s.Charging, s.Network, s.Signal = h.health.Battery, h.health.Charging, h.health.Network, h.health.Signal
	return s
}

func (h *Handheld) count(what func(*State)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	what(&h.state)
}
