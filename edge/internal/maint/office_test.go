package maint_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/desk"
	"yipiao/edge/internal/maint"
	"yipiao/sync/journal"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
)

// An archive is a real journal and a real desk, with a small catalogue.
type archive struct {
	t    *testing.T
	log  *seglog.Log
	desk *desk.Desk

	mu    sync.Mutex
	at    int64
	cloud bool
	used  uint16
}

var _ desk.Source = (*archive)(nil)

func newArchive(t *testing.T, began time.Time) *archive {
	t.Helper()
	dir := t.TempDir()
	log, _, err := seglog.Open(seglog.Config{Dir: filepath.Join(dir, "journal"), Epoch: 1, Key: []byte("chain key"), SegmentSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{t: t, log: log, at: began.UnixMilli()}
	a.desk, err = desk.New(desk.Config{
		Dir: dir, Self: 17, Source: a, Archive: a.ask, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.desk.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = log.Close()
	})
	return a
}

func (a *archive) Journal(from uint64, n, size int) ([]journal.Entry, error) {
	return a.log.Read(from, n, size)
}
func (a *archive) WaitDurable(ctx context.Context, seq uint64) error { return a.log.Wait(ctx, seq) }
func (a *archive) FirstFact() uint64                                 { return 1 }
func (a *archive) Durable() journal.Pos                              { return a.log.Durable() }

func (a *archive) Ticket(id ticket.TicketID) (ticket.Ticket, ticket.Held, bool) {
	t := ticket.Ticket{
		ID: id, Session: 9001, Seat: fmt.Sprintf("1层 A区 %d排 07座", id%40), Holder: "*𠮷", Order: fmt.Sprintf("ORDER-%06d", id),
		Code: ticket.TicketCode(fmt.Sprintf("110101001012026112503%08d", id)),
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return t, ticket.Held{Used: a.used}, id < 1000
}

func (a *archive) Session(id ticket.SessionID) (ticket.Session, bool) {
	return ticket.Session{ID: id, Name: "新年音乐会", HallName: "音乐厅"}, id == 9001
}

// ask is a cloud that has one fact of another station.
func (a *archive) ask(context.Context, ticket.TicketID, int64, int) ([]desk.Archived, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.cloud {
		return nil, false, fmt.Errorf("no route")
	}
	f := ticket.Fact{Ticket: 1, Session: 9001, Gen: 1, Used: 1, Lane: "K1", Verdict: &ticket.Verdict{Reason: ticket.Admitted, N: 1, Of: 2}}
	return []desk.Archived{{Station: 4, Entry: journal.Entry{Epoch: 1, Seq: 5, Record: journal.Record{
		Kind: journal.Kind(ticket.FactEntryGranted), TimeMs: a.at - 3_600_000, Body: f.Append(nil),
	}}}}, false, nil
}

func (a *archive) fact(k ticket.FactKind, f ticket.Fact) uint64 { return a.write(k, f.Append(nil)) }
func (a *archive) note(k ticket.FactKind, n ticket.Note) uint64 { return a.write(k, n.Append(nil)) }

func (a *archive) write(k ticket.FactKind, body []byte) uint64 {
	a.t.Helper()
	a.mu.Lock()
	a.at += 7000
	at := a.at
	a.mu.Unlock()
	seq, err := a.log.Append(journal.Record{Kind: journal.Kind(k), TimeMs: at, Body: body})
	if err == nil {
		err = a.log.Wait(a.t.Context(), seq)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return seq
}

// settled waits until the desk holds everything.
func (a *archive) settled() {
	a.t.Helper()
	for range 20 {
		a.desk.Await(a.t.Context(), a.log.End())
		if st := a.desk.Status(); st.Ready && st.Lag() == 0 {
			return
		}
	}
	a.t.Fatalf("desk: %+v", a.desk.Status())
}

// pages is the rest of what the documents need.
func (a *archive) pages(s *source) *maint.Desk {
	return &maint.Desk{
		Desk:  a.desk,
		Lanes: func() []maint.Lane { return s.Overview().Lanes },
		DeviceName: func(id string) string {
			return map[string]string{"d0011223344": "手持 3 号"}[id]
		},
		Shift: func(_ context.Context, who, lane string, open bool) (uint64, error) {
			n := ticket.Note{Subject: lane, State: desk.ShiftClosed, Text: who}
			if lane == "" {
				n.Subject = desk.ShiftAll
			}
			if open {
				n.State = desk.ShiftOpened
			}
			return a.note(ticket.FactOperatorAction, n), nil
		},
	}
}

// lookBack is a station with an evening behind it.
func lookBack(t *testing.T) (*station, *archive) {
	t.Helper()
	now := time.Now()
	a := newArchive(t, now.Add(-30*time.Minute))
	verdict := func(r ticket.Reason, n uint16) *ticket.Verdict {
		return &ticket.Verdict{Reason: r, N: n, Of: 1, AtMs: a.at}
	}
	a.note(ticket.FactStationStarted, ticket.Note{Subject: "S-0017", State: "started"})
	a.note(ticket.FactUplinkChanged, ticket.Note{Subject: "uplink", Was: "unknown", State: "online"})
	for id := ticket.TicketID(1); id <= 60; id++ {
		lane := []string{"1", "2"}[id%2]
		of := a.fact(ticket.FactEntryGranted, ticket.Fact{Ticket: id, Session: 9001, Gen: 1, Used: 1, Lane: lane, Device: lane, Gated: true, Verdict: verdict(ticket.Admitted, 1)})
		end := ticket.FactEntryPassed
		switch id % 20 {
		case 7:
			end = ticket.FactEntryLapsed
		case 9:
			end = ticket.FactEntryUncertain
		}
		a.fact(end, ticket.Fact{Ticket: id, Session: 9001, Gen: 1, Of: of})
	}
	a.fact(ticket.FactRefused, ticket.Fact{Ticket: 5, Session: 9001, Lane: "1", Device: "d0011223344", Verdict: verdict(ticket.MaxEntries, 1)})
	a.fact(ticket.FactRefused, ticket.Fact{Lane: "2", Device: "2", Verdict: verdict(ticket.NotATicket, 0)})
	a.note(ticket.FactRefusalsRepeated, ticket.Note{Subject: "2", State: string(ticket.NotATicket), Count: 40})
	a.note(ticket.FactUplinkChanged, ticket.Note{Subject: "uplink", Was: "online", State: "extreme"})
	a.note(ticket.FactDeviceStatus, ticket.Note{Subject: "1号闸机", State: "lost", Text: "port closed"})
	a.note(ticket.FactDeviceStatus, ticket.Note{Subject: "1号闸机", State: "ok"})
	a.note(ticket.FactDeviceStatus, ticket.Note{Subject: "2号闸机", State: "alarm_forced"})
	a.note(ticket.FactUplinkChanged, ticket.Note{Subject: "uplink", Was: "extreme", State: "online"})
	a.note(ticket.FactClockAdjusted, ticket.Note{Subject: "clock", State: "measured", Value: -1500})
	a.settled()
	s := newStationWith(t, evening(now), a)
	return s, a
}

// ask sends a request of a person who is logged in.
func (s *station) ask(t *testing.T, method, path string, form url.Values) (*http.Response, string) {
	t.Helper()
	if s.people.token == "" {
		see(t, s, "/")
	}
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Cookie", "yipiao_s-0017="+s.people.token)
	res, err := s.app.Test(r, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestChecks_page(t *testing.T) {
	s, _ := lookBack(t)
	page := see(t, s, "/checks")
	has(t, page, "<nav", `href="/checks" aria-current="page"`, "检票记录", "不是本系统的票码", "×40", "已检过票，次数用完", "手持 3 号", "1层 A区 20排 07座", "*𠮷",
		"…0060", "新年音乐会", "不确定，计为已入场", "更早的记录", "本站保存的记录始于")
	hasNot(t, page, "⟨", "110101001012026112503", "ORDER-", "d0011223344<")
	if n := strings.Count(page, "<tr>") - 1; n != 50 {
		t.Errorf("%d rows on the first page", n)
	}
	second := see(t, s, strings.ReplaceAll(between(t, page, `<a class="btn" href="`, `"`), "&amp;", "&"))
	if n := strings.Count(second, "<tr>") - 1; n != 13 {
		t.Errorf("%d rows on the second page", n)
	}
	hasNot(t, second, "更早的记录")
	has(t, see(t, s, "/checks?outcome=refuse&lane=1"), "已检过票", `<option value="1" lang="zh-CN" selected>1号通道</option>`)
	has(t, see(t, s, "/checks?lane=nowhere"), "没有找到符合条件的记录")
	has(t, see(t, s, "/checks?lang=en&reason=not_a_ticket"), "Not one of our codes", "Clear", "×40")
}

func between(t *testing.T, s, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(s, from)
	got, _, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("no %q", from)
	}
	return got
}

// TestChecks_textStaysOutOfTheAddress: what is searched could name a person.
func TestChecks_textStaysOutOfTheAddress(t *testing.T) {
	s, _ := lookBack(t)
	res, _ := s.ask(t, http.MethodPost, "/checks", url.Values{"lane": {"1"}, "from": {"2026-11-25T12:00"}})
	if got := res.Header.Get("Location"); res.StatusCode != 303 || got != "/checks?from=2026-11-25T12%3A00&lane=1" {
		t.Errorf("without a text: %d %q", res.StatusCode, got)
	}
	res, page := s.ask(t, http.MethodPost, "/checks", url.Values{"q": {"*𠮷"}, "outcome": {"admit"}})
	if res.StatusCode != 200 || res.Header.Get("Location") != "" {
		t.Errorf("with a text: %d", res.StatusCode)
	}
	has(t, page, `<input type="hidden" name="q" value="*𠮷">`, `name="at"`, `<input type="hidden" name="outcome" value="admit">`)
	next := url.Values{"q": {"*𠮷"}, "outcome": {"admit"}, "at": {between(t, page, `name="at" value="`, `"`)}}
	_, page = s.ask(t, http.MethodPost, "/checks", next)
	if n := strings.Count(page, "<tr>") - 1; n != 10 {
		t.Errorf("%d rows on the second page", n)
	}
	if strings.Contains(page, "href=\"/checks?") && strings.Contains(page, "%F0") {
		t.Error("the text stands in an address")
	}
}

func TestTicket_page(t *testing.T) {
	s, a := lookBack(t)
	page := see(t, s, "/checks/5")
	has(t, page, "一张票的记录", "1层 A区 5排 07座", "…0005", "本站保存的记录", "已检过票", "本站的记录已完整", "/checks/5?older=1")
	hasNot(t, page, "⟨", "来自云端", "110101001012026112503")
	has(t, see(t, s, "/checks/5?older=1"), "云端未连接，仅显示本站保存的记录")
	a.mu.Lock()
	a.cloud, a.used = true, 2
	a.mu.Unlock()
	has(t, see(t, s, "/checks/5"), "来自云端", "S-0004", "K1")
	has(t, see(t, s, "/checks/5000"), "没有这张票")
	for _, bad := range []string{"/checks/0", "/checks/abc", "/checks/-1"} {
		if res, _ := s.ask(t, http.MethodGet, bad, nil); res.StatusCode != 404 {
			t.Errorf("%s: %d", bad, res.StatusCode)
		}
	}
}

func TestShifts_page(t *testing.T) {
	s, a := lookBack(t)
	page := see(t, s, "/shifts")
	has(t, page, "班次报表", "还没有开过班", "入场：按场次和通道", "新年音乐会", "28 秒", "失联", "闯闸报警")
	hasNot(t, page, "⟨")
	for _, step := range []struct{ act, lane, want string }{
		{"open", "1", "进行中"}, {"open", "", "全站"}, {"close", "1", "技术员"},
	} {
		res, _ := s.ask(t, http.MethodPost, "/shifts", url.Values{"act": {step.act}, "lane": {step.lane}})
		if res.StatusCode != 303 {
			t.Fatalf("%s: %d", step.act, res.StatusCode)
		}
		has(t, see(t, s, "/shifts"), step.want)
	}
	shifts, err := a.desk.Shifts(t.Context(), 10)
	if err != nil || len(shifts) != 2 || shifts[1].Lane != "1" || shifts[1].ClosedBy != "技术员" {
		t.Errorf("shifts %+v, %v", shifts, err)
	}
	for _, bad := range []url.Values{{"act": {"burn"}}, {"act": {"open"}, "lane": {"nowhere"}}} {
		if res, _ := s.ask(t, http.MethodPost, "/shifts", bad); res.StatusCode != 404 {
			t.Errorf("%v: %d", bad, res.StatusCode)
		}
	}
}

func TestShifts_csv(t *testing.T) {
	s, a := lookBack(t)
	a.note(ticket.FactDeviceStatus, ticket.Note{Subject: "=1+1", State: "lost"})
	a.settled()
	res, text := s.ask(t, http.MethodGet, "/shifts/report.csv", nil)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/csv; charset=utf-8" ||
		!strings.HasPrefix(res.Header.Get("Content-Disposition"), `attachment; filename="shift-`) {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	has(t, text, "\ufeff栏目,项目,范围,次数,从,到\r\n", "按结果,放行,,60,,\r\n", "按结果,不放行,,42,,\r\n", "入场人次,新年音乐会,1号通道,30,,\r\n",
		"入场人次,新年音乐会,2号通道,27,,\r\n", "不确定的通行,新年音乐会,2号通道,3,,\r\n", "设备异常,失联,'=1+1,1,", "断网时段,28 秒,,,")
	hasNot(t, text, "⟨")
}

func TestEvents_page(t *testing.T) {
	s, _ := lookBack(t)
	page := see(t, s, "/events")
	has(t, page, "设备记录", "1号闸机", "失联", "port closed", "闯闸报警", "到云端的网络", "断网", "原为 在线", "−1,500 毫秒", "驿站启动")
	hasNot(t, page, "⟨", "alarm_forced")
	has(t, see(t, s, "/events?subject=2%E5%8F%B7%E9%97%B8%E6%9C%BA"), "闯闸报警", "selected")
	has(t, see(t, s, "/events?kind=24&lang=en"), "Clock set", "−1,500 ms")
}

func TestDocs_needALogin(t *testing.T) {
	s, _ := lookBack(t)
	for _, path := range []string{"/checks", "/checks/5", "/shifts", "/shifts/report.csv", "/events"} {
		res, err := s.app.Test(httptest.NewRequest(http.MethodGet, path, nil), -1)
		if err != nil || res.StatusCode != 303 || res.Header.Get("Location") != "/login" {
			t.Errorf("%s: %v, %v", path, res, err)
		}
		if err == nil {
			_ = res.Body.Close()
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/shifts", strings.NewReader("act=open"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := s.app.Test(r, -1)
	if err != nil || res.StatusCode != 403 {
		t.Errorf("a form of another site: %v, %v", res, err)
	}
	_ = res.Body.Close()
}

// TestDocs_deskWithoutAFile: the pages say so, and nothing else is hurt.
func TestDocs_deskWithoutAFile(t *testing.T) {
	d, err := desk.New(desk.Config{Dir: t.TempDir(), Source: newArchive(t, time.Now()), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{t: t, desk: d} // never run
	s := newStationWith(t, evening(time.Now()), a)
	for _, path := range []string{"/checks", "/checks/5", "/shifts", "/events"} {
		has(t, see(t, s, path), "记录库暂时打不开", "检票不受影响")
	}
	if res, _ := s.ask(t, http.MethodGet, "/shifts/report.csv", nil); res.StatusCode != 303 {
		t.Errorf("table: %d", res.StatusCode)
	}
}

// newStationWith is newStation with the documents that look back.
func newStationWith(t *testing.T, o maint.Overview, a *archive) *station {
	t.Helper()
	s := &station{source: &source{o: o}, people: &people{}, bus: webui.NewBus()}
	s.app = fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true, ReadTimeout: 10 * time.Second})
	cfg := maint.Config{
		Source: s.source, Auth: s.people, Bus: s.bus, Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Desk: a.pages(s.source),
	}
	if err := maint.Mount(s.app, cfg); err != nil {
		t.Fatal(err)
	}
	return s
}
