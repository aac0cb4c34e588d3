package lanapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/fleet"
	"yipiao/edge/internal/lanapi"
	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

const bodyLimit = 64 << 10 // as the station's listener has it

// station is the interface over a fake ledger and a fake registry.
type station struct {
	t     testing.TB
	app   *fiber.App
	board *lane.Board

	mu      sync.Mutex
	asked   []ledger.Request
	annuls  []ledger.AnnulRequest
	answer  ledger.Answer
	fail    error
	login   error
	devices map[string]*fleet.Device
	acted   []string
	reports []fleet.Report
	changed []fleet.Change
}

func newStation(t testing.TB) *station {
	s := &station{t: t, board: lane.NewBoard(), devices: map[string]*fleet.Device{
		"checks":  {ID: "d1", Lanes: []string{"door"}, May: []fleet.Permission{fleet.MayCheck}},
		"reads":   {ID: "d2", May: []fleet.Permission{fleet.MayRead}},
		"revoked": {ID: "d3", Lanes: []string{"door"}, May: []fleet.Permission{fleet.MayCheck, fleet.MayRead}, RevokedMs: 5},
	}}
	s.answer = ledger.Answer{Verdict: ticket.Verdict{Reason: ticket.Admitted, N: 1, Of: 1}, Seq: 9, TimeMs: 77}
	s.app = fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true, BodyLimit: bodyLimit})
	lanapi.Mount(s.app, lanapi.Config{
		Registry: s, Checker: s, Decide: ticket.Check, Board: s.board, Log: slog.New(slog.DiscardHandler),
		Lane: func(name string) (ticket.Lane, bool) {
			return ticket.Lane{Name: name, Open: true}, name == "door" || name == "side"
		},
		CloudAge: func() time.Duration { return 2 * time.Second },
		Status:   func() any { return map[string]string{"station": "S-0001"} },
		Digests:  func(context.Context) (any, error) { return map[string]int{"end": 4}, s.fail },
		Ticket: func(id ticket.TicketID) (any, bool) {
			return map[string]any{"id": id}, id == 4001
		},
		Changed: func(all []fleet.Change) { s.changed = append(s.changed, all...) },
		Acted:   func(who, what, about string) { s.acted = append(s.acted, fmt.Sprint(who, " ", what, " ", about)) },
	})
	return s
}

func (s *station) Device(token string) (*fleet.Device, bool) {
	d, ok := s.devices[token]
	return d, ok
}

func (s *station) AddDevice(name string, lanes []string, may []fleet.Permission) (fleet.Device, string, error) {
	if name == "" {
		return fleet.Device{}, "", &ticket.FieldError{Field: "name", Want: "名称", Code: "bad_device_name"}
	}
	return fleet.Device{ID: "d9", Name: name, Lanes: lanes, May: may}, "new token", s.fail
}

func (s *station) Heard(d *fleet.Device, r fleet.Report) []fleet.Change {
	s.reports = append(s.reports, r)
	return []fleet.Change{{Device: d.ID, State: "ok"}}
}

func (s *station) Login(_ context.Context, _, password string) (string, error) {
	if password != "right" && s.login == nil {
		return "", fleet.ErrWrong
	}
	return "session", s.login
}

func (s *station) Who(token string) (string, bool) { return "技术员", token == "session" }

func (s *station) Do(_ context.Context, req *ledger.Request, _ ledger.Decide) (ledger.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, *req)
	return s.answer, s.fail
}

func (s *station) Annul(_ context.Context, req *ledger.AnnulRequest) (ledger.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.annuls = append(s.annuls, *req)
	return s.answer, s.fail
}

// reply is what came back, decoded.
type reply struct {
	status int
	body   string
	Error  struct {
		Code, Message, Field string
	} `json:"error"`
	Verdict struct {
		Reason  ticket.Reason  `json:"reason"`
		Outcome ticket.Outcome `json:"outcome"`
		Zh      string         `json:"zh"`
		Legal   string         `json:"legal"`
	} `json:"verdict"`
	Seq      uint64 `json:"seq"`
	Seat     string `json:"seat"`
	Holder   string `json:"holder"`
	CloudAge int64  `json:"cloud_age_ms"`
	Token    string `json:"token"`
	Newest   uint64 `json:"newest"`
	Events   []struct {
		N    uint64 `json:"n"`
		Lane string `json:"lane"`
	} `json:"events"`
}

func (s *station) call(method, path, token, body string) reply {
	s.t.Helper()
	req := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := s.app.Test(req, 10_000)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	out := reply{status: res.StatusCode, body: string(raw)}
	_ = json.Unmarshal(raw, &out) // what is not JSON shows in body
	return out
}

func (s *station) check(body string) reply {
	s.t.Helper()
	return s.call(http.MethodPost, "/api/v1/check", "checks", body)
}

func (r *reply) want(t *testing.T, status int, code, field string) {
	t.Helper()
	if r.status != status || r.Error.Code != code || r.Error.Field != field || r.Error.Message == "" {
		t.Fatalf("%d %s, want %d, code %s, field %q", r.status, r.body, status, code, field)
	}
}

const (
	nonce = "00112233445566778899aabbccddeeff"
	whole = `{"nonce":"` + nonce + `","code":"YP1:X","kind":"entry","lane":"door"}`
)

func TestCheck_AnswersWithVerdictAndWords(t *testing.T) {
	s := newStation(t)
	s.answer.Ticket, s.answer.Seat, s.answer.Holder = 7, "1层12排08座", "*三"
	r := s.check(whole)
	if r.status != http.StatusOK || r.Verdict.Reason != ticket.Admitted || r.Verdict.Outcome != ticket.OutcomeAdmit ||
		r.Verdict.Zh != "第 1 次入场（共可 1 次）" || r.Seq != 9 || r.Seat == "" || r.Holder != "*三" || r.CloudAge != 2000 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	q := s.asked[0]
	if q.Device != "d1" || q.Payload != "YP1:X" || q.Kind != ticket.RequestEntry || q.Lane.Name != "door" || !q.Permitted || q.Nonce.IsZero() || q.Gated {
		t.Fatalf("asked %+v", q)
	}
}

func TestCheck_MaxEntriesCarriesTheLegalSentence_SHOW_E_2_7_c(t *testing.T) {
	s := newStation(t)
	s.answer.Verdict = ticket.Verdict{Reason: ticket.MaxEntries}
	if r := s.check(whole); r.Verdict.Legal != ticket.MaxEntriesSentence {
		t.Fatal(r.body)
	}
}

func TestCheck_BadInputNamesTheFieldAndAsksNobody(t *testing.T) {
	s := newStation(t)
	for _, c := range []struct{ name, body, code, field string }{
		{"no body", ``, "bad_json", ""},
		{"not JSON", `{"nonce":`, "bad_json", ""},
		{"not an object", `[1]`, "bad_json", ""},
		{"wrong type", `{"nonce":"` + nonce + `","code":5}`, "bad_json", ""},
		{"two values", whole + whole, "bad_json", ""},
		{"a stray brace", whole + "}", "bad_json", ""},
		{"no nonce", `{"code":"YP1:X","kind":"entry","lane":"door"}`, "bad_nonce", "nonce"},
		{"nonce null", `{"nonce":null,"code":"YP1:X","kind":"entry","lane":"door"}`, "bad_nonce", "nonce"},
		{"nonce of zeros", strings.Replace(whole, nonce, strings.Repeat("0", 32), 1), "bad_nonce", "nonce"},
		{"short nonce", strings.Replace(whole, nonce, nonce[1:], 1), "bad_nonce", "nonce"},
		{"nonce not hex", strings.Replace(whole, nonce, "g"+nonce[1:], 1), "bad_nonce", "nonce"},
		{"no kind", `{"nonce":"` + nonce + `","code":"YP1:X","lane":"door"}`, "bad_kind", "kind"},
		{"other kind", strings.Replace(whole, "entry", "sale", 1), "bad_kind", "kind"},
		{"no lane", `{"nonce":"` + nonce + `","code":"YP1:X","kind":"entry"}`, "bad_lane", "lane"},
		{"unknown lane", strings.Replace(whole, "door", "moon", 1), "unknown_lane", "lane"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.check(c.body)
			r.want(t, http.StatusBadRequest, c.code, c.field)
		})
	}
	if len(s.asked) != 0 {
		t.Fatalf("asked %+v", s.asked)
	}
}

func TestCheck_UnknownKeyIsNamed(t *testing.T) {
	s := newStation(t)
	r := s.check(strings.Replace(whole, `"kind"`, `"knid"`, 1))
	r.want(t, http.StatusBadRequest, "bad_json", "")
	if !strings.Contains(r.Error.Message, "knid") {
		t.Fatalf("message %q", r.Error.Message)
	}
}

func TestCheck_LongCodesAreDecidedAndNotKept(t *testing.T) {
	s := newStation(t)
	for n, want := range map[int]int{300: 300, lanapi.MaxPayload: lanapi.MaxPayload, lanapi.MaxPayload + 1: lanapi.MaxPayload, 50_000: lanapi.MaxPayload} {
		s.asked = nil
		r := s.check(strings.Replace(whole, "YP1:X", strings.Repeat("A", n), 1))
		if r.status != http.StatusOK || len(s.asked) != 1 || len(s.asked[0].Payload) != want {
			t.Fatalf("%d bytes: %d %s, asked about %d", n, r.status, r.body, len(s.asked[0].Payload))
		}
	}
}

func TestCheck_BodyBeyondTheLimitIsRefused(t *testing.T) {
	s := newStation(t)
	body := strings.Replace(whole, "YP1:X", strings.Repeat("A", bodyLimit), 1)
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/api/v1/check", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer checks")
	// In process the server's refusal shows as an error; the station's own tests see the status.
	if res, err := s.app.Test(req, 10_000); err == nil || !strings.Contains(err.Error(), "body size exceeds") {
		if err == nil {
			_ = res.Body.Close()
		}
		t.Fatalf("got %v", err)
	}
	if len(s.asked) != 0 {
		t.Fatal("decided")
	}
}

func TestCheck_WithoutARegisteredTokenNothingIsRead(t *testing.T) {
	s := newStation(t)
	for _, token := range []string{"", "unknown"} {
		r := s.call(http.MethodPost, "/api/v1/check", token, "not even JSON")
		r.want(t, http.StatusUnauthorized, "unknown_device", "")
	}
}

// A revoked device, or one at another lane, is the decision's business: it says so and records it.
func TestCheck_RevokedOrMisplacedDeviceIsNotPermitted(t *testing.T) {
	s := newStation(t)
	for _, c := range []struct{ token, lane string }{{"revoked", "door"}, {"checks", "side"}, {"reads", "door"}} {
		s.asked = nil
		r := s.call(http.MethodPost, "/api/v1/check", c.token, strings.Replace(whole, "door", c.lane, 1))
		if r.status != http.StatusOK || len(s.asked) != 1 || s.asked[0].Permitted {
			t.Fatalf("%+v: %d, asked %+v", c, r.status, s.asked)
		}
	}
}

func TestCheck_FaultIsSaidAndIsNoVerdict(t *testing.T) {
	s := newStation(t)
	for _, fail := range []error{fmt.Errorf("%w: disk", ledger.ErrFault), context.DeadlineExceeded, errors.New("other")} {
		s.fail = fail
		r := s.check(whole)
		r.want(t, http.StatusServiceUnavailable, "station_fault", "")
		if r.Verdict.Reason != "" || strings.Contains(r.body, "disk") {
			t.Fatal(r.body)
		}
	}
}

func TestReading_NeedsThePermission(t *testing.T) {
	s := newStation(t)
	for _, path := range []string{"/api/v1/status", "/api/v1/digests", "/api/v1/events", "/api/v1/tickets/4001"} {
		r := s.call(http.MethodGet, path, "", "")
		r.want(t, http.StatusUnauthorized, "unknown_device", "")
		for _, token := range []string{"checks", "revoked"} {
			r = s.call(http.MethodGet, path, token, "")
			r.want(t, http.StatusForbidden, "not_permitted", "")
		}
		if r = s.call(http.MethodGet, path, "reads", ""); r.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

func TestTickets_BadAndUnknownNumbers(t *testing.T) {
	s := newStation(t)
	r := s.call(http.MethodGet, "/api/v1/tickets/x", "reads", "")
	r.want(t, http.StatusBadRequest, "bad_ticket_id", "id")
	r = s.call(http.MethodGet, "/api/v1/tickets/5", "reads", "")
	r.want(t, http.StatusNotFound, "unknown_ticket", "")
}

func TestDigests_FaultIsSaid(t *testing.T) {
	s := newStation(t)
	s.fail = ledger.ErrFault
	r := s.call(http.MethodGet, "/api/v1/digests", "reads", "")
	r.want(t, http.StatusServiceUnavailable, "station_fault", "")
}

func TestEvents_GiveWhatIsNew(t *testing.T) {
	s := newStation(t)
	s.board.Post(lane.Shown{Lane: "door", Verdict: ticket.Verdict{Reason: ticket.Admitted}})
	s.board.Post(lane.Shown{Lane: "side", Verdict: ticket.Verdict{Reason: ticket.MaxEntries}})
	r := s.call(http.MethodGet, "/api/v1/events?since=1", "reads", "")
	if r.Newest != 2 || len(r.Events) != 1 || r.Events[0].Lane != "side" {
		t.Fatal(r.body)
	}
	r = s.call(http.MethodGet, "/api/v1/events?since=2&lane=door&wait_ms=1", "reads", "")
	if r.status != http.StatusOK || r.Newest != 2 || !strings.Contains(r.body, `"events":[]`) {
		t.Fatal(r.body)
	}
	for _, bad := range []string{"since=x", "since=-1", "wait_ms=-1", "wait_ms=30001", "wait_ms=x"} {
		r := s.call(http.MethodGet, "/api/v1/events?"+bad, "reads", "")
		r.want(t, http.StatusBadRequest, "bad_query", "since, wait_ms")
	}
}

func TestLogin_SaysWhatIsWrong(t *testing.T) {
	s := newStation(t)
	if r := s.call(http.MethodPost, "/api/v1/login", "", `{"name":"技术员","password":"right"}`); r.Token != "session" {
		t.Fatal(r.body)
	}
	r := s.call(http.MethodPost, "/api/v1/login", "", `{"name":"技术员","password":"x"}`)
	r.want(t, http.StatusUnauthorized, "wrong_password", "")
	r = s.call(http.MethodPost, "/api/v1/login", "", `{"user":"x"}`)
	r.want(t, http.StatusBadRequest, "bad_json", "")
	s.login = fleet.ErrLocked
	r = s.call(http.MethodPost, "/api/v1/login", "", `{}`)
	r.want(t, http.StatusTooManyRequests, "locked", "")
	s.login = errors.New("random source")
	r = s.call(http.MethodPost, "/api/v1/login", "", `{}`)
	r.want(t, http.StatusServiceUnavailable, "station_fault", "")
}

func TestDevices_AreAddedBySomebodyLoggedIn(t *testing.T) {
	s := newStation(t)
	const path, body = "/api/v1/devices", `{"name":"手持1","lanes":["door"],"may":["check"]}`
	for _, token := range []string{"", "checks"} { // a device is nobody who may do this
		r := s.call(http.MethodPost, path, token, body)
		r.want(t, http.StatusUnauthorized, "login_required", "")
	}
	r := s.call(http.MethodPost, path, "session", body)
	if r.status != http.StatusCreated || r.Token != "new token" || len(s.acted) != 1 || s.acted[0] != "技术员 device_added d9" {
		t.Fatalf("%d %s, acted %v", r.status, r.body, s.acted)
	}
	r = s.call(http.MethodPost, path, "session", `{"name":"手持1","lanes":["moon"]}`)
	r.want(t, http.StatusBadRequest, "unknown_lane", "lanes")
	r = s.call(http.MethodPost, path, "session", `{"name":"","lanes":[]}`)
	r.want(t, http.StatusBadRequest, "bad_device_name", "name")
	s.fail = errors.New("disk")
	r = s.call(http.MethodPost, path, "session", body)
	r.want(t, http.StatusServiceUnavailable, "station_fault", "")
	if len(s.acted) != 1 {
		t.Fatalf("acted %v", s.acted)
	}
}
