package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"yipiao/sync/ticket"
)

// A lanWay is how callers reach the station.
type lanWay struct {
	name, address string
	tls           *tls.Config // nil for plain
}

// ways are the LAN API with TLS, trusting the deployment's root, and plain on loopback.
func (s *benchSite) ways() ([]lanWay, error) {
	a, err := (&system{dir: s.dir}).client("station", s.lan, s.token)
	if err != nil {
		return nil, err
	}
	t, ok := a.http.Transport.(*http.Transport)
	if !ok {
		return nil, errors.New("the client has no transport of its own")
	}
	return []lanWay{{"https", s.lan, t.TLSClientConfig}, {"http", s.plain, nil}}, nil
}

// A leanClient is one keep-alive connection of a caller. It costs half of what net/http's client does: the
// callers share the two cores with the station, and it is the station that is measured.
type leanClient struct {
	conn        net.Conn
	r           *bufio.Reader
	request     []byte
	code, nonce int // where they stand in request
}

// dial connects and asks once: the station gives a connection that has not asked anything only 10 s.
func (s *benchSite) dial(ctx context.Context, w lanWay) (*leanClient, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", w.address)
	if err != nil {
		return nil, err
	}
	if w.tls != nil {
		cfg := w.tls.Clone()
		cfg.ServerName = "127.0.0.1"
		conn = tls.Client(conn, cfg)
	}
	k := caller{nonce: ticket.Nonce(time.Now().AppendFormat(nil, "150405.000000000")), code: s.codes[0]}
	body, err := json.Marshal(map[string]any{"nonce": k.nonce, "kind": "entry", "lane": "door", "code": k.code})
	if err != nil {
		return nil, err
	}
	c := &leanClient{conn: conn, r: bufio.NewReaderSize(conn, 4096)}
	c.request = fmt.Appendf(nil, "POST /api/v1/check HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		w.address, s.token, len(body), body)
	c.code, c.nonce = bytes.Index(c.request, []byte(k.code)), bytes.Index(c.request, []byte(hex.EncodeToString(k.nonce[:])))
	return c, c.check(&k)
}

func (c *leanClient) check(k *caller) error {
	copy(c.request[c.code:], k.code)
	hex.Encode(c.request[c.nonce:], k.nonce[:])
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	length, err := c.head()
	if err != nil {
		return err
	}
	body, err := c.r.Peek(length)
	if err != nil {
		return err
	}
	if !bytes.Contains(body, []byte(`"outcome":"admit"`)) {
		return fmt.Errorf("not admitted: %s", body)
	}
	_, err = c.r.Discard(length)
	return err
}

// head reads the head of an answer and returns the length of its body.
func (c *leanClient) head() (length int, err error) {
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if first && !bytes.Contains(line, []byte(" 200 ")) {
			return 0, fmt.Errorf("answer %q", line)
		}
		if len(line) <= 2 {
			return length, nil
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return 0, err
			}
		}
	}
}

// lean lets callers ask over connections of their own, which are there before the measurement begins.
func (s *benchSite) lean(c *cell, w lanWay) {
	var clients []*leanClient
	c.do = func(_ context.Context, k *caller) error { return clients[k.id].check(k) }
	c.around = func(ctx context.Context, measure func() error) error {
		clients = make([]*leanClient, c.fig.Callers)
		errs := make([]error, len(clients))
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() { clients[i], errs[i] = s.dial(ctx, w) })
		}
		wg.Wait()
		err := errors.Join(errs...)
		if err == nil {
			err = measure()
		}
		for _, one := range clients {
			if one != nil {
				_ = one.conn.Close()
			}
		}
		return err
	}
}

// connecting is how long callers ask before a measurement, so that connections are there and warm.
const connecting = 100 * time.Millisecond

// stock lets callers ask through net/http's client, as the peers are asked through their usual libraries.
func (s *benchSite) stock(c *cell, w lanWay) {
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: c.fig.Callers, TLSClientConfig: w.tls}}
	base := "http://" + w.address
	if w.tls != nil {
		base = "https://" + w.address
	}
	c.do = func(ctx context.Context, k *caller) error {
		body := fmt.Appendf(nil, `{"nonce":"%x","kind":"entry","lane":"door","code":%q}`, k.nonce[:], k.code)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v1/check", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+s.token)
		res, err := h.Do(req)
		if err != nil {
			return err
		}
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		if !bytes.Contains(raw, []byte(`"outcome":"admit"`)) {
			return fmt.Errorf("not admitted: %s", raw)
		}
		return res.Body.Close()
	}
	c.around = func(ctx context.Context, measure func() error) error {
		_, err := drive(ctx, c.fig.Callers, connecting, 0, c.codes, c.do)
		if err == nil {
			err = measure()
		}
		return err
	}
}
