package maint_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/backup"
	"yipiao/edge/internal/maint"
	"yipiao/sync/webui"
)

func TestBackup_Shown(t *testing.T) {
	now := time.Now()
	o := evening(now)
	has(t, see(t, newStation(t, o), "/"), "立即备份", "备份到 U 盘", "场馆恢复密钥", "3.2 MB", "停机")
	o.Backup.Running, o.Backup.Rows, o.Backup.Of = "daily", 500, 1200
	has(t, see(t, newStation(t, o), "/"), "正在备份", "已写 500 / 1,200 行", "disabled")
	for _, code := range []backup.Code{
		backup.CodeNoRecipient, backup.CodeNoFolder, backup.CodeNotMounted, backup.CodeDiskFull, backup.CodeReadOnly,
		backup.CodeForbidden, backup.CodeDisk, backup.CodeStopped, backup.CodeStation, backup.CodeBusy, backup.CodeBadKey,
	} {
		o.Backup = &maint.Backups{Failed: string(code)}
		page := see(t, newStation(t, o), "/")
		has(t, page, "没有做成")
		hasNot(t, page, "backup.why.")
	}
	o.Backup = nil
	hasNot(t, see(t, newStation(t, o), "/"), "立即备份")
}

// TestBackup_OneClick: the button behind the log-in is all it takes (SHOW-E.3.1-e), and nobody else's.
func TestBackup_OneClick(t *testing.T) {
	var asked []string
	p := &people{token: "token-of-this-session"}
	app := fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true})
	err := maint.Mount(app, maint.Config{
		Source: &source{o: evening(time.Now())}, Auth: p, Bus: webui.NewBus(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Backup: func(by string, stick bool) { asked = append(asked, by+map[bool]string{true: " stick"}[stick]) },
	})
	if err != nil {
		t.Fatal(err)
	}
	click := func(cookie, site, to string) int {
		r := httptest.NewRequest(http.MethodPost, "/backup", strings.NewReader("to="+to))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		r.Header.Set("Cookie", "yipiao_s-0017="+cookie)
		res, err := app.Test(r, -1)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	click("", "same-origin", "folder")
	click(p.token, "cross-site", "folder")
	if len(asked) != 0 {
		t.Fatalf("a stranger had backups made: %v", asked)
	}
	if got := click(p.token, "same-origin", "folder"); got != http.StatusSeeOther {
		t.Fatal(got)
	}
	click(p.token, "same-origin", "stick")
	if strings.Join(asked, ",") != "技术员,技术员 stick" {
		t.Fatal(asked)
	}
}
