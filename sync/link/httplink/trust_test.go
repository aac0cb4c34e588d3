package httplink_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"yipiao/sync/link"
	"yipiao/sync/link/httplink"
	"yipiao/sync/link/identity"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

func TestClient_TrustsItsRootItsTenantAndTheCloudsRoleOnly(t *testing.T) {
	_, h := newHub(t)
	w := newWorld(t, h)
	other, err := identity.NewRoot(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	csr, key := newCSR(t)
	siteCert, err := w.root.IssueSite(csr, 7, 1, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	byGate := w.serve(&identity.Authority{Cert: siteCert, Key: key}, siteCert, time.Now())
	expired := w.serve(w.root, w.root.Cert, time.Now().Add(-identity.CloudLife-time.Hour))
	for name, change := range map[string]func(*httplink.ClientConfig){
		"another deployment's server": func(c *httplink.ClientConfig) { c.Address = w.serve(other, other.Cert, time.Now()) },
		"a site that plays the cloud": func(c *httplink.ClientConfig) { c.Address = byGate },
		"another tenant":              func(c *httplink.ClientConfig) { c.Tenant = 8 },
		"another name": func(c *httplink.ClientConfig) {
			_, port, _ := net.SplitHostPort(w.address)
			c.Address = "localhost:" + port
		},
		"an expired certificate": func(c *httplink.ClientConfig) { c.Address = expired },
		"a clock far ahead":      func(c *httplink.ClientConfig) { c.Now = func() time.Time { return time.Now().AddDate(1, 0, 0) } },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.client(change).Feed(within(t), wire.FeedRequest{})
			if err == nil || code(err) != "" {
				t.Fatalf("error %v, want a refused handshake", err)
			}
		})
	}
}

func TestTime_WorksWithAWrongClockAndForTheRightCloudOnly(t *testing.T) {
	_, h := newHub(t)
	w := newWorld(t, h)
	expired := w.serve(w.root, w.root.Cert, time.Now().Add(-identity.CloudLife-time.Hour))
	for _, address := range []string{w.address, expired} {
		got, err := httplink.Time(within(t), httplink.ClientConfig{Address: address, Root: w.root.Cert, Tenant: 7})
		if err != nil || time.Since(got).Abs() > time.Minute {
			t.Fatalf("time %s, %v", got, err)
		}
	}
	other, err := identity.NewRoot(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := httplink.Time(within(t), httplink.ClientConfig{Address: w.address, Root: other.Cert, Tenant: 7}); err == nil {
		t.Fatal("the time of another deployment was believed")
	}
}

func TestServer_NeedsAStationsCertificate(t *testing.T) {
	_, h := newHub(t)
	w := newWorld(t, h)
	csr, key := newCSR(t)
	site, err := w.root.IssueSite(csr, 7, 1, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	deviceCSR, deviceKey := newCSR(t)
	device, err := (&identity.Authority{Cert: site, Key: key}).IssueDevice(deviceCSR, "h-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := w.client(func(c *httplink.ClientConfig) { c.Own = identity.Keypair(deviceKey, device, site) })
	if _, err := c.Feed(within(t), wire.FeedRequest{}); code(err) != wire.CodeUnknownPeer {
		t.Fatalf("a device asked for the feed: %v", err)
	}
	if _, err := w.client(func(c *httplink.ClientConfig) { c.Own = w.station(2) }).Feed(within(t), wire.FeedRequest{}); code(err) != wire.CodeUnknownPeer {
		t.Fatalf("a station that is not registered: %v", err)
	}
	other, err := identity.NewRoot(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	strange, err := other.IssueStation(csr, 7, 1, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c = w.client(func(c *httplink.ClientConfig) { c.Own = identity.Keypair(key, strange, other.Cert) })
	if _, err := c.Feed(within(t), wire.FeedRequest{}); err == nil {
		t.Fatal("a station of another deployment was served")
	}
}

// plain is an HTTPS client without a certificate, as a curious stranger uses.
func (w *world) plain() *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(w.root.Cert)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableCompression: true}}
}

func TestServer_Limits(t *testing.T) {
	_, h := newHub(t)
	w := newWorld(t, h)
	own := w.station(1)
	hc := w.plain()
	hc.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{*own}
	defer hc.CloseIdleConnections()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 16<<20), nil)
	for _, c := range []struct {
		name, method, path, encoding string
		body                         []byte
		status                       int
	}{
		{"cursor", "GET", "/v1/feed?cursor=x", "", nil, 400},
		{"limit", "GET", "/v1/feed?limit=5001", "", nil, 400},
		{"wait", "GET", "/v1/feed?wait_ms=25001", "", nil, 400},
		{"epoch", "GET", "/v1/feed?epoch=" + strings.Repeat("x", 65), "", nil, 400},
		{"unknown epoch resets", "GET", "/v1/feed?epoch=x&cursor=1", "", nil, 200},
		{"method", "POST", "/v1/feed", "", nil, 405},
		{"path", "GET", "/v1/other", "", nil, 404},
		{"garbage batch", "POST", "/v1/journal", "", bytes.Repeat([]byte("x"), 4096), 400},
		{"unknown version", "POST", "/v1/journal", "", make([]byte, 9), 400},
		{"too large", "POST", "/v1/journal", "", make([]byte, 6<<20), 400},
		{"bomb", "POST", "/v1/journal", "zstd", bomb, 400},
		{"not zstd", "POST", "/v1/journal", "zstd", []byte("hello"), 400},
		{"unknown encoding", "POST", "/v1/journal", "br", []byte("hello"), 400},
		{"enrolment too large", "POST", "/v1/enrol", "", make([]byte, 32<<10), 400},
		{"enrolment of another version", "POST", "/v1/enrol", "", []byte(`{"version":9}`), 400},
		{"enrolment where nobody enrols", "POST", "/v1/enrol", "", []byte(`{"version":1}`), 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(within(t), c.method, "https://"+w.address+c.path, bytes.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.encoding != "" {
				req.Header.Set("Content-Encoding", c.encoding)
			}
			res, err := hc.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != c.status {
				text, _ := io.ReadAll(res.Body)
				t.Fatalf("status %d, want %d: %s", res.StatusCode, c.status, text)
			}
		})
	}
}

func TestServer_CompressesForWhoeverAsks(t *testing.T) {
	store, h := newHub(t)
	putTickets(t, store, 300)
	w := newWorld(t, h)
	hc := w.plain()
	hc.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{*w.station(1)}
	defer hc.CloseIdleConnections()
	sizes := make(map[string]int)
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "zstd": "zstd", "gzip, zstd": "zstd", "br, gzip;q=0.5": "gzip", "zstd;q=0": "", "gzip, zstd; q=0": "gzip",
	} {
		req, err := http.NewRequestWithContext(within(t), http.MethodGet, "https://"+w.address+"/v1/feed", nil)
		if err != nil {
			t.Fatal(err)
		}
		if accept != "" {
			req.Header.Set("Accept-Encoding", accept)
		}
		res, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.Header.Get("Content-Encoding") != want {
			t.Errorf("accept %q: encoding %q, %v, want %q", accept, res.Header.Get("Content-Encoding"), err, want)
		}
		sizes[want] = len(body)
	}
	if sizes["zstd"]*4 > sizes[""] || sizes["gzip"]*4 > sizes[""] {
		t.Errorf("sizes %v", sizes)
	}
}

// middle answers like something between station and cloud that is neither.
type middle struct{ link.Handler }

func (middle) Admit(context.Context, link.Peer, string, uint32) error { return nil }

func (middle) Feed(context.Context, link.Peer, wire.FeedRequest) (wire.Page, error) {
	return wire.Page{}, errors.New("a secret of the inside")
}

func TestServer_InnerErrorsAreNotTold(t *testing.T) {
	c := newWorld(t, middle{}).client(nil)
	_, err := c.Feed(within(t), wire.FeedRequest{})
	if code(err) != wire.CodeUnavailable || strings.Contains(err.Error(), "secret") {
		t.Fatalf("error %v", err)
	}
}

func TestClient_AnOddAnswerIsNoAnswerOfTheCloud(t *testing.T) {
	_, h := newHub(t)
	w := newWorld(t, h)
	csr, key := newCSR(t)
	cert, err := w.root.IssueCloud(csr, 7, []string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*identity.Keypair(key, cert, w.root.Cert)}})
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]func(http.ResponseWriter){
		"bad gateway": func(rw http.ResponseWriter) { http.Error(rw, "<html>", http.StatusBadGateway) },
		"redirect": func(rw http.ResponseWriter) {
			rw.Header().Set("Location", "/v1/time")
			rw.WriteHeader(http.StatusFound)
		},
		"not JSON": func(rw http.ResponseWriter) { _, _ = io.WriteString(rw, "hello") },
		"cut off": func(rw http.ResponseWriter) {
			rw.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(rw, "{")
		},
	}
	var answer func(http.ResponseWriter)
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { answer(rw) })}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	c := w.client(func(c *httplink.ClientConfig) { c.Address = ln.Addr().String() })
	for name, a := range answers {
		answer = a
		if _, err := c.Feed(within(t), wire.FeedRequest{}); err == nil || code(err) != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	answer = func(rw http.ResponseWriter) { _ = json.NewEncoder(rw).Encode(wire.Page{Version: 2}) }
	if _, err := c.Feed(within(t), wire.FeedRequest{}); code(err) != wire.CodeVersion {
		t.Errorf("page of another version: %v", err)
	}
}

func TestEnrol_RefusesAServerThatTheCodeDoesNotPin(t *testing.T) {
	_, h := newHub(t)
	w := newWorld(t, h)
	other, err := identity.NewRoot(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	csr, _ := newCSR(t)
	for name, c := range map[string]struct {
		address string
		pin     ticket.Hash
	}{
		"another root": {w.address, identity.RootHash(other.Cert)},
		"the pinned root shown beside a certificate that it has not signed": {
			w.serve(other, w.root.Cert, time.Now()), identity.RootHash(w.root.Cert),
		},
	} {
		enrol, err := identity.NewCode(c.address, c.pin, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := httplink.Enrol(within(t), enrol, csr, csr, httplink.EnrolConfig{}); err == nil || code(err) != "" {
			t.Errorf("%s: error %v, want a refused handshake", name, err)
		}
	}
}
