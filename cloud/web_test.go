package cloud_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yipiao/cloud"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func TestWeb_ProgramsAndPeople(t *testing.T) {
	w := newWorld(t)
	w.cfg.Listen.Web, w.cfg.Listen.Plain = "127.0.0.1:0", "127.0.0.1:0"
	w.cloud = w.open()
	at := w.run()
	text, err := os.ReadFile(filepath.Join(w.cfg.Data, "keys", "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("no root")
	}
	hc := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer hc.CloseIdleConnections()
	token := ""
	call := func(method, path string, body any) (int, string) {
		t.Helper()
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), method, "https://"+at.Web+path, bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		out, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(out)
	}
	if status, _ := call("GET", "/api/v1/status", nil); status != http.StatusUnauthorized {
		t.Errorf("without a log-in: %d", status)
	}
	if status, _ := call("POST", "/api/v1/login", map[string]string{"name": "admin", "password": "wrong"}); status != http.StatusUnauthorized {
		t.Errorf("wrong password: %d", status)
	}
	status, out := call("POST", "/api/v1/login", map[string]string{"name": w.init.Name, "password": w.init.Password})
	var login struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(out), &login); err != nil || status != http.StatusOK || login.Token == "" {
		t.Fatalf("log-in: %d %s", status, out)
	}
	token = login.Token
	var st cloud.Status
	if status, out = call("GET", "/api/v1/status", nil); status != http.StatusOK || json.Unmarshal([]byte(out), &st) != nil || len(st.Stations) != 1 {
		t.Errorf("status: %d %s", status, out)
	}
	var d cloud.Digests
	if status, out = call("GET", "/api/v1/digests?station=1", nil); status != http.StatusOK || json.Unmarshal([]byte(out), &d) != nil || len(d.Sessions) != 2 {
		t.Errorf("digests: %d %s", status, out)
	}
	first := w.firstTicket()
	var tk cloud.TicketState
	status, out = call("GET", fmt.Sprintf("/api/v1/tickets/%d", first), nil)
	if status != http.StatusOK || json.Unmarshal([]byte(out), &tk) != nil || tk.Holder != "S-0001" || tk.Gen != 1 || tk.Max != 1 {
		t.Errorf("ticket: %d %s", status, out)
	}
	for _, path := range []string{"/api/v1/tickets/1", "/api/v1/digests?station=7"} {
		if status, _ := call("GET", path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	res, err := http.Get("http://" + at.Plain + "/login")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(page), "样例票务") {
		t.Errorf("page: %s, %v", res.Status, err)
	}
}

func (w *world) firstTicket() uint64 {
	w.t.Helper()
	text, err := os.ReadFile(w.wallet)
	if err != nil {
		w.t.Fatal(err)
	}
	var card struct {
		Ticket uint64 `json:"ticket"`
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if err := json.Unmarshal(line, &card); err != nil {
		w.t.Fatal(err)
	}
	return card.Ticket
}

func TestRun_SaysWhichAddressIsTaken(t *testing.T) {
	w := newWorld(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for field, set := range map[string]func(*cloud.Listen){
		"listen.sync":  func(l *cloud.Listen) { l.Sync = ln.Addr().String() },
		"listen.web":   func(l *cloud.Listen) { l.Web = ln.Addr().String() },
		"listen.plain": func(l *cloud.Listen) { l.Plain = ln.Addr().String() },
	} {
		cfg := w.cfg
		set(&w.cfg.Listen)
		c := w.open()
		w.cfg = cfg
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := c.Run(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
