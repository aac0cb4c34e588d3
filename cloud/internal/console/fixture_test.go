package console_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/cloud/internal/console"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
)

// source is a cloud whose state a test changes.
type source struct {
	mu sync.Mutex
	o  console.Overview
}

func (s *source) Overview() console.Overview {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.o
}

func (s *source) set(o console.Overview) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o = o
}

// people is one account.
type people struct{}

func (people) Login(_ context.Context, name, password string) (string, error) {
	switch {
	case name == "locked":
		return "", console.ErrLocked
	case name != "运营" || password != "correct horse":
		return "", console.ErrWrong
	}
	return "token", nil
}

func (people) Who(token string) (string, bool) { return "运营", token == "token" }
func (people) Logout(string)                   {}

type cloud struct {
	source *source
	bus    *webui.Bus
	app    *fiber.App
}

func newCloud(t *testing.T, o console.Overview) *cloud {
	t.Helper()
	c := &cloud{source: &source{o: o}, bus: webui.NewBus()}
	c.app = fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true, ReadTimeout: 10 * time.Second})
	err := console.Mount(c.app, console.Config{
		Source: c.source, Auth: people{}, Bus: c.bus, Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// listen serves the cloud on a real listener and returns its address.
func (c *cloud) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.app.Listener(l) }()
	t.Cleanup(func() {
		c.bus.Close()
		if err := c.app.ShutdownWithTimeout(5 * time.Second); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return "http://" + l.Addr().String()
}

func session(id ticket.SessionID, name, hall string, start time.Time) ticket.Session {
	return ticket.Session{
		ID: id, Name: name, HallName: hall, Status: ticket.SessionPlanned, StartMs: start.UnixMilli(),
		AdmitFromMs: start.Add(-time.Hour).UnixMilli(), AdmitToMs: start.Add(15 * time.Minute).UnixMilli(),
		EndMs: start.Add(2 * time.Hour).UnixMilli(),
	}
}

func fact(seq uint64, at time.Time, lane, seat string, r ticket.Reason) console.Fact {
	f := console.Fact{Station: 17, Seq: seq, At: at, Kind: ticket.FactRefused, Lane: lane, Seat: seat, Session: "新年音乐会"}
	f.Verdict = &ticket.Verdict{Reason: r, N: 1, Of: 1, AtMs: at.Add(-time.Hour).UnixMilli(), Where: "小剧场"}
	switch r.Outcome() {
	case ticket.OutcomeAdmit:
		f.Kind = ticket.FactEntryGranted
	case ticket.OutcomeExit:
		f.Kind = ticket.FactExit
	case ticket.OutcomeRefuse, ticket.OutcomeHold:
	}
	return f
}

// evening is a cloud on a normal evening, seen from now.
func evening(now time.Time) console.Overview {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	return console.Overview{
		Name: "示例票务",
		Stations: []console.Station{
			{ID: 2, Name: "文化宫", Contact: ago(4 * time.Second), Cursor: 1203877, Epoch: 1, Durable: 9120, Folded: 9120},
			{ID: 9, Name: "滨江剧场", Contact: ago(2 * time.Second), Cursor: 1203877, Epoch: 3, Durable: 31204, Folded: 31204},
			{ID: 17, Name: "示例大剧院", Contact: ago(time.Second), Cursor: 1203871, Epoch: 2, Durable: 48213, Folded: 48209},
		},
		Sessions: []console.Session{
			{Session: session(9001, "新年音乐会", "音乐厅", now.Add(30*time.Minute)), Stations: []ticket.StationID{17}, Sold: 1146, Entered: 812},
			{Session: session(9002, "小种子", "小剧场", now.Add(105*time.Minute)), Stations: []ticket.StationID{17}, Sold: 288},
			{Session: session(9003, "𠮷祥如意 Ensemble", "滨江剧场", now.Add(40*time.Minute)), Stations: []ticket.StationID{9}, Sold: 600, Entered: 312},
		},
		Feed: console.Feed{Head: 1203877, Reserved: 1203880},
		Facts: []console.Fact{
			{Station: 17, Seq: 48213, At: ago(time.Second), Kind: ticket.FactEntryPassed, Lane: "1号通道", Seat: "1层 A区 12排 07座"},
			fact(48212, ago(2*time.Second), "1号通道", "1层 A区 12排 07座", ticket.Admitted),
			fact(48211, ago(14*time.Second), "2号通道", "3排 08座", ticket.WrongHall),
			fact(48210, ago(20*time.Second), "2号通道", "3排 08座", ticket.MaxEntries),
			fact(48209, ago(34*time.Second), "4号通道", "2层 B区 4排 11座", ticket.ExitRecorded),
			{Station: 9, Seq: 31204, At: ago(50 * time.Second), Kind: ticket.FactDeviceStatus, Note: &ticket.Note{Subject: "scanner-3", State: "lost"}},
			{Station: 9, Seq: 31203, At: ago(70 * time.Second), Kind: ticket.FactEntryUncertain, Lane: "3号通道", Seat: "7排 02座"},
			{Station: 2, Seq: 9120, At: ago(9 * time.Minute), Kind: ticket.FactStationStarted, Note: &ticket.Note{Subject: "S-0002"}},
		},
	}
}

// outage is the same cloud with a station lost, one never seen, one revoked, and entries that stick.
func outage(now time.Time) console.Overview {
	o := evening(now)
	o.Stations = append([]console.Station(nil), o.Stations...)
	o.Stations[1].Contact = now.Add(-41 * time.Minute)
	o.Stations = append(o.Stations,
		console.Station{ID: 21, Name: "中心影城"},
		console.Station{ID: 22, Name: "旧北站", Contact: now.Add(-50 * time.Hour), Epoch: 1, Durable: 77, Folded: 77, Revoked: true})
	o.Dead = []console.DeadLetter{
		{Station: 17, Seq: 48101, At: now.Add(-26 * time.Minute), Kind: ticket.FactEntryGranted, Reason: "generation 4 of ticket 81237 is not known"},
		{Station: 9, Seq: 31170, At: now.Add(-2 * time.Hour), Kind: ticket.FactKind(99), Reason: "unknown kind 99"},
	}
	o.DeadAll = 23
	return o
}
