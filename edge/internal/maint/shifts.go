package maint

import (
	"errors"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/desk"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

type shiftView struct {
	From, To       string
	Lanes, Devices []choice
	Open           []choice // lanes whose shift may be opened; the first is the whole station
	Shifts         []shiftRow
	Title          string // what the report covers
	CSV            string
	Report         reportView
}

// A shiftRow is a shift that was opened.
type shiftRow struct {
	Where, By, From, To, ClosedBy string
	Lane                          string // "" for the whole station
	Href                          string // its report
	Running                       bool
}

type reportView struct {
	Kept        string // where the kept history begins, when that is within the report; else ""
	Total       int64
	First, Last string
	Sums        []sumView
	Reasons     []sumView
	Admissions  []admissionView
	Entered     int64
	Uncertain   []checkView
	Faults      []faultView
	Outages     []outageView
}

type sumView struct {
	Mark webui.Verdict
	Word string
	N    int64
}

type admissionView struct {
	Show, Lane                     string
	Entered, Granted, Back, Unsure int64
}

type faultView struct {
	Name        string
	State       mark
	N           int64
	First, Last string
}

type outageView struct{ From, To, Span string }

// scope reads what a report covers; without a beginning it is today so far.
func scope(f form, now time.Time) desk.Scope {
	s := desk.Scope{FromMs: f.ms("from"), ToMs: f.ms("to"), Lane: f("lane"), Device: f("device")}
	if s.FromMs == 0 {
		y, m, d := now.In(ticket.Shanghai()).Date()
		s.FromMs = time.Date(y, m, d, 0, 0, 0, 0, ticket.Shanghai()).UnixMilli()
	}
	if s.ToMs == 0 || s.ToMs < s.FromMs {
		s.ToMs = max(now.UnixMilli()+1, s.FromMs)
	}
	return s
}

func scopeAt(path string, s desk.Scope) string {
	return address(path, "from", inputExact(s.FromMs), "to", inputExact(s.ToMs), "lane", s.Lane, "device", s.Device)
}

// inputExact keeps the seconds of a shift's ends.
func inputExact(ms int64) string {
	if ms == 0 {
		return ""
	}
	return ticket.Time(ms).Format("2006-01-02T15:04:05")
}

func (o office) shifts(c *fiber.Ctx, v shell.Visit) (any, error) {
	f, s, ctx := query(c), v.Say, c.UserContext()
	sc := scope(f, v.Now)
	r, err := o.cfg.Desk.Report(ctx, sc)
	if unready(err) != nil {
		return nil, err
	}
	slow := errors.Is(err, desk.ErrSlow)
	w := &shiftView{From: input(sc.FromMs), To: f("to"), CSV: scopeAt("/shifts/report.csv", sc), Report: o.report(s, &r)}
	w.Title = s.Join(stamp(sc.FromMs)+" – "+stamp(sc.ToMs-1), o.scopeTitle(s, sc))
	if w.Lanes, err = o.laneChoices(ctx, s.T("all"), sc.Lane); err != nil {
		return nil, err
	}
	if w.Devices, err = o.deviceChoices(ctx, s.T("all"), sc.Device); err != nil {
		return nil, err
	}
	all, err := o.cfg.Desk.Shifts(ctx, rows)
	if unready(err) != nil {
		return nil, err
	}
	running := make(map[string]bool)
	for i := range all {
		w.Shifts = append(w.Shifts, o.shift(s, &all[i]))
		running[all[i].Lane] = running[all[i].Lane] || all[i].ToMs == 0
	}
	w.Open = o.openable(s, running)
	return o.doc(v, &docView{Shift: w, Slow: slow})
}

// openable are the lanes without an open shift.
func (o office) openable(s webui.Speaker, running map[string]bool) []choice {
	var out []choice
	if !running[""] {
		out = append(out, choice{Text: s.T("shift.all")})
	}
	for _, l := range o.cfg.Desk.Lanes() {
		if !running[l.Name] {
			out = append(out, choice{Value: l.Name, Text: l.Title})
		}
	}
	return out
}

func (o office) shift(s webui.Speaker, x *desk.Shift) shiftRow {
	w := shiftRow{
		Where: s.T("shift.all"), Lane: x.Lane, By: x.By, From: stamp(x.FromMs), To: stamp(x.ToMs), ClosedBy: x.ClosedBy, Running: x.ToMs == 0,
		Href: scopeAt("/shifts", desk.Scope{FromMs: x.FromMs, ToMs: x.ToMs, Lane: x.Lane}),
	}
	if x.Lane != "" {
		w.Where = o.laneTitle(x.Lane)
	}
	return w
}

func (o office) scopeTitle(s webui.Speaker, sc desk.Scope) string {
	lane, device := s.T("shift.all"), ""
	if sc.Lane != "" {
		lane = o.laneTitle(sc.Lane)
	}
	if sc.Device != "" {
		device = o.deviceTitle(sc.Device)
	}
	return s.Join(lane, device)
}

// shiftAct opens or closes a shift.
func (o office) shiftAct(c *fiber.Ctx, v shell.Visit) (any, error) {
	f := sent(c)
	lane, act := f("lane"), f("act")
	known := lane == ""
	for _, l := range o.cfg.Desk.Lanes() {
		known = known || l.Name == lane
	}
	if !known || act != "open" && act != "close" {
		return nil, shell.ErrNoDoc
	}
	seq, err := o.cfg.Desk.Shift(c.UserContext(), v.User, lane, act == "open")
	if err != nil {
		return nil, fmt.Errorf("record a shift: %w", err)
	}
	o.cfg.Desk.Await(c.UserContext(), seq) // so that the page shows it; a desk that is behind says so
	return nil, c.Redirect("/shifts", fiber.StatusSeeOther)
}

func (o office) report(s webui.Speaker, r *desk.Report) reportView {
	w := reportView{Total: r.Total(), First: stamp(r.FirstMs), Last: stamp(r.LastMs), Kept: stamp(r.KeptMs)}
	for _, out := range outcomes() {
		m := s.Verdict(sample(ticket.Outcome(out)))
		w.Sums = append(w.Sums, sumView{Mark: m, Word: m.Word, N: r.Of(ticket.Outcome(out))})
	}
	for _, c := range r.Counts {
		w.Reasons = append(w.Reasons, sumView{Mark: s.Verdict(ticket.Verdict{Reason: c.Reason}), Word: reasonName(s, string(c.Reason)), N: c.N})
	}
	for _, a := range r.Admissions {
		show := a.Show
		if show == "" {
			show = s.T("shift.no_session")
		}
		w.Entered += a.Entered()
		w.Admissions = append(w.Admissions, admissionView{show, o.laneTitle(a.Lane), a.Entered(), a.Granted, a.Back, a.Unsure})
	}
	for i := range r.Uncertain {
		w.Uncertain = append(w.Uncertain, o.check(s, &r.Uncertain[i]))
	}
	for _, x := range r.Faults {
		w.Faults = append(w.Faults, faultView{x.Subject, stateMark(s, x.State), x.N, stamp(x.FirstMs), stamp(x.LastMs)})
	}
	for _, x := range r.Outages {
		w.Outages = append(w.Outages, outage(s, x))
	}
	return w
}

func outage(s webui.Speaker, x desk.Outage) outageView {
	w := outageView{From: stamp(x.FromMs), To: s.T("shift.running")}
	if x.ToMs != 0 {
		w.To = stamp(x.ToMs)
		w.Span = span(s, time.Duration(x.ToMs-x.FromMs)*time.Millisecond)
	}
	return w
}

// span writes a length of time in its two largest units.
func span(s webui.Speaker, d time.Duration) string {
	sec := int(d.Round(time.Second) / time.Second)
	h, m := sec/3600, sec/60%60
	switch {
	case h > 0:
		return s.T("age.h", h) + " " + s.T("age.m", m)
	case m > 0:
		return s.T("age.m", m) + " " + s.T("age.s", sec%60)
	}
	return s.T("age.s", sec)
}

// sample is a verdict of an outcome, for its mark and word.
func sample(o ticket.Outcome) ticket.Verdict {
	return ticket.Verdict{Reason: map[ticket.Outcome]ticket.Reason{
		ticket.OutcomeAdmit: ticket.Admitted, ticket.OutcomeRefuse: ticket.MaxEntries,
		ticket.OutcomeHold: ticket.GateBusy, ticket.OutcomeExit: ticket.ExitRecorded,
	}[o]}
}

// shiftCSV is the report as a table that office programs open: UTF-8 with a byte order mark.
func (o office) shiftCSV(c *fiber.Ctx, v shell.Visit) (any, error) {
	sc := scope(query(c), v.Now)
	r, err := o.cfg.Desk.Report(c.UserContext(), sc)
	if unready(err) == nil && err != nil {
		return nil, c.Redirect("/shifts", fiber.StatusSeeOther)
	}
	if err != nil {
		return nil, err
	}
	table, err := csvText(o.table(v.Say, &r))
	if err != nil {
		return nil, err
	}
	c.Attachment("shift-" + ticket.Time(sc.FromMs).Format("20060102-150405") + ".csv")
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	return nil, c.Send(table)
}
