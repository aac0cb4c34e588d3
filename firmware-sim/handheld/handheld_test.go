package handheld_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"yipiao/firmware-sim/handheld"
	"yipiao/firmware-sim/tape"
)

// A station is what the LAN API's description says of one, with one ticket.
type station struct {
	url, ca, token string

	mu      sync.Mutex // guards the fields below
	nonces  []string   // of all checks
	reports []string   // bodies
	broken  int        // answers with 503 to come
}

func (s *station) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":{"code":"`+code+`","message":"不行 (no)"}}`)
	}
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Header.Get("Authorization") != "Bearer secret-token":
		refuse(http.StatusUnauthorized, "unknown_device")
	case s.broken > 0:
		s.broken--
		refuse(http.StatusServiceUnavailable, "station_fault")
	case r.URL.Path == "/api/v1/device/health":
		s.reports = append(s.reports, string(body))
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == "/api/v1/check":
		s.check(w, body)
	default:
		refuse(http.StatusNotFound, "unknown")
	}
}

// check admits a nonce once, and tells the same again.
func (s *station) check(w http.ResponseWriter, body []byte) {
	var q struct{ Nonce, Code, Kind, Lane string }
	if err := json.Unmarshal(body, &q); err != nil || len(q.Nonce) != 32 || q.Kind != "entry" || q.Lane != "H1" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	again := false
	for _, n := range s.nonces {
		again = again || n == q.Nonce
	}
	s.nonces = append(s.nonces, q.Nonce)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"verdict": map[string]any{"reason": "ok", "outcome": "admit", "zh": "请进", "en": "Welcome"},
		"seat":    "A1", "holder": "张*", "repeated": again, "time_ms": 1, "something_new": true,
	})
}

// distinct is how many different nonces came, of how many checks.
func (s *station) distinct() (nonces, checks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := make(map[string]bool)
	for _, n := range s.nonces {
		seen[n] = true
	}
	return len(seen), len(s.nonces)
}

func newStation(t *testing.T) *station {
	t.Helper()
	s := &station{}
	srv := httptest.NewTLSServer(s)
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	s.url, s.ca, s.token = srv.URL, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	for path, raw := range map[string][]byte{s.ca: cert, s.token: []byte("secret-token\n")} {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *station) handheld(t *testing.T, more handheld.Settings) (*handheld.Handheld, *tape.Tape) {
	t.Helper()
	more.URL, more.TokenFile, more.CAFile, more.Lane, more.RetryMs = s.url, s.token, s.ca, "H1", 1
	tp := tape.New(100)
	h, err := handheld.New(more, tp.Recorder("handheld-1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, tp
}

func TestScanShowsTheVerdict_SHOW_8_2_3(t *testing.T) {
	h, tp := newStation(t).handheld(t, handheld.Settings{})
	v, err := h.Scan(t.Context(), "T1:CODE")
	if err != nil || v.Outcome != "admit" || v.Zh != "请进" || v.Seat != "A1" || v.Holder != "张*" || v.Repeated {
		t.Errorf("%+v, %v", v, err)
	}
	if st := h.State(); st.Scans != 1 || st.Retries != 0 || st.Shown == nil || st.Shown.Reason != "ok" {
		t.Errorf("%+v", st)
	}
	var kinds []string
	for _, e := range tp.Since(t.Context(), "", 0) {
		kinds = append(kinds, e.Kind)
		if strings.Contains(e.Text, "T1:CODE") || strings.Contains(e.Text+e.Hex, "secret-token") {
			t.Errorf("the tape tells too much: %+v", e)
		}
		if e.Kind != "verdict" && e.Hex == "" {
			t.Errorf("a message without its bytes: %+v", e)
		}
	}
	if got := strings.Join(kinds, " "); got != "sent received verdict" {
		t.Errorf("the tape has %s", got)
	}
}

func TestALostAnswerIsAskedForWithTheSameNonce(t *testing.T) {
	cases := []struct {
		name           string
		faults         handheld.Faults
		broken         int
		checks         int // that arrive
		repeated       bool
		retries        uint64
		wantErr        error
		second, nonces int // checks and nonces after a second scan
	}{
		{name: "all is well", checks: 1, second: 2, nonces: 2},
		{name: "answers lost", faults: handheld.Faults{LoseReplies: 2}, checks: 3, repeated: true, retries: 2, second: 4, nonces: 2},
		{name: "requests lost", faults: handheld.Faults{LoseRequests: 2}, checks: 1, retries: 2, second: 2, nonces: 2},
		{name: "arrives twice", faults: handheld.Faults{Duplicate: 1}, checks: 2, repeated: true, second: 3, nonces: 2},
		{name: "a station in trouble", broken: 1, checks: 1, retries: 1, second: 2, nonces: 2},
		{name: "all answers lost", faults: handheld.Faults{LoseReplies: 4}, checks: 4, retries: 3, wantErr: handheld.ErrNoAnswer, second: 5, nonces: 2},
		{name: "a slow network", faults: handheld.Faults{DelayMs: 2}, checks: 1, second: 2, nonces: 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStation(t)
			h, _ := s.handheld(t, handheld.Settings{})
			if err := h.SetFaults(c.faults); err != nil {
				t.Fatal(err)
			}
			s.broken = c.broken
			v, err := h.Scan(t.Context(), "T1:CODE")
			if !errors.Is(err, c.wantErr) || v.Repeated != c.repeated || h.State().Retries != c.retries {
				t.Errorf("%+v, %v after %d retries", v, err, h.State().Retries)
			}
			if nonces, checks := s.distinct(); nonces != 1 || checks != c.checks {
				t.Errorf("%d checks with %d nonces, want %d with 1", checks, nonces, c.checks)
			}
			if v, err := h.Scan(t.Context(), "T1:CODE"); err != nil || v.Repeated {
				t.Errorf("the next scan: %+v, %v", v, err)
			}
			if nonces, checks := s.distinct(); nonces != c.nonces || checks != c.second {
				t.Errorf("%d checks with %d nonces, want %d with %d", checks, nonces, c.second, c.nonces)
			}
		})
	}
}

func TestOutOfReach(t *testing.T) {
	s := newStation(t)
	h, _ := s.handheld(t, handheld.Settings{Tries: 2})
	h.Leave()
	if _, err := h.Scan(t.Context(), "X"); !errors.Is(err, handheld.ErrNoAnswer) {
		t.Errorf("%v, want ErrNoAnswer", err)
	}
	h.Return()
	if _, err := h.Scan(t.Context(), "X"); err != nil {
		t.Error(err)
	}
	if _, checks := s.distinct(); checks != 1 {
		t.Errorf("%d checks arrived, want 1", checks)
	}
}

func TestRandomLossesAreRepeatable(t *testing.T) {
	losses := func(seed uint64) (all []uint64) {
		h, _ := newStation(t).handheld(t, handheld.Settings{Seed: seed, Tries: 20})
		if err := h.SetFaults(handheld.Faults{LoseRate: 400}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := h.Scan(t.Context(), "X"); err != nil {
				t.Fatal(err)
			}
			all = append(all, h.State().Retries)
		}
		return all
	}
	first, again, other := losses(7), losses(7), losses(8)
	if !equal(first, again) || equal(first, other) {
		t.Errorf("%v, again %v, with another seed %v", first, again, other)
	}
}

func equal(a, b []uint64) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// TestHealth_SHOW_6_3_6_2_1: the report has exactly the agreed fields.
func TestHealth_SHOW_6_3_6_2_1(t *testing.T) {
	s := newStation(t)
	battery := 80
	h, _ := s.handheld(t, handheld.Settings{Health: handheld.Health{Battery: &battery, Network: "mobile", Signal: -85}})
	if err := h.Report(t.Context()); err != nil {
		t.Fatal(err)
	}
	low := 9
	if err := h.SetHealth(handheld.Health{Battery: &low, Charging: true}); err != nil {
		t.Fatal(err)
	}
	if err := h.Report(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `{"battery":80,"charging":false,"network":"mobile","signal":-85}` + `{"battery":9,"charging":true,"network":"mobile","signal":0}`
	if got := strings.Join(s.reports, ""); got != want {
		t.Errorf("reports %s, want %s", got, want)
	}
	more := 101
	if err := h.SetHealth(handheld.Health{Battery: &more}); err == nil {
		t.Error("a battery of 101 %: nil, want an error")
	}
}

func TestWhatTheStationRefusesIsNotTriedAgain(t *testing.T) {
	s := newStation(t)
	h, _ := s.handheld(t, handheld.Settings{})
	if err := os.WriteFile(s.token, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := h.Scan(t.Context(), "X")
	if !errors.Is(err, handheld.ErrRefused) || !strings.Contains(err.Error(), "unknown_device") || h.State().Retries != 0 {
		t.Errorf("%v after %d retries, want ErrRefused at once", err, h.State().Retries)
	}
	if err := os.Remove(s.token); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Scan(t.Context(), "X"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want that there is no token", err)
	}
}

func TestBadSettings(t *testing.T) {
	good := handheld.Settings{URL: "https://localhost:1", TokenFile: "t", Lane: "H1"}
	for name, spoil := range map[string]func(*handheld.Settings){
		"no TLS": func(s *handheld.Settings) { s.URL = "http://localhost:1" }, "no URL": func(s *handheld.Settings) { s.URL = "" },
		"no token": func(s *handheld.Settings) { s.TokenFile = "" }, "no lane": func(s *handheld.Settings) { s.Lane = "" },
		"request": func(s *handheld.Settings) { s.Request = "leave" }, "tries": func(s *handheld.Settings) { s.Tries = -1 },
		"signal": func(s *handheld.Settings) { s.Signal = 5 },
	} {
		s := good
		spoil(&s)
		if _, err := handheld.New(s, tape.Recorder{}); err == nil {
			t.Errorf("%s: nil, want an error", name)
		}
	}
	h, err := handheld.New(good, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.SetFaults(handheld.Faults{LoseRate: 1001}); err == nil {
		t.Error("lose_rate 1001: nil, want an error")
	}
}
