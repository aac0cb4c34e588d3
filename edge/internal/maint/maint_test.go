package maint_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/edge/internal/maint"
	"yipiao/sync/ticket"
	"yipiao/sync/webui/webtest"
)

func TestTexts(t *testing.T) { webtest.CheckTexts(t, "../../../sync/webui/texts.json", ".") }

// see returns the page as a person who is logged in gets it.
func see(t *testing.T, s *station, path string) string {
	t.Helper()
	if s.people.token == "" {
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(url.Values{"name": {"技术员"}, "password": {"correct horse"}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := s.app.Test(r, -1)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Cookie", "yipiao_s-0017="+s.people.token)
	res, err := s.app.Test(r, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: %d %v", path, res.StatusCode, err)
	}
	return string(b)
}

func has(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("no %q on the page", text)
		}
	}
}

func hasNot(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			t.Errorf("%q is on the page", text)
		}
	}
}

func TestPage_evening(t *testing.T) {
	s := newStation(t, evening(time.Now()))
	page := see(t, s, "/")
	has(t, page, "<b class=\"grow\">检票正常</b>", "在线", "2 秒前", "时钟 &#43;3 毫秒", "1号通道", "放行·1层 A区 12排 07座", "第 1 次入场（共可 1 次）",
		"已通过", "*𠮷", "厅不对：请去小剧场", "等人通过", "请留意", "离场已记", "新年音乐会", "1,146", "812", "806", "入场中", "#48,213",
		"1,203,877", "已追平", "串口扫码器", "本机数据的密钥只靠文件权限保护")
	hasNot(t, page, "⟨", "<nav", "Serial line scanner", "断网", "从未同步")
	english := see(t, s, "/?lang=en")
	has(t, english, "Gates are working", "Online", "2 s ago", "Clock &#43;3 ms", "Entry 1 of 1", "Passed", "Serial line scanner", "Caught up", "Doors open")
	hasNot(t, english, "⟨", "串口扫码器", "检票正常")
}

func TestPage_outage(t *testing.T) {
	s := newStation(t, outage(time.Now()))
	page := see(t, s, "/")
	has(t, page, "断网：检票照常", "断网", "41 分钟前", "506", "已 41 分钟", "2 条尚未落盘", "失联 2 分钟", "port closed", "3号通道：已关闭",
		"2 条更新本站认不得", ticket.MaxEntriesSentence, "闸机失联，待计数核对", "同一次扫码", "未知")
	hasNot(t, page, "⟨", "已追平", "上传迟缓")
	if strings.Index(page, "3号扫码器：失联") > strings.Index(page, "1号闸机：请注意") {
		t.Error("what is worse does not come first")
	}
	if strings.Index(page, ">3号扫码器<") > strings.Index(page, ">1号扫码器<") {
		t.Error("the lost device is not first in the table")
	}
}

func TestPage_sentence(t *testing.T) {
	for _, c := range []struct {
		name string
		o    func(o *maint.Overview)
		want string
	}{
		{"clock", func(o *maint.Overview) { o.Clock.Trusted = false }, "时钟不可信，暂停检票"},
		{"journal failed", func(o *maint.Overview) { o.Storage.Failed = true }, "驿站不能记账，暂停检票"},
		{"disk nearly full", func(o *maint.Overview) { o.Storage.Low = true }, "磁盘快满了"},
		{"catalogue damaged", func(o *maint.Overview) { o.Storage.Damaged = true }, "本站票务目录有损坏"},
		{"feed from 0", func(o *maint.Overview) { o.Storage.Rereading = true }, "正在从头读取票务数据"},
		{"cannot record", func(o *maint.Overview) { o.Lanes[0].Last.Verdict.Reason = ticket.StationFault }, "驿站不能记账，暂停检票"},
		{"no lane", func(o *maint.Overview) { o.Lanes = nil }, "本站还没有通道"},
		{"no lane can pass", func(o *maint.Overview) {
			for i := range o.Lanes {
				o.Lanes[i].Gate = drivers.StateLost
			}
		}, "不能检票：所有通道都不能过人"},
		{"slow upload", func(o *maint.Overview) {
			o.Journal.Acked, o.Journal.Oldest = 48000, time.Now().Add(-6*time.Minute)
		}, "213 条记录上传迟缓"},
		{"one thing", func(o *maint.Overview) { o.Aside = 1 }, "检票正常，待处理 1 件"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := evening(time.Now())
			c.o(&o)
			has(t, see(t, newStation(t, o), "/"), c.want)
		})
	}
}

func TestPage_empty(t *testing.T) {
	o := fresh()
	o.Station = 17
	page := see(t, newStation(t, o), "/")
	has(t, page, "本站还没有通道", "还没有收到场次", "还没有设备", "从未同步", "未知")
	hasNot(t, page, "⟨", "检票正常", "<table")
}

func TestPage_login(t *testing.T) {
	s := newStation(t, evening(time.Now()))
	res, err := s.app.Test(httptest.NewRequest(http.MethodGet, "/login", nil), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	has(t, string(b), "示例大剧院", "驿站维护·S-0017·音乐厅", "账号", "密码")
	hasNot(t, string(b), "1号通道", "48,213") // nothing of the station before log-in
}

func TestPage_isSmallAndQuick(t *testing.T) {
	s := newStation(t, outage(time.Now()))
	see(t, s, "/")
	began := time.Now()
	page := see(t, s, "/")
	took := time.Since(began)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = io.WriteString(w, page)
	_ = w.Close()
	t.Logf("page: %d bytes, %d compressed, %v", len(page), z.Len(), took)
	if z.Len() > 25<<10 || took > 100*time.Millisecond {
		t.Errorf("%d bytes compressed in %v", z.Len(), took)
	}
}

func TestMount_requires(t *testing.T) {
	if maint.Mount(newStation(t, fresh()).app, maint.Config{}) == nil {
		t.Error("a configuration without a source was accepted")
	}
}
