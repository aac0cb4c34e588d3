// Package handheld is a simulated handheld checker: a member of the staff scans codes with it, and it asks the
// station over the LAN and shows the verdict. It also says how its battery and its network are.
//
// It knows the station's LAN API as a client, from its description and not from its source. It must not know what
// a code means. It decides nothing: without an answer it shows that there is none.
package handheld

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"yipiao/firmware-sim/tape"
)

// Settings are how a handheld is set up. The token and the certificates are read when they are needed, so that the
// station may be set up later.
type Settings struct {
	URL       string `json:"url"`        // of the station, https://host:port
	TokenFile string `json:"token_file"` // the token which the station gave out for this device
	CAFile    string `json:"ca_file"`    // PEM file with who signed the station's certificate
	Lane      string `json:"lane"`       // where it checks
	Request   string `json:"request"`    // "entry" (the default) or "exit"
	TimeoutMs int    `json:"timeout_ms"` // for one attempt; 0 is 3000
	Tries     int    `json:"tries"`      // attempts of one scan, all with one nonce; 0 is 4
	RetryMs   int    `json:"retry_ms"`   // between attempts; 0 is 300
	ReportS   int    `json:"report_s"`   // between reports of its health; 0 is 60
	Seed      uint64 `json:"seed"`       // of the replies that are lost at random

	Health
}

// A Health is what a handheld says of itself.
type Health struct {
	Battery  *int   `json:"battery"` // percent; nil is 100
	Charging bool   `json:"charging"`
	Network  string `json:"network"` // wifi (""), mobile, ethernet or other
	Signal   int    `json:"signal"`  // dBm; 0 is not known
}

// Faults are what goes wrong on the air. Counters count down with each attempt.
type Faults struct {
	DelayMs      int `json:"delay_ms,omitempty"`      // before each attempt
	LoseRequests int `json:"lose_requests,omitempty"` // attempts that never arrive
	LoseReplies  int `json:"lose_replies,omitempty"`  // attempts that are carried out, but whose answer is lost
	Duplicate    int `json:"duplicate,omitempty"`     // attempts that arrive twice
	LoseRate     int `json:"lose_rate,omitempty"`     // of a thousand answers, so many are lost, drawn from the seed
}

// Errors of a scan or a report.
var (
	// ErrNoAnswer is returned when no attempt was answered.
	ErrNoAnswer = errors.New("handheld: no answer from the station")
	// ErrRefused is returned when the station does not talk to this device, or not about this.
	ErrRefused = errors.New("handheld: the station refuses the request")
)

// A Verdict is what the handheld shows.
type Verdict struct {
	Reason   string `json:"reason"`
	Outcome  string `json:"outcome"` // admit, refuse, hold or exit
	Zh       string `json:"zh"`
	En       string `json:"en"`
	HintZh   string `json:"hint_zh,omitempty"`
	Seat     string `json:"seat,omitempty"`
	Holder   string `json:"holder,omitempty"` // masked by the station
	Session  string `json:"session,omitempty"`
	Repeated bool   `json:"repeated,omitempty"` // the station had decided this attempt before
}

// A Handheld is one simulated handheld. It is safe for concurrent use; scans take their turns.
type Handheld struct {
	set  Settings
	rec  tape.Recorder
	turn chan struct{} // one slot: one request at a time

	mu     sync.Mutex // guards the fields below
	client *http.Client
	health report
	away   bool // out of the network's reach
	faults Faults
	rng    *mathrand.Rand
	state  State
}

// report is the body of a health report.
type report struct {
	Battery  int    `json:"battery"`
	Charging bool   `json:"charging"`
	Network  string `json:"network"`
	Signal   int    `json:"signal"`
}

// New makes a handheld. Nothing is opened yet.
func New(s Settings, rec tape.Recorder) (*Handheld, error) {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("url %q, want https://host:port", s.URL)
	case s.TokenFile == "" || s.Lane == "":
		return nil, errors.New("token_file and lane are both needed")
	case s.Request != "" && s.Request != "entry" && s.Request != "exit":
		return nil, fmt.Errorf("request %q, want entry or exit", s.Request)
	}
	for _, d := range []struct {
		name   string
		v      *int
		preset int
	}{{"timeout_ms", &s.TimeoutMs, 3000}, {"tries", &s.Tries, 4}, {"retry_ms", &s.RetryMs, 300}, {"report_s", &s.ReportS, 60}} {
		if *d.v < 0 || *d.v > 1_000_000 {
			return nil, fmt.Errorf("%s %d is out of range", d.name, *d.v)
		}
		if *d.v == 0 {
			*d.v = d.preset
		}
	}
	if s.Request == "" {
		s.Request = "entry"
	}
	h := &Handheld{
		set: s, rec: rec, turn: make(chan struct{}, 1), rng: mathrand.New(mathrand.NewPCG(s.Seed, 0)),
		health: report{Battery: 100, Network: "wifi"},
	}
	return h, h.SetHealth(s.Health)
}

// SetHealth changes what the handheld says of itself; a nil battery and an empty network stay as they are.
func (h *Handheld) SetHealth(n Health) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.health
	if n.Battery != nil {
		r.Battery = *n.Battery
	}
	if n.Network != "" {
		r.Network = n.Network
	}
	r.Charging, r.Signal = n.Charging, n.Signal
	if r.Battery < 0 || r.Battery > 100 || r.Signal > 0 || r.Signal < -150 {
		return fmt.Errorf("battery %d or signal %d is out of range", r.Battery, r.Signal)
	}
	h.health = r
	return nil
}

// SetFaults replaces what goes wrong.
func (h *Handheld) SetFaults(f Faults) error {
	for _, n := range []int{f.DelayMs, f.LoseRequests, f.LoseReplies, f.Duplicate, f.LoseRate, 1000 - f.LoseRate, 60000 - f.DelayMs} {
		if n < 0 {
			return errors.New("faults are numbers from 0: delay_ms to 60000, lose_rate to 1000")
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = f
	return nil
}

// Leave takes the handheld out of the network's reach, and Return brings it back.
func (h *Handheld) Leave() { h.walk(true, "left", "离开网络 / out of the network's reach") }

// Return brings the handheld back into the network's reach.
func (h *Handheld) Return() { h.walk(false, "returned", "回到网络 / back in the network's reach") }

func (h *Handheld) walk(away bool, kind, text string) {
	h.mu.Lock()
	changed := h.away != away
	h.away = away
	h.mu.Unlock()
	if changed {
		h.rec.Add(kind, text, nil)
	}
}

// Scan reads a code, asks the station and shows its verdict. A lost answer is asked for again with the same nonce,
// so that the station counts once. The error is ErrNoAnswer, ErrRefused, or says that a file cannot be read.
func (h *Handheld) Scan(ctx context.Context, code string) (Verdict, error) {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails. Not seeded: a station remembers nonces
	body, err := json.Marshal(map[string]string{
		"nonce": hex.EncodeToString(nonce), "code": code, "kind": h.set.Request, "lane": h.set.Lane,
	})
	if err != nil {
		return Verdict{}, fmt.Errorf("handheld: %w", err)
	}
	h.count(func(s *State) { s.Scans++ })
	raw, err := h.ask(ctx, "/api/v1/check", "验票 / check", body)
	if err != nil {
		h.rec.Add("no-verdict", "没有判定，请再扫 / no verdict, scan again: "+err.Error(), nil)
		return Verdict{}, err
	}
	var answer struct {
		Verdict Verdict `json:"verdict"`
	}
	// The seat and its company stand beside the verdict in the answer.
	if err := errors.Join(json.Unmarshal(raw, &answer.Verdict), json.Unmarshal(raw, &answer)); err != nil {
		return Verdict{}, fmt.Errorf("%w: its answer is not understood: %w", ErrNoAnswer, err)
	}
	v := answer.Verdict
	h.count(func(s *State) { s.Shown = &v })
	h.rec.Add("verdict", fmt.Sprintf("%s %s / %s %s %s", signs[v.Outcome], v.Zh, v.Outcome, v.Reason, v.Seat), nil)
	return v, nil
}

var signs = map[string]string{"admit": "✔ 放行", "refuse": "✘ 不放行", "hold": "! 待定", "exit": "→ 离场"}

// Report tells the station how the handheld is. The errors are those of Scan.
func (h *Handheld) Report(ctx context.Context) error {
	h.mu.Lock()
	r := h.health
	h.mu.Unlock()
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("handheld: %w", err)
	}
	_, err = h.ask(ctx, "/api/v1/device/health",
		fmt.Sprintf("上报电量 %d%%，网络 %s / reports battery and network", r.Battery, r.Network), body)
	return err
}

// Run reports at the set times until ctx is done. A report that fails is on the tape.
func (h *Handheld) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Duration(h.set.ReportS) * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := h.Report(ctx); err != nil && ctx.Err() == nil {
				h.rec.Add("unreported", "未能上报 / not reported: "+err.Error(), nil)
			}
		case <-ctx.Done():
			return nil
		}
	}
}
