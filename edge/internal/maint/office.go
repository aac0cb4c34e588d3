package maint

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/desk"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

// An office serves the documents that look back: history of checks, shifts, devices.
type office struct{ cfg *Config }

// rows of one page of a list.
const rows = 50

// A docView is one of the documents; exactly one of its parts is set.
type docView struct {
	Desk   deskView
	Slow   bool // the answer took too long and is left out
	Checks *checksView
	Ticket *ticketView
	Shift  *shiftView
	Events *eventsView
}

// deskView says what the answers rest on.
type deskView struct {
	Note  string // "" when all is well
	Class string // of the note
	Since string // where the kept history begins; "" when it has no beginning yet
}

func (o office) docs() []shell.Doc {
	if o.cfg.Desk == nil {
		return nil
	}
	get, post := fiber.MethodGet, fiber.MethodPost
	return []shell.Doc{
		{Method: get, Path: "/checks", Serve: o.checks},
		{Method: post, Path: "/checks", Serve: o.search},
		{Method: get, Path: "/checks/:ticket", Serve: o.ticket},
		{Method: get, Path: "/shifts", Serve: o.shifts},
		{Method: get, Path: "/shifts/report.csv", Serve: o.shiftCSV},
		{Method: post, Path: "/shifts", Serve: o.shiftAct},
		{Method: get, Path: "/events", Serve: o.events},
	}
}

func (o office) nav() func(webui.Speaker) []webui.Link {
	if o.cfg.Desk == nil {
		return nil
	}
	return func(s webui.Speaker) []webui.Link {
		return []webui.Link{
			{Href: "/", Text: s.T("nav.overview")}, {Href: "/checks", Text: s.T("nav.checks")},
			{Href: "/shifts", Text: s.T("nav.shifts")}, {Href: "/events", Text: s.T("nav.events")},
		}
	}
}

// doc is a document in the page's frame, with the state of the desk above it.
func (o office) doc(v shell.Visit, d *docView) (any, error) {
	ov := o.cfg.Source.Overview()
	d.Desk = newDeskView(v.Say, o.cfg.Desk.Status())
	if d.Slow && d.Desk.Note == "" {
		d.Desk.Class, d.Desk.Note = "warn", v.Say.T("desk.slow")
	}
	return view{Bar: newBar(v.Say, &ov, v.Now), Doc: d}, nil
}

func newDeskView(s webui.Speaker, st desk.Status) deskView {
	v := deskView{}
	done, of := st.Progress()
	switch {
	case !st.Ready:
		v.Class, v.Note = "bad", s.T("desk.closed")
	case st.Err != "":
		v.Class, v.Note = "warn", s.T("desk.failed", st.Lag())
	case st.Rebuild != "":
		v.Class, v.Note = "warn", s.T("desk.rebuilding", done, of)
	case st.Lag() > rows:
		v.Note = s.T("desk.behind", st.Lag())
	}
	if st.FirstMs != 0 {
		v.Since = s.T("desk.since", ticket.Time(st.FirstMs).Format(time.DateTime))
		if st.FirstSeq > 1 {
			v.Since = s.T("desk.since_trimmed", ticket.Time(st.FirstMs).Format(time.DateTime))
		}
	}
	return v
}

// unready makes an empty answer of a desk that has none now: the page says so (deskView), it is not broken.
func unready(err error) error {
	if errors.Is(err, desk.ErrNotReady) || errors.Is(err, desk.ErrSlow) {
		return nil
	}
	return err
}

// laneTitle is a lane as people know it.
func (o office) laneTitle(name string) string {
	for _, l := range o.cfg.Desk.Lanes() {
		if l.Name == name {
			return l.Title
		}
	}
	return name
}

// deviceTitle is a registered or configured device as people know it.
func (o office) deviceTitle(id string) string {
	if name := o.cfg.Desk.DeviceName(id); name != "" {
		return name
	}
	return o.laneTitle(id) // a lane's own scanner stands in facts by its lane
}

// A choice is one option of a form.
type choice struct {
	Value, Text string
	Chosen      bool
}

// Lang is the language of the text: an option holds no marks within.
func (c choice) Lang() string {
	if strings.ContainsFunc(c.Text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		return webui.Zh.Tag()
	}
	return webui.En.Tag()
}

// choices makes options of values; the first is "all".
func choices(all, chosen string, values []string, title func(string) string) []choice {
	out := []choice{{Text: all, Chosen: chosen == ""}}
	if chosen != "" && !slices.Contains(values, chosen) {
		values = append(values, chosen)
	}
	for _, v := range values {
		out = append(out, choice{v, title(v), v == chosen})
	}
	return out
}

// laneChoices are the station's lanes, and what else stands in the history.
func (o office) laneChoices(ctx context.Context, all, chosen string) ([]choice, error) {
	var names []string
	for _, l := range o.cfg.Desk.Lanes() {
		names = append(names, l.Name)
	}
	old, err := o.cfg.Desk.Desk.Lanes(ctx)
	for _, n := range old {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return choices(all, chosen, names, o.laneTitle), unready(err)
}

func (o office) deviceChoices(ctx context.Context, all, chosen string) ([]choice, error) {
	ids, err := o.cfg.Desk.Devices(ctx)
	lanes := o.cfg.Desk.Lanes()
	ids = slices.DeleteFunc(ids, func(d string) bool { // a lane's own scanner is chosen by its lane
		return slices.ContainsFunc(lanes, func(l Lane) bool { return l.Name == d })
	})
	return choices(all, chosen, ids, o.deviceTitle), unready(err)
}

// A form is the values of a filter, from an address or a sent form.
type form func(name string) string

func query(c *fiber.Ctx) form {
	return func(name string) string { return strings.Clone(c.Query(name)) }
}

func sent(c *fiber.Ctx) form {
	return func(name string) string { return strings.Clone(c.FormValue(name)) }
}

// inputTime is how a browser writes a local time.
const inputTime = "2006-01-02T15:04"

// ms reads a time of Asia/Shanghai; 0 for none or one that cannot be read.
func (f form) ms(name string) int64 {
	for _, layout := range []string{inputTime, "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, f(name), ticket.Shanghai()); err == nil {
			return t.UnixMilli()
		}
	}
	return 0
}

func (f form) number(name string) uint64 {
	n, err := strconv.ParseUint(f(name), 10, 63)
	if err != nil {
		return 0
	}
	return n
}

func input(ms int64) string {
	if ms == 0 {
		return ""
	}
	return ticket.Time(ms).Format(inputTime)
}

// address writes a path with the values that are set.
func address(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func id(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
