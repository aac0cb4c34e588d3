package webui

import (
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"

	"yipiao/sync/ticket"
)

// Num writes a number with thousands separators: 1,146.
func Num(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// An Age is a moment whose distance from now the page shows and counts on.
type Age struct {
	Kind  string // "ago", "quiet", "since" or "lost"; "" if there is no such moment
	ISO   string
	Text  string
	Class string
}

// Thresholds of an age: amber above oldAfter, written as a date above dateAfter.
const (
	oldAfter  = 5 * time.Minute
	dateAfter = 24 * time.Hour
)

// Ago says how old something is; the zero time is "never".
func (s Speaker) Ago(now, at time.Time) Age { return s.age("ago", now, at) }

// Quiet says how old something is whose age is no reason to look: it never turns amber.
func (s Speaker) Quiet(now, at time.Time) Age { return s.age("quiet", now, at) }

// Since says how long something has lasted. It never turns amber.
func (s Speaker) Since(now, at time.Time) Age { return s.age("since", now, at) }

// Lost says for how long something has been out of contact.
func (s Speaker) Lost(now, at time.Time) Age { return s.age("lost", now, at) }

func (s Speaker) age(kind string, now, at time.Time) Age {
	if at.IsZero() {
		return Age{Text: s.T("age.never"), Class: "never"}
	}
	a := Age{Kind: kind, ISO: at.UTC().Format("2006-01-02T15:04:05.000Z")}
	if kind == "lost" {
		a.Class = "never"
	}
	if s.still {
		a.Text = Clock(at)
		return a
	}
	d := max(now.Sub(at), 0)
	if kind == "ago" && d > oldAfter {
		a.Class = "old"
	}
	switch {
	case d > dateAfter && (kind == "ago" || kind == "quiet"):
		a.Text = Day(at)
	case kind == "quiet":
		a.Text = s.T("age.ago", s.span(d))
	default:
		a.Text = s.T("age."+kind, s.span(d))
	}
	return a
}

// Present writes the time of day at now; in a part it is left to the page, which counts by itself.
func (s Speaker) Present(now time.Time) string {
	if s.still {
		return ""
	}
	return Clock(now)
}

// span writes a duration in its largest unit: 3 秒, 41 分钟, 2 小时, 3 天.
func (s Speaker) span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return s.T("age.s", int(d/time.Second))
	case d < time.Hour:
		return s.T("age.m", int(d/time.Minute))
	case d < dateAfter:
		return s.T("age.h", int(d/time.Hour))
	}
	return s.T("age.d", int(d/dateAfter))
}

// Clock writes a time of day in the zone of all dates and times, or "" for the zero time.
func Clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(ticket.Shanghai()).Format("15:04:05")
}

// Day writes a date and time: 11-20 19:30.
func Day(t time.Time) string { return t.In(ticket.Shanghai()).Format("01-02 15:04") }

// Mixed escapes a text and marks the parts whose language is not the page's, so that they are read
// and drawn as what they are: Chinese runs on an English page, text without any Chinese on a Chinese one.
func (s Speaker) Mixed(text string) template.HTML {
	if s.Lang == En {
		return markChinese(text)
	}
	esc := template.HTMLEscapeString(text)
	if hasHan(text) || !hasWord(text) {
		return template.HTML(esc) //nolint:gosec // escaped one line above
	}
	return template.HTML(`<span lang="en">` + esc + `</span>`) //nolint:gosec // escaped above
}

func markChinese(text string) template.HTML {
	var b strings.Builder
	rest := text
	for rest != "" {
		from := strings.IndexFunc(rest, isHan)
		if from < 0 {
			break
		}
		to := strings.LastIndexFunc(rest, isHan)
		if cut := strings.IndexFunc(rest[from:], endsChinese); cut >= 0 && from+cut < to {
			to = strings.LastIndexFunc(rest[:from+cut], isHan)
		}
		to += len(string([]rune(rest[to:])[:1]))
		b.WriteString(template.HTMLEscapeString(rest[:from]))
		b.WriteString(`<span lang="zh-CN">` + template.HTMLEscapeString(rest[from:to]) + `</span>`)
		rest = rest[to:]
	}
	b.WriteString(template.HTMLEscapeString(rest))
	return template.HTML(b.String()) //nolint:gosec // every piece was escaped
}

func isHan(r rune) bool {
	return unicode.Is(unicode.Han, r) || r >= 0x3000 && r < 0x3040 || r >= 0xff00 && r < 0xff65
}

// endsChinese ends a run: digits, blanks and dots between Chinese belong to it, Latin letters do not.
func endsChinese(r rune) bool { return unicode.Is(unicode.Latin, r) }

func hasHan(s string) bool { return strings.IndexFunc(s, isHan) >= 0 }

// hasWord reports two Latin letters in a row: ids such as S-0017 are no words.
func hasWord(s string) bool {
	last := false
	for _, r := range s {
		is := unicode.Is(unicode.Latin, r)
		if is && last {
			return true
		}
		last = is
	}
	return false
}
