package console_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"yipiao/cloud/internal/console"
	"yipiao/sync/ticket"
	"yipiao/sync/webui/webtest"
)

func TestTexts(t *testing.T) { webtest.CheckTexts(t, "../../../sync/webui/texts.json", ".") }

// see returns the page as a person who is logged in gets it.
func see(t *testing.T, c *cloud, path string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Cookie", "yipiao_cloud=token")
	res, err := c.app.Test(r, -1)
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
	c := newCloud(t, evening(time.Now()))
	page := see(t, c, "/")
	has(t, page, "示例票务", "全部有联系", "1,124", "/ 2,034", "88,537", "4 条待入账", "1,203,877", "已预留 1,203,880", "没有卡住的条目",
		"示例大剧院", "S-0017", "#48,213", "#48,209", "差 4 条", "已追平", "放行：第 1 次入场（共可 1 次）", "不放行：厅不对：请去小剧场",
		ticket.MaxEntriesSentence, "离场：离场已记", "1号通道·1层 A区 12排 07座", "设备状态", "scanner-3·失联", "不确定，计为已入场")
	hasNot(t, page, "⟨", "<nav", "≥", "+</span>", ">失联<")
	english := see(t, c, "/?lang=en")
	has(t, english, "All in contact", "Admit: Entry 1 of 1", "Caught up", "Station started", "Nothing is stuck")
	hasNot(t, english, "⟨", "全部有联系")
}

func TestPage_outage(t *testing.T) {
	now := time.Now()
	page := see(t, newCloud(t, outage(now)), "/")
	has(t, page, "失联 2 站", "失联 41 分钟", "≥ 312", "S-0009 截至 "+now.Add(-41*time.Minute).In(ticket.Shanghai()).Format("01-02 15:04"),
		"1,124&#43;", "只少不多", "未联系", "从未同步", "已停用", "generation 4 of ticket 81237 is not known", "未知类别", "另有 21 条")
	order := []string{">滨江剧场<", ">中心影城<", ">文化宫<", ">旧北站<"}
	for i := 1; i < len(order); i++ {
		if strings.Index(page, order[i-1]) > strings.Index(page, order[i]) {
			t.Errorf("%s does not stand before %s: exceptions come first", order[i-1], order[i])
		}
	}
}

func TestPage_longLists(t *testing.T) {
	o := evening(time.Now())
	for i := range uint64(100) {
		o.Facts = append(o.Facts, fact(48000-i, time.Now(), "1号通道", "", ticket.Admitted))
	}
	if n := strings.Count(see(t, newCloud(t, o), "/"), `<tr id="fact-`); n != 20 {
		t.Errorf("%d facts on the page, want 20", n)
	}
}

func TestPage_everyKindHasAText(t *testing.T) {
	o := evening(time.Now())
	for k := range ticket.FactKind(40) {
		o.Facts = append([]console.Fact{{Station: 1, Seq: uint64(k), Kind: k}}, o.Facts[:7]...)
		hasNot(t, see(t, newCloud(t, o), "/"), "⟨")
	}
}

func TestPage_empty(t *testing.T) {
	page := see(t, newCloud(t, console.Overview{Name: "示例票务"}), "/")
	has(t, page, "还没有驿站", "还没有收到记录", "还没有场次", "没有卡住的条目")
	hasNot(t, page, "⟨", "<table")
}

func TestPage_login(t *testing.T) {
	c := newCloud(t, evening(time.Now()))
	for name, want := range map[string]int{"运营": http.StatusUnauthorized, "locked": http.StatusTooManyRequests} {
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader("password=x&name="+name))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := c.app.Test(r, -1)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", name, res.StatusCode, want)
		}
	}
}

func TestPage_isSmallAndQuick(t *testing.T) {
	c := newCloud(t, outage(time.Now()))
	see(t, c, "/")
	began := time.Now()
	page := see(t, c, "/")
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

func TestNotFound(t *testing.T) {
	c := newCloud(t, evening(time.Now()))
	h, err := console.NotFound(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.app.Use(h)
	res, err := c.app.Test(httptest.NewRequest(http.MethodGet, "/nothing?lang=en", nil), -1)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	has(t, string(b), "There is no such page")
}
