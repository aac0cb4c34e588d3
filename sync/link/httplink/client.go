package httplink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"yipiao/sync/link"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A Dial opens a connection; a station's uplinks bind it to their interface.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// ClientConfig says whom to call and as whom.
type ClientConfig struct {
	Address string            // host:port of the cloud's sync listener
	Root    *x509.Certificate // deployment root; nothing else is trusted
	Own     *tls.Certificate  // the station's certificate
	Tenant  ticket.TenantID
	Dial    Dial             // nil: an ordinary dialer
	Now     func() time.Time // clock for the dates of certificates; nil: the machine's
}

// Client is a station's connection to the cloud over one uplink. It is safe for concurrent use and
// keeps connections open between calls. It measures and retries nothing.
type Client struct {
	base  url.URL
	http  *http.Client
	codec *codec
}

var (
	_ link.Cloud   = (*Client)(nil)
	_ link.Archive = (*Client)(nil)
)

// NewClient checks cfg and returns a client; it connects at the first call.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.Root == nil || cfg.Own == nil || cfg.Tenant == 0 {
		return nil, errors.New("sync client: root, own certificate and tenant are needed")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return newClient(cfg.Address, cfg.Dial, identity.ClientTLS(cfg.Root, cfg.Own, cfg.Tenant, cfg.Now))
}

func newClient(address string, dial Dial, cfg *tls.Config) (*Client, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return nil, fmt.Errorf("sync client: address %q is not host:port", address)
	}
	if dial == nil {
		dial = (&net.Dialer{Timeout: headerTimeout}).DialContext
	}
	cfg.ServerName = host
	transport := &http.Transport{
		DialContext:           dial,
		TLSClientConfig:       cfg,
		TLSHandshakeTimeout:   headerTimeout,
		MaxIdleConnsPerHost:   2, // download and upload
		IdleConnTimeout:       idleTimeout,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // asked for and undone here, with zstd
		Protocols:             new(http.Protocols),
	}
	// One connection per request under way, so that a stuck upload never holds up the download (I6).
	transport.Protocols.SetHTTP1(true)
	return &Client{
		base:  url.URL{Scheme: "https", Host: address},
		http:  &http.Client{Transport: transport, CheckRedirect: noRedirect},
		codec: newCodec(maxPageText),
	}, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close drops idle connections. Calls under way end with their own context.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Feed implements link.Cloud. It gives up 30 s after the wait that req asks for.
func (c *Client) Feed(ctx context.Context, req wire.FeedRequest) (wire.Page, error) {
	q := url.Values{}
	q.Set("epoch", req.Epoch)
	q.Set("cursor", strconv.FormatUint(req.Cursor, 10))
	if req.Limit > 0 {
		q.Set("limit", strconv.Itoa(req.Limit))
	}
	q.Set("wait_ms", strconv.Itoa(req.WaitMs))
	var page wire.Page
	wait := time.Duration(req.WaitMs)*time.Millisecond + answerTimeout
	err := c.call(ctx, wait, message{method: http.MethodGet, path: pathFeed, query: q}, &page)
	if err == nil && page.Version != wire.Version {
		err = &wire.Error{Code: wire.CodeVersion, Detail: fmt.Sprintf("page version %d, want %d", page.Version, wire.Version)}
	}
	return page, err
}

// Upload implements link.Cloud. It gives up after 90 s.
func (c *Client) Upload(ctx context.Context, b *wire.Batch) (wire.Ack, error) {
	body, err := c.codec.encode(encodingZstd, wire.AppendBatch(nil, b))
	if err != nil {
		return wire.Ack{}, err
	}
	var ack wire.Ack
	err = c.call(ctx, bodyTimeout+answerTimeout, message{
		method: http.MethodPost, path: pathJournal, body: body, kind: "application/octet-stream", encoding: encodingZstd,
	}, &ack)
	return ack, err
}

type message struct {
	method, path   string
	query          url.Values
	body           []byte
	kind, encoding string // of the body
}

// call sends m and decodes the answer into out. A *wire.Error is the cloud's answer. An own time-out
// never looks like the caller's.
func (c *Client) call(ctx context.Context, wait time.Duration, m message, out any) error {
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := c.exchange(bounded, m, out)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: no answer within %s", m.path, wait)
	}
	return err
}

func (c *Client) exchange(ctx context.Context, m message, out any) error {
	u := c.base
	u.Path, u.RawQuery = m.path, m.query.Encode()
	req, err := http.NewRequestWithContext(ctx, m.method, u.String(), bytes.NewReader(m.body))
	if err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	req.Header.Set("Accept-Encoding", encodingZstd+", "+encodingGzip)
	if m.kind != "" {
		req.Header.Set("Content-Type", m.kind)
	}
	if m.encoding != "" {
		req.Header.Set("Content-Encoding", m.encoding)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return refusal(m.path, res)
	}
	body, err := c.codec.decode(res.Header.Get("Content-Encoding"), res.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: decode answer: %w", m.path, err)
	}
	return nil
}

// refusal reads a wire.Error; anything else comes from something between station and cloud.
func refusal(path string, res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBytes))
	if err != nil {
		return fmt.Errorf("%s: read refusal: %w", path, err)
	}
	var answer wire.Error
	if json.Unmarshal(body, &answer) != nil || answer.Code == "" {
		return fmt.Errorf("%s: unexpected status %s", path, res.Status)
	}
	return &answer
}
