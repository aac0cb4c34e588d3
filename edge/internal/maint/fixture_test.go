package maint_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/drivers"
	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/maint"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
)

// source is a station whose state a test changes.
type source struct {
	mu sync.Mutex
	o  maint.Overview
}

func (s *source) Overview() maint.Overview {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.o
	o.Lanes = append([]maint.Lane(nil), o.Lanes...)
	return o
}

func (s *source) change(f func(*maint.Overview)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.o
	o.Lanes = append([]maint.Lane(nil), o.Lanes...)
	f(&o)
	s.o = o
}

// people is one account that is locked after five wrong passwords.
type people struct {
	mu    sync.Mutex
	wrong int
	token string
}

func (p *people) Login(_ context.Context, name, password string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.wrong >= 5:
		return "", maint.ErrLocked
	case name != "技术员" || password != "correct horse":
		p.wrong++
		return "", maint.ErrWrong
	}
	p.token = "token-of-this-session"
	return p.token, nil
}

func (p *people) Who(token string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "技术员", token != "" && token == p.token
}

func (p *people) Logout(string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.token = ""
}

type station struct {
	source *source
	people *people
	bus    *webui.Bus
	app    *fiber.App
}

func newStation(t *testing.T, o maint.Overview) *station {
	t.Helper()
	s := &station{source: &source{o: o}, people: &people{}, bus: webui.NewBus()}
	s.app = fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true, ReadTimeout: 10 * time.Second})
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	err := maint.Mount(s.app, maint.Config{Source: s.source, Auth: s.people, Bus: s.bus, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	notFound, err := maint.NotFound(log)
	if err != nil {
		t.Fatal(err)
	}
	s.app.Use(notFound)
	return s
}

// listen serves the station on a real listener and returns its address.
func (s *station) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.app.Listener(l) }()
	t.Cleanup(func() {
		s.bus.Close()
		if err := s.app.ShutdownWithTimeout(5 * time.Second); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return "http://" + l.Addr().String()
}

// evening is a station on a normal evening, seen from now.
func evening(now time.Time) maint.Overview {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	verdict := func(r ticket.Reason, where string) ticket.Verdict {
		return ticket.Verdict{Reason: r, N: 1, Of: 1, AtMs: ago(time.Hour).UnixMilli(), Where: where}
	}
	good := func(frames uint64, last time.Duration) drivers.Health {
		return drivers.Health{State: drivers.StateOK, LastGood: ago(last), Frames: frames}
	}
	return maint.Overview{
		Station: 17, Name: "示例大剧院", Venue: "音乐厅",
		Uplink:  maint.Uplink{State: maint.Online, Since: ago(7 * time.Hour), Exchange: ago(2 * time.Second)},
		Feed:    maint.Feed{Epoch: "f-2026-1", Cursor: 1203877, CaughtUp: true},
		Journal: maint.Journal{End: 48213, Durable: 48213, Acked: 48213},
		Clock:   maint.Clock{OffsetMs: 3, Trusted: true},
		Sessions: []maint.Session{
			{Session: session(9001, "新年音乐会", "音乐厅", now.Add(30*time.Minute)), Sold: 1146, Entered: 812, Inside: 806},
			{Session: session(9002, "小种子", "小剧场", now.Add(105*time.Minute)), Sold: 288},
		},
		Lanes: []maint.Lane{
			{Name: "1", Title: "1号通道", Open: true, Scanner: drivers.StateOK, Gate: drivers.StateOK, Today: maint.Counts{Admit: 412, Refuse: 9, Hold: 3},
				Last: lane.Shown{Verdict: verdict(ticket.Admitted, ""), Seat: "1层 A区 12排 07座", Holder: "*𠮷", Passage: lane.PassagePassed, At: ago(3 * time.Second)}},
			{Name: "2", Title: "2号通道", Open: true, Scanner: drivers.StateOK, Gate: drivers.StateOK, Today: maint.Counts{Admit: 396, Refuse: 14, Hold: 1},
				Last: lane.Shown{Verdict: verdict(ticket.WrongHall, "小剧场"), Seat: "3排 08座", At: ago(16 * time.Second)}},
			{Name: "3", Title: "3号通道", Open: true, Scanner: drivers.StateOK, Gate: drivers.StateOK, Today: maint.Counts{Admit: 4},
				Last: lane.Shown{Verdict: verdict(ticket.AdmittedWork, ""), Seat: "工作", Passage: lane.PassageWaiting, At: ago(time.Second)}},
			{Name: "4", Title: "4号通道", Exit: true, Open: true, Scanner: drivers.StateOK, Gate: drivers.StateOK, Today: maint.Counts{Exit: 6},
				Last: lane.Shown{Verdict: verdict(ticket.ExitRecorded, ""), Seat: "2层 B区 4排 11座", Passage: lane.PassagePassed, At: ago(34 * time.Second)}},
		},
		Devices: []maint.Device{
			{Name: "1号扫码器", Kind: "串口扫码器 / Serial line scanner", Port: "usb-1-1.3", Health: good(412, 4*time.Second)},
			{Name: "1号闸机", Kind: "LOT 转闸 / LOT turnstile", Port: "usb-1-1.2", Health: good(184203, 100*time.Millisecond)},
			{Name: "2号扫码器", Kind: "串口扫码器 / Serial line scanner", Port: "usb-1-2.3", Health: good(396, 16*time.Second)},
			{Name: "2号闸机", Kind: "LOT 转闸 / LOT turnstile", Port: "usb-1-2.2", Health: good(184122, 100*time.Millisecond)},
			{Name: "取票机", Kind: "ESC/POS 打印机 / ESC/POS printer", Port: "usb-1-4:1.0", Health: good(5120, time.Second),
				Printer: &drivers.PrinterStatus{Online: true, Paper: drivers.LevelOK, Ribbon: drivers.LevelOK}},
		},
		Handhelds: []maint.Handheld{
			{Name: "手持 1", State: drivers.StateOK, Battery: 82, Network: "wifi", Signal: -61, Heard: ago(20 * time.Second)},
		},
		RootOnlyKey: true,
		Backup: &maint.Backups{Venue: true, Cloud: true, Stick: true, Kept: []maint.BackupFile{
			{Kind: "manual", At: ago(20 * time.Minute), Bytes: 3_400_000}, {Kind: "daily", At: ago(14 * time.Hour), Bytes: 3_300_000},
			{Kind: "shutdown", At: ago(19 * time.Hour), Bytes: 20_000}, {Kind: "daily", At: ago(38 * time.Hour), Bytes: 3_200_000},
			{Kind: "daily", At: ago(62 * time.Hour), Bytes: 3_200_000}, {Kind: "daily", At: ago(86 * time.Hour), Bytes: 3_200_000},
		}},
	}
}

func session(id ticket.SessionID, name, hall string, start time.Time) ticket.Session {
	return ticket.Session{
		ID: id, Name: name, HallName: hall, Status: ticket.SessionPlanned, StartMs: start.UnixMilli(),
		AdmitFromMs: start.Add(-time.Hour).UnixMilli(), AdmitToMs: start.Add(15 * time.Minute).UnixMilli(),
		EndMs: start.Add(2 * time.Hour).UnixMilli(),
	}
}

// outage is the same station without the cloud, with a scanner lost and a lane closed.
func outage(now time.Time) maint.Overview {
	o := evening(now)
	o.Uplink = maint.Uplink{State: maint.Extreme, Since: now.Add(-41 * time.Minute), Exchange: now.Add(-41 * time.Minute)}
	o.Journal = maint.Journal{End: 48719, Durable: 48717, Acked: 48213, Oldest: now.Add(-41 * time.Minute)}
	o.Lanes[2].Open, o.Lanes[2].Scanner = false, drivers.StateLost
	o.Lanes[1].Last.Verdict = ticket.Verdict{Reason: ticket.MaxEntries, N: 1, Of: 1}
	o.Lanes[0].Gate = drivers.StateAttention
	o.Lanes[0].Last.Passage = lane.PassageSettling
	o.Lanes[3].Last.Repeat = true
	o.Devices = append(o.Devices, maint.Device{
		Name: "3号扫码器", Kind: "串口扫码器 / Serial line scanner", Port: "usb-1-3.1",
		Health: drivers.Health{State: drivers.StateLost, LastGood: now.Add(-2 * time.Minute), Frames: 88, Errors: 1, Note: "port closed"},
	})
	o.Devices[1].Health.State, o.Devices[1].Health.Note, o.Devices[1].Health.Errors = drivers.StateAttention, "one checksum error in the last minute", 1
	o.Devices[4].Health.State, o.Devices[4].Health.Note = drivers.StateAttention, "paper end, cover open"
	o.Devices[4].Printer = &drivers.PrinterStatus{Online: false, Paper: drivers.LevelOut, Cover: true, Ribbon: drivers.LevelLow}
	o.Devices[4].Health.Firmware, o.Devices[4].Health.Serial = "M100 V1.00", "051A-2208"
	o.Handhelds = append(o.Handhelds, maint.Handheld{
		Name: "手持 2", State: drivers.StateAttention, Battery: 12, Network: "mobile", Heard: now.Add(-40 * time.Second),
	}, maint.Handheld{Name: "手持 3", State: drivers.StateLost, Battery: 44, Charging: true, Network: "wifi", Heard: now.Add(-14 * time.Minute)})
	o.Uplink.Links = []maint.UplinkLink{{Name: "有线", Known: true}, {Name: "4G", Known: true}}
	o.Aside = 2
	o.Backup = &maint.Backups{Venue: true, Failed: "not_mounted"}
	return o
}

// fresh is a station that was just set up.
func fresh() maint.Overview {
	return maint.Overview{Station: 4, Name: "南站客运"}
}
