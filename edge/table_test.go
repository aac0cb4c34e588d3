package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"yipiao/edge/internal/fleet"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
)

// TestDecisionTableOverLAN runs every row against a whole station over its LAN API, with the uplink up
// and with the uplink cut: the answers must be the same.
func TestDecisionTableOverLAN(t *testing.T) {
	rows, err := decisions.Table()
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		for _, cut := range []bool{false, true} {
			r, name := rows[i], rows[i].Name
			if cut {
				name += ", uplink cut"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				runRow(t, &r, cut)
			})
		}
	}
}

func runRow(t *testing.T, r *decisions.Row, cut bool) {
	now := time.Now().Truncate(time.Second)
	w, err := decisions.NewWorld(r, now)
	if err != nil {
		t.Fatal(err)
	}
	cloud := newTestCloud(t)
	cloud.put(w)
	s := startStation(t, cloud, w)
	s.clock.set(now.Add(time.Duration(r.HistoryAt)*time.Minute), true)
	s.synced()
	last := s.history(w)
	cloud.after(w)
	s.afterwards(w)
	if cut {
		cloud.wire.set(true)
		s.until("the uplink is extreme", func() bool { return s.Status().Uplink.State == "extreme" })
	}
	s.clock.set(now, r.Clock == "trusted")
	lane, kind, nonce, code := r.Lane, r.Kind, ticket.Nonce{99}, w.Payload
	switch r.Nonce {
	case "repeat":
		lane, kind, nonce, code = last.Lane.Name, string(last.Kind), last.Nonce, last.Payload
	case "reuse":
		nonce = last.Nonce
	}
	token := s.token
	if r.Device == "stranger" {
		token = s.stranger
	}
	got := s.check(token, map[string]any{"nonce": nonce, "code": code, "kind": kind, "lane": lane})
	_, h, _ := s.ledger.Ticket(decisions.TheID)
	if got.Verdict.Reason != r.Want.Reason || got.Verdict.Outcome != r.Want.Outcome || int(h.Used) != r.Want.Used {
		t.Fatalf("got %s, used %d; want %s, used %d", got.Verdict.Reason, h.Used, r.Want.Reason, r.Want.Used)
	}
	if r.Want.Reason == ticket.MaxEntries && got.Verdict.Legal != ticket.MaxEntriesSentence {
		t.Fatalf("legal sentence %q", got.Verdict.Legal) // SHOW-E.2.7-c
	}
	if got.Verdict.Zh == "" || got.Verdict.En == "" {
		t.Fatal("a verdict without words")
	}
	if r.Want.N != 0 && (got.Verdict.N != r.Want.N || got.Verdict.Of != r.Want.Of) {
		t.Fatalf("got entry %d of %d, want %d of %d", got.Verdict.N, got.Verdict.Of, r.Want.N, r.Want.Of)
	}
	if got.Repeated != (r.Nonce == "repeat") {
		t.Fatalf("repeated = %v", got.Repeated)
	}
}

// runningStation is a station at work, with a device that may ask and one that may not.
type runningStation struct {
	*Station
	t               *testing.T
	cloud           *testCloud
	clock           *handTime
	client          *http.Client
	url             string
	device          string
	token, stranger string
}

func startStation(t *testing.T, cloud *testCloud, w *decisions.World) *runningStation {
	t.Helper()
	cfg := Config{Data: cloud.enrol(), Listen: Listen{LAN: "127.0.0.1:0"}, segment: 64 << 10, probe: 100 * time.Millisecond}
	for name, l := range w.Lanes {
		cfg.Lanes = append(cfg.Lanes, LaneConfig{Name: name, Groups: l.Groups, Entry: l.Entry, Exit: l.Exit, Closed: !l.Open})
	}
	s := &runningStation{t: t, cloud: cloud, clock: &handTime{at: time.Now(), trusted: true}}
	var err error
	if s.Station, err = assemble(cfg, slog.New(slog.DiscardHandler), s.clock); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("station ended: %v", err)
		}
	})
	select {
	case addr := <-s.web.bound:
		s.url = "https://" + addr.String()
	case err := <-done:
		done <- err
		t.Fatal("station did not start")
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.id.Root)
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(s.client.CloseIdleConnections)
	s.register(w)
	return s
}

func (s *runningStation) register(w *decisions.World) {
	s.t.Helper()
	var lanes []string
	for name := range w.Lanes {
		lanes = append(lanes, name)
	}
	d, token, err := s.fleet.AddDevice("手持1", lanes, []fleet.Permission{fleet.MayCheck})
	if err == nil {
		s.device, s.token = d.ID, token
		_, s.stranger, err = s.fleet.AddDevice("看板", lanes, []fleet.Permission{fleet.MayRead})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// until waits for a condition with a deadline; it asks again rather than trusting a pause.
func (s *runningStation) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			s.t.Fatalf("waited too long until %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// synced waits until the station has read its feed to the head.
func (s *runningStation) synced() {
	s.t.Helper()
	s.until("the feed is read", func() bool {
		head, err := s.cloud.store.Stamp(context.Background(), self)
		_, cursor := s.ledger.Cursor()
		return err == nil && cursor > 0 && cursor == head.Pos
	})
}

func (s *runningStation) history(w *decisions.World) *ledger.Request {
	s.t.Helper()
	var last *ledger.Request
	for i, step := range w.Row.History {
		last = &ledger.Request{
			Kind: ticket.RequestEntry, Payload: w.HistCode, Nonce: ticket.Nonce{byte(i + 1)}, Device: s.device,
			Permitted: true, Lane: w.Lanes["service"], Gated: step != "entry" && step != "exit",
		}
		if step == "exit" {
			last.Kind = ticket.RequestExit
		}
		a, err := s.ledger.Do(context.Background(), last, ticket.Check)
		if err != nil {
			s.t.Fatal(err)
		}
		if end := map[string]ledger.End{"lapsed": ledger.Lapsed, "uncertain": ledger.Uncertain}[step]; end != 0 {
			if _, err := s.ledger.EndPassage(context.Background(), a.Seq, end); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return last
}

// afterwards waits until what the cloud changed after the history has arrived.
func (s *runningStation) afterwards(w *decisions.World) {
	s.t.Helper()
	r := w.Row
	if r.Custody == string(ticket.CustodyRecalled) {
		s.until("the recall is applied", func() bool {
			_, h, _ := s.ledger.Ticket(w.Ticket.ID)
			return !h.Holds || h.Recalling
		})
	}
	if r.Unreadable {
		s.until("the unreadable entry is kept aside", func() bool { return s.ledger.Stats().Aside == 1 })
	}
}

type answer struct {
	Verdict struct {
		Reason  ticket.Reason  `json:"reason"`
		Outcome ticket.Outcome `json:"outcome"`
		N, Of   uint16
		Zh, En  string
		Legal   string `json:"legal"`
	} `json:"verdict"`
	Repeated bool `json:"repeated"`
}

func (s *runningStation) check(token string, body any) answer {
	s.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+"/api/v1/check", bytes.NewReader(raw))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var out answer
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("status %s, %v", res.Status, err)
	}
	return out
}
