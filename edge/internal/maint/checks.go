package maint

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/desk"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

type checksView struct {
	From, To, Text                          string
	Lanes, Devices, Outcomes, Reasons, Ends []choice
	Sessions                                []choice
	Rows                                    []checkView
	NextHref                                string   // of the following page; "" on the last, and where text is searched
	Keep                                    []choice // hidden fields of the form that asks for the following page then: name, value
	Searched                                bool
}

// A checkView is one row.
type checkView struct {
	Mark         webui.Verdict
	None         bool // no decision: no mark
	At           string
	Passage      mark
	Times        string // "×40"; "" for once
	Seat, Holder string
	Show, Hall   string
	Lane, Device string
	Code, Order  string
	Ticket       string // number for its history; "" for what is no ticket
	Cloud        string // whose row of the cloud's it is; "" for this station's own
}

// filter reads the fields that hold nothing about a person; text never stands in an address.
func filter(f form) desk.Filter {
	p, _ := strconv.Atoi(f("passage"))
	return desk.Filter{
		FromMs: f.ms("from"), ToMs: f.ms("to"), Lane: f("lane"), Device: f("device"),
		Outcome: ticket.Outcome(f("outcome")), Reason: ticket.Reason(f("reason")), Passage: desk.Passage(p),
		Session: ticket.SessionID(f.number("session")),
	}
}

// keep carries a search on to its next page.
func keep(f *desk.Filter, at string) []choice {
	out := []choice{{Value: "q", Text: f.Text}}
	u, err := url.Parse(checksAt(f, at))
	if err != nil {
		return out
	}
	q := u.Query()
	for _, name := range slices.Sorted(maps.Keys(q)) {
		out = append(out, choice{Value: name, Text: q.Get(name)})
	}
	return out
}

// checksAt is the address of a list that searches no text.
func checksAt(f *desk.Filter, at string) string {
	passage := ""
	if f.Passage != desk.PassageNone {
		passage = strconv.Itoa(int(f.Passage))
	}
	return address("/checks", "from", input(f.FromMs), "to", input(f.ToMs), "lane", f.Lane, "device", f.Device,
		"outcome", string(f.Outcome), "reason", string(f.Reason), "passage", passage, "session", id(uint64(f.Session)), "at", at)
}

func (o office) checks(c *fiber.Ctx, v shell.Visit) (any, error) {
	f := query(c)
	return o.listChecks(c, v, filter(f), desk.ParseCursor(f("at")))
}

// search answers a sent form. A search for text stays out of the address; everything else goes there, so
// that it can be kept and passed on.
func (o office) search(c *fiber.Ctx, v shell.Visit) (any, error) {
	f := sent(c)
	filter := filter(f)
	filter.Text = f("q")
	if filter.Text == "" {
		return nil, c.Redirect(checksAt(&filter, ""), fiber.StatusSeeOther)
	}
	return o.listChecks(c, v, filter, desk.ParseCursor(f("at")))
}

func (o office) listChecks(c *fiber.Ctx, v shell.Visit, f desk.Filter, at desk.Cursor) (any, error) {
	list, err := o.cfg.Desk.Checks(c.UserContext(), f, at, rows)
	if unready(err) != nil {
		return nil, err
	}
	s, slow := v.Say, errors.Is(err, desk.ErrSlow)
	w := &checksView{From: input(f.FromMs), To: input(f.ToMs), Text: f.Text, Searched: f != desk.Filter{} || at != desk.Cursor{}}
	if w.Lanes, err = o.laneChoices(c.UserContext(), s.T("all"), f.Lane); err != nil {
		return nil, err
	}
	if w.Devices, err = o.deviceChoices(c.UserContext(), s.T("all"), f.Device); err != nil {
		return nil, err
	}
	w.Outcomes = choices(s.T("all"), string(f.Outcome), outcomes(), func(v string) string { return s.T("verdict." + v) })
	w.Reasons = choices(s.T("all"), string(f.Reason), reasons(), func(v string) string { return reasonName(s, v) })
	ended := ""
	if f.Passage != desk.PassageNone {
		ended = strconv.Itoa(int(f.Passage))
	}
	w.Ends = choices(s.T("all"), ended, []string{"1", "2", "3", "4", "5"}, func(v string) string {
		n, _ := strconv.Atoi(v)
		return endMark(s, desk.Passage(n)).Word
	})
	w.Sessions = o.sessionChoices(s, uint64(f.Session))
	for i := range list.Checks {
		w.Rows = append(w.Rows, o.check(s, &list.Checks[i]))
	}
	switch next := list.Next.String(); {
	case next == "":
	case f.Text == "":
		w.NextHref = checksAt(&f, next)
	default:
		w.Keep = keep(&f, next)
	}
	return o.doc(v, &docView{Checks: w, Slow: slow})
}

func outcomes() []string {
	return []string{
		string(ticket.OutcomeAdmit), string(ticket.OutcomeRefuse), string(ticket.OutcomeHold), string(ticket.OutcomeExit),
	}
}

func reasons() []string {
	var out []string
	for r := range ticket.Reasons() {
		out = append(out, string(r))
	}
	slices.Sort(out)
	return out
}

func (o office) sessionChoices(s webui.Speaker, chosen uint64) []choice {
	title := make(map[string]string)
	var ids []string
	ov := o.cfg.Source.Overview()
	for i := len(ov.Sessions) - 1; i >= 0; i-- {
		x := &ov.Sessions[i].Session
		ids = append(ids, id(uint64(x.ID)))
		title[id(uint64(x.ID))] = x.Name + " " + webui.Day(ticket.Time(x.StartMs))
	}
	return choices(s.T("all"), id(chosen), ids, func(v string) string {
		if title[v] == "" {
			return v
		}
		return title[v]
	})
}

// check is one row in words.
func (o office) check(s webui.Speaker, c *desk.Check) checkView {
	w := checkView{
		At: ticket.Time(c.AtMs).Format("01-02 15:04:05"), Passage: endMark(s, c.Passage),
		Seat: c.Seat, Holder: c.Holder, Show: c.Show, Hall: c.Hall, Lane: o.laneTitle(c.Lane), Device: o.deviceTitle(c.Device),
		Code: c.Code, Order: c.Order, Ticket: id(uint64(c.Ticket)),
	}
	if c.Device == c.Lane { // the lane's own scanner
		w.Device = ""
	}
	if c.Times > 1 {
		w.Times = s.T("check.times", c.Times)
	}
	if c.Station != 0 {
		w.Cloud = c.Station.String()
		w.Lane = c.Lane // another station's lanes have names of their own
	}
	switch {
	case c.Verdict.Reason != "":
		w.Mark = s.Verdict(c.Verdict)
	case c.Kind.OfTicket():
		w.None = true
		w.Mark.Word = s.T("fact." + c.Kind.String())
	}
	return w
}

// endMark says how an admission ended.
func endMark(s webui.Speaker, p desk.Passage) mark {
	names := map[desk.Passage]mark{
		desk.PassageWaiting: {"info", "waiting"}, desk.PassagePassed: {"ok", "passed"}, desk.PassageLapsed: {"", "lapsed"},
		desk.PassageUncertain: {"warn", "uncertain"}, desk.PassageAnnulled: {"", "annulled"},
	}
	m, ok := names[p]
	if !ok {
		return mark{}
	}
	return mark{m.Class, s.T("passage." + m.Word)}
}

// reasonName is a reason without the blanks of its text: for lists and sums.
func reasonName(s webui.Speaker, code string) string {
	t, ok := ticket.Reasons()[ticket.Reason(code)]
	if !ok {
		return code
	}
	if strings.Contains(t.Zh, "{") { // its text names a time, a place or a count
		return s.T("reason." + code)
	}
	return s.Pick(t.Zh, t.En)
}

type ticketView struct {
	Number, Seat, Holder, Show, Hall, Code, Order string
	Rows                                          []checkView
	MoreHere                                      bool // this station's file has more rows than are shown
	Cloud                                         []checkView
	Asked, Reached                                bool
	Older                                         string // address that asks the cloud (again); "" when there is no more
}

// ticket shows one ticket's history. The number in the address is the station's, never the code.
func (o office) ticket(c *fiber.Ctx, v shell.Visit) (any, error) {
	n, err := strconv.ParseUint(c.Params("ticket"), 10, 63)
	if err != nil || n == 0 {
		return nil, shell.ErrNoDoc
	}
	f := query(c)
	before, err := strconv.ParseInt(f("before"), 10, 64)
	if err != nil {
		before = 0
	}
	h, err := o.cfg.Desk.Ticket(c.UserContext(), ticket.TicketID(n), f("older") != "", before)
	if unready(err) != nil {
		return nil, err
	}
	w := &ticketView{
		Number: id(n), Seat: h.Seat, Holder: h.Holder, Show: h.Show, Hall: h.Hall, Code: h.Code, Order: h.Order,
		MoreHere: h.Local.Next != desk.Cursor{}, Asked: h.Reach != desk.ReachNotNeeded, Reached: h.Reach == desk.ReachAnswered,
	}
	for i := range h.Local.Checks {
		w.Rows = append(w.Rows, o.check(v.Say, &h.Local.Checks[i]))
		w.Rows[i].Ticket = "" // this very page
	}
	for i := range h.Cloud {
		w.Cloud = append(w.Cloud, o.check(v.Say, &h.Cloud[i]))
		w.Cloud[i].Ticket, w.Cloud[i].At = "", stamp(h.Cloud[i].AtMs) // may be of another year
	}
	switch {
	case h.Older != 0:
		w.Older = address("/checks/"+w.Number, "older", "1", "before", strconv.FormatInt(h.Older, 10))
	case h.Reach != desk.ReachAnswered:
		w.Older = address("/checks/"+w.Number, "older", "1")
	}
	return o.doc(v, &docView{Ticket: w, Slow: errors.Is(err, desk.ErrSlow)})
}

// stamp is a time with its date and seconds.
func stamp(ms int64) string {
	if ms == 0 {
		return ""
	}
	return ticket.Time(ms).Format(time.DateTime)
}
