package maint

import (
	"errors"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"yipiao/edge/internal/desk"
	"yipiao/sync/ticket"
	"yipiao/sync/webui"
	"yipiao/sync/webui/shell"
)

type eventsView struct {
	From, To        string
	Kinds, Subjects []choice
	Rows            []eventView
	NextHref        string
	Searched        bool
}

type eventView struct {
	At, Kind, Subject string
	State             mark
	Was, Note         string
}

func eventKinds() []string {
	var out []string
	for _, k := range []ticket.FactKind{
		ticket.FactDeviceStatus, ticket.FactUplinkChanged, ticket.FactStationStarted, ticket.FactOperatorAction, ticket.FactClockAdjusted,
	} {
		out = append(out, strconv.Itoa(int(k)))
	}
	return out
}

func (o office) events(c *fiber.Ctx, v shell.Visit) (any, error) {
	f, s, ctx := query(c), v.Say, c.UserContext()
	kind := f.number("kind")
	filter := desk.EventFilter{FromMs: f.ms("from"), ToMs: f.ms("to"), Kind: ticket.FactKind(min(kind, 255)), Subject: f("subject")}
	at := desk.ParseCursor(f("at"))
	list, next, err := o.cfg.Desk.Events(ctx, filter, at, rows)
	if unready(err) != nil {
		return nil, err
	}
	slow := errors.Is(err, desk.ErrSlow)
	subjects, err := o.cfg.Desk.Subjects(ctx)
	if unready(err) != nil {
		return nil, err
	}
	w := &eventsView{
		From: input(filter.FromMs), To: input(filter.ToMs), Searched: filter != desk.EventFilter{} || at != desk.Cursor{},
		Kinds: choices(s.T("all"), id(kind), eventKinds(), func(v string) string {
			n, _ := strconv.Atoi(v)
			return kindName(s, ticket.FactKind(n))
		}),
		Subjects: choices(s.T("all"), filter.Subject, subjects, func(v string) string { return o.subject(s, v) }),
	}
	for i := range list {
		w.Rows = append(w.Rows, o.event(s, &list[i]))
	}
	if next != (desk.Cursor{}) {
		w.NextHref = address("/events", "from", w.From, "to", w.To, "kind", id(kind), "subject", filter.Subject, "at", next.String())
	}
	return o.doc(v, &docView{Events: w, Slow: slow})
}

func kindName(s webui.Speaker, k ticket.FactKind) string {
	if k.String() == "unknown" {
		return s.T("fact.unknown")
	}
	return s.T("fact." + k.String())
}

func (o office) event(s webui.Speaker, e *desk.Event) eventView {
	w := eventView{
		At: stamp(e.AtMs), Kind: kindName(s, e.Kind), Subject: o.subject(s, e.Subject), State: stateMark(s, e.State), Note: e.Note,
	}
	if e.Was != "" {
		w.Was = stateMark(s, e.Was).Word
	}
	if e.Kind == ticket.FactClockAdjusted {
		w.State = mark{"", s.T("clock.ms", offset(e.Value))}
		if e.State == "jump_ignored" || e.State == "ntp" {
			w.Note = s.T("clock." + e.State)
		}
	}
	return w
}

// subject says the names that the station itself gives; devices and lanes have their own.
func (o office) subject(s webui.Speaker, name string) string {
	switch name {
	case "uplink", "clock", "journal", "enrolment", "backup", desk.ShiftAll:
		return s.T("subject." + name)
	}
	return o.deviceTitle(name)
}

// stateMark says a state or action. A code that is not known here is shown as it is.
func stateMark(s webui.Speaker, state string) mark {
	class := map[string]string{
		"ok": "ok", "online": "ok", "attention": "warn", "lost": "bad", "backup": "warn", "extreme": "off",
		"alarm_forced": "bad", "alarm_tailgate": "bad", "alarm_fire": "bad", "alarm_fault": "bad", "alarm_free": "warn",
		"paper_out": "bad", "ribbon_out": "bad", "paper_low": "warn", "ribbon_low": "warn", "paper_ok": "ok", "ribbon_ok": "ok",
		"cover_open": "warn", "cutter_jammed": "bad", "printer_fault": "bad", "printer_offline": "bad",
		"battery_critical": "bad", "battery_low": "warn", "battery_ok": "ok", desk.StateUnreadable: "warn",
	}[state]
	if strings.HasPrefix(state, "backup_failed") { // the code behind it stands in the log
		return mark{"bad", s.T("state.backup_failed")}
	}
	base := strings.TrimSuffix(state, "_over")
	switch base {
	case "backup_made":
	case "ok", "attention", "lost", "online", "backup", "extreme", "unknown", "started", "account_added", "device_added",
		"device_tested", "gate_test_opened", "gate_test_passed", "gate_test_lapsed", "gate_test_passage_unknown", "gate_test_cancelled",
		"gate_test_device_lost", "gate_test_gate_busy", "gate_test_gate_refused", "gate_test_gate_no_answer", "test_page_printed",
		"restored", "registration_revoked", "registration_restored",
		desk.ShiftOpened, desk.ShiftClosed, desk.StateUnreadable, "alarm_forced", "alarm_tailgate", "alarm_fire", "alarm_fault", "alarm_free",
		"identified", "paper_ok", "paper_low", "paper_out", "ribbon_ok", "ribbon_low", "ribbon_out", "cover_open", "cutter_jammed",
		"printer_fault", "printer_offline", "battery_ok", "battery_low", "battery_critical",
		"network_wifi", "network_mobile", "network_ethernet", "network_other":
	default:
		return mark{class, state}
	}
	word := s.T("state." + base)
	if base != state {
		word = s.T("state_over", word)
	}
	return mark{class, word}
}
