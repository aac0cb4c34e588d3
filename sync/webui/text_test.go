package webui_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"yipiao/sync/ticket"
	"yipiao/sync/webui"
	"yipiao/sync/webui/webtest"
)

func speakers(t *testing.T) (zh, en, live webui.Speaker) {
	t.Helper()
	p, err := webui.NewPage(fstest.MapFS{"p.html": {Data: []byte(`{{define "bar"}}{{end}}{{define "main"}}{{end}}`)}}, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	return p.Speaker(webui.Zh), p.Speaker(webui.En), p.LiveSpeaker(webui.Zh)
}

func TestTexts(t *testing.T) { webtest.CheckTexts(t, "texts.json", ".", "shell") }

func TestAges(t *testing.T) {
	zh, en, live := speakers(t)
	now := time.Date(2026, 11, 20, 19, 2, 14, 0, ticket.Shanghai())
	for _, c := range []struct {
		name        string
		got         webui.Age
		text, class string
	}{
		{"seconds", zh.Ago(now, now.Add(-3*time.Second)), "3 秒前", ""},
		{"minutes", zh.Ago(now, now.Add(-2*time.Minute)), "2 分钟前", ""},
		{"old", zh.Ago(now, now.Add(-41*time.Minute)), "41 分钟前", "old"},
		{"hours", zh.Ago(now, now.Add(-5*time.Hour)), "5 小时前", "old"},
		{"a date", zh.Ago(now, now.Add(-34*time.Hour)), "11-19 09:02", "old"},
		{"never", zh.Ago(now, time.Time{}), "从未同步", "never"},
		{"never, English", en.Ago(now, time.Time{}), "Never", "never"},
		{"English", en.Ago(now, now.Add(-41*time.Minute)), "41 min ago", "old"},
		{"lost", zh.Lost(now, now.Add(-18*time.Second)), "失联 18 秒", "never"},
		{"quiet", zh.Quiet(now, now.Add(-41*time.Minute)), "41 分钟前", ""},
		{"since", zh.Since(now, now.Add(-50*time.Hour)), "已 2 天", ""},
		{"ahead of the clock", zh.Ago(now, now.Add(time.Second)), "0 秒前", ""},
		{"in a part", live.Ago(now, now.Add(-41*time.Minute)), "18:21:14", ""},
	} {
		if c.got.Text != c.text || c.got.Class != c.class {
			t.Errorf("%s: %q (%s), want %q (%s)", c.name, c.got.Text, c.got.Class, c.text, c.class)
		}
	}
}

func TestPartsDoNotDependOnTheMoment(t *testing.T) {
	_, _, live := speakers(t)
	now := time.Now()
	at := now.Add(-4 * time.Minute)
	if live.Ago(now, at) != live.Ago(now.Add(time.Hour), at) || live.Present(now) != "" {
		t.Error("an age in a part changes by itself: every message would hold every part")
	}
}

func TestMixed(t *testing.T) {
	zh, en, _ := speakers(t)
	for _, c := range []struct{ name, got, want string }{
		{"Chinese on a Chinese page", string(zh.Mixed("1号通道 A")), "1号通道 A"},
		{"English on a Chinese page", string(zh.Mixed("port closed")), `<span lang="en">port closed</span>`},
		{"an id", string(zh.Mixed("S-0017")), "S-0017"},
		{"Chinese on an English page", string(en.Mixed("1层 A区 12排")), `1<span lang="zh-CN">层</span> A<span lang="zh-CN">区 12排</span>`},
		{"within a sentence", string(en.Mixed("Wrong hall: 小剧场")), `Wrong hall: <span lang="zh-CN">小剧场</span>`},
		{"four bytes", string(en.Mixed("*𠮷")), `*<span lang="zh-CN">𠮷</span>`},
		{"escaped", string(zh.Mixed("<b>&剧")), "&lt;b&gt;&amp;剧"},
		{"escaped, English", string(en.Mixed("<剧>")), `&lt;<span lang="zh-CN">剧</span>&gt;`},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
}

func TestNumbersAndTexts(t *testing.T) {
	zh, en, _ := speakers(t)
	if webui.Num(1203877) != "1,203,877" || webui.Num(-1146) != "−1,146" || webui.Num(12) != "12" {
		t.Error("numbers are not grouped")
	}
	if zh.T("login.locked") != "输错 5 次，15 分钟后再试" || en.T("nothing.here") != "⟨nothing.here⟩" {
		t.Error("texts")
	}
	if zh.Half("扫码器 / Scanner") != "扫码器" || en.Half("扫码器 / Scanner") != "Scanner" || en.Half("扫码器") != "扫码器" {
		t.Error("halves")
	}
	for name, raw := range map[string]string{
		"one language": `{"a":{"zh":"甲","en":""}}`, "no JSON": `{`,
	} {
		if _, err := webui.ReadTexts([]byte(raw)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := webui.ReadTexts([]byte(`{"a":{"zh":"甲","en":"a"}}`), []byte(`{"a":{"zh":"乙","en":"b"}}`)); err == nil {
		t.Error("a key twice: accepted")
	}
}

func TestVerdict(t *testing.T) {
	zh, en, _ := speakers(t)
	for reason := range ticket.Reasons() {
		v := zh.Verdict(ticket.Verdict{Reason: reason})
		w := en.Verdict(ticket.Verdict{Reason: reason})
		if v.Icon == "" || strings.Contains(v.Word+w.Word, "⟨") || v.Reason == w.Reason {
			t.Errorf("%s: %+v and %+v", reason, v, w)
		}
	}
	if v := zh.Verdict(ticket.Verdict{Reason: ticket.MaxEntries}); v.Legal != ticket.MaxEntriesSentence || v.Class != "v-refuse" {
		t.Errorf("used up: %+v", v)
	}
}

func TestSessionState(t *testing.T) {
	zh, _, _ := speakers(t)
	start := time.Date(2026, 11, 20, 19, 30, 0, 0, ticket.Shanghai())
	x := ticket.Session{
		Status: ticket.SessionPlanned, AdmitFromMs: start.Add(-time.Hour).UnixMilli(), StartMs: start.UnixMilli(),
		AdmitToMs: start.Add(15 * time.Minute).UnixMilli(), EndMs: start.Add(2 * time.Hour).UnixMilli(),
	}
	for after, want := range map[time.Duration]string{
		-2 * time.Hour: "18:30 起入场", -time.Hour: "入场中", 15 * time.Minute: "入场中",
		16 * time.Minute: "已停止入场", 3 * time.Hour: "已结束",
	} {
		if got := zh.SessionState(&x, start.Add(after)).Word; got != want {
			t.Errorf("%v after the start: %s, want %s", after, got, want)
		}
	}
	x.Status = ticket.SessionCancelled
	if got := zh.SessionState(&x, start); got.Word != "已取消" {
		t.Errorf("cancelled: %+v", got)
	}
}
