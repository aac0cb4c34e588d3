package maint

import (
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

// Backups are the backups of the station as the page shows them.
type Backups struct {
	Venue, Cloud bool   // whose keys can open them; neither: none can be made
	Running      string // daily, manual, shutdown; "" for none
	Rows, Of     int    // of the one that is running
	Stick        bool   // a USB stick is configured
	Failed       string // stable code of the last one that failed with none made since; "" for none
	Kept         []BackupFile
}

// A BackupFile is a backup that is kept; the newest comes first.
type BackupFile struct {
	Kind  string
	At    time.Time
	Bytes int64
}

// An Asker has a backup made for a person, in the folder or on the stick, and returns at once.
type Asker func(by string, stick bool)

// shownBackups is how many of those that are kept the page lists.
const shownBackups = 5

type backupView struct {
	State    mark
	Why      string // what to do about a failure
	Progress string
	Keys     string
	Busy     bool
	Stick    bool
	Kept     []keptView
	More     int
}

type keptView struct {
	Kind, Size string
	Age        webui.Age
}

func newBackup(s webui.Speaker, o *Backups, now time.Time) *backupView {
	if o == nil {
		return nil
	}
	v := &backupView{Busy: o.Running != "", Stick: o.Stick}
	v.Keys = s.Join(pick(o.Venue, s.T("backup.key.venue")), pick(o.Cloud, s.T("backup.key.cloud")))
	switch {
	case v.Busy:
		v.State, v.Progress = mark{"info", s.T("backup.running")}, s.T("backup.progress", o.Rows, o.Of)
	case o.Failed != "":
		v.State, v.Why = mark{"bad", s.T("backup.failed")}, s.T("backup.why."+o.Failed)
	case len(o.Kept) == 0:
		v.State = mark{"warn", s.T("backup.none")}
	default:
		v.State = mark{"ok", s.T("backup.made")}
	}
	for i := range o.Kept[:min(len(o.Kept), shownBackups)] {
		b := &o.Kept[i]
		v.Kept = append(v.Kept, keptView{s.T("backup.kind." + b.Kind), sizeText(b.Bytes), s.Since(now, b.At)})
	}
	v.More = len(o.Kept) - len(v.Kept)
	return v
}

func pick(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}

func sizeText(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
}

// backupDocs answers the button: one click behind the log-in (SHOW-E.3.1-e).
func backupDocs(ask Asker) []shell.Doc {
	if ask == nil {
		return nil
	}
	return []shell.Doc{{Method: fiber.MethodPost, Path: "/backup", Serve: func(c *fiber.Ctx, v shell.Visit) (any, error) {
		ask(v.User, c.FormValue("to") == "stick")
		return nil, c.Redirect("/#backup", fiber.StatusSeeOther)
	}}}
}
