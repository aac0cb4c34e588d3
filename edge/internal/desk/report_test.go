package desk_test

import (
	"fmt"
	"testing"
	"time"

	"yipiao/edge/internal/desk"
	"yipiao/sync/ticket"
)

func TestReport(t *testing.T) {
	s, r := evening(t)
	uplink := func(was, is string) note {
		return note{ticket.FactUplinkChanged, ticket.Note{Subject: "uplink", Was: was, State: is}}
	}
	s.write(uplink("unknown", "online"), uplink("online", "extreme"),
		note{ticket.FactDeviceStatus, ticket.Note{Subject: "gate", State: "lost"}},
		note{ticket.FactDeviceStatus, ticket.Note{Subject: "gate", State: "ok"}},
		note{ticket.FactDeviceStatus, ticket.Note{Subject: "gate", State: "alarm_intrusion"}},
		note{ticket.FactDeviceStatus, ticket.Note{Subject: "gate", State: "alarm_intrusion_over"}},
		note{ticket.FactDeviceStatus, ticket.Note{Subject: "gate", State: "lost"}},
		uplink("extreme", "online"), uplink("online", "extreme"))
	r.caughtUp()
	day := desk.Scope{FromMs: noon.UnixMilli(), ToMs: noon.Add(24 * time.Hour).UnixMilli()}
	got, err := r.Report(t.Context(), day)
	if err != nil {
		t.Fatal(err)
	}
	if n := [...]int64{got.Of(ticket.OutcomeAdmit), got.Of(ticket.OutcomeRefuse), got.Of(ticket.OutcomeExit), got.Total()}; n != [...]int64{5, 42, 1, 48} {
		t.Errorf("counts %v: %+v", n, got.Counts)
	}
	if want := (desk.Count{Outcome: ticket.OutcomeRefuse, Reason: ticket.NotATicket, N: 41}); got.Counts[2] != want {
		t.Errorf("counts %+v", got.Counts)
	}
	want := []desk.Admission{
		{Session: 3, Show: "新年音乐会", Lane: "L1", Granted: 2},
		{Session: 3, Show: "新年音乐会", Lane: "L2", Granted: 3, Back: 2, Unsure: 1},
	}
	if fmt.Sprint(got.Admissions) != fmt.Sprint(want) {
		t.Errorf("admissions %+v", got.Admissions)
	}
	if len(got.Uncertain) != 1 || got.Uncertain[0].Ticket != 12 {
		t.Errorf("uncertain %+v", got.Uncertain)
	}
	if len(got.Faults) != 2 || got.Faults[0].State != "alarm_intrusion" || got.Faults[1].N != 2 {
		t.Errorf("faults %+v", got.Faults)
	}
	if len(got.Outages) != 2 || got.Outages[0].ToMs == 0 || got.Outages[1].ToMs != 0 || got.KeptMs != 0 {
		t.Errorf("outages %+v", got.Outages)
	}
	lane, err := r.Report(t.Context(), desk.Scope{FromMs: day.FromMs, ToMs: day.ToMs, Lane: "L2"})
	if err != nil || lane.Total() != 3 || lane.FirstMs == got.FirstMs || lane.LastMs == 0 {
		t.Errorf("one lane: %+v, %v", lane, err)
	}
	later, err := r.Report(t.Context(), desk.Scope{FromMs: s.at + 1, ToMs: day.ToMs})
	if err != nil || later.Total() != 0 || len(later.Outages) != 1 || later.Outages[0].FromMs != s.at+1 {
		t.Errorf("an outage that began before: %+v, %v", later, err)
	}
}

func TestShifts(t *testing.T) {
	s := newStation(t)
	act := func(lane, state, who string) note {
		return note{ticket.FactOperatorAction, ticket.Note{Subject: lane, State: state, Text: who}}
	}
	at := s.at
	s.write(act("L1", desk.ShiftOpened, "甲"), act(desk.ShiftAll, desk.ShiftOpened, "乙"), act("L1", desk.ShiftClosed, "甲"),
		act("L1", desk.ShiftOpened, "丙"), act("L1", "account_added", "甲"), act("L1", desk.ShiftOpened, "丁"))
	r := s.run()
	r.caughtUp()
	got, err := r.Shifts(t.Context(), 10)
	want := []desk.Shift{
		{Lane: "L1", By: "丁", FromMs: at + 6000},
		{Lane: "L1", By: "丙", FromMs: at + 4000, ToMs: at + 6000},
		{By: "乙", FromMs: at + 2000},
		{Lane: "L1", By: "甲", FromMs: at + 1000, ToMs: at + 3000, ClosedBy: "甲"},
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("shifts %+v, %v", got, err)
	}
}

func TestEvents_pages(t *testing.T) {
	s := newStation(t)
	for i := range 25 {
		s.write(note{ticket.FactDeviceStatus, ticket.Note{Subject: fmt.Sprint("d", i%2), State: "lost"}},
			note{ticket.FactClockAdjusted, ticket.Note{Subject: "clock", Value: -1500}})
	}
	r := s.run()
	r.caughtUp()
	seen := 0
	for at := (desk.Cursor{}); ; {
		events, next, err := r.Events(t.Context(), desk.EventFilter{Subject: "d1", Kind: ticket.FactDeviceStatus, FromMs: noon.UnixMilli()}, at, 5)
		if err != nil {
			t.Fatal(err)
		}
		if seen += len(events); next == (desk.Cursor{}) {
			break
		}
		at = next
	}
	if seen != 12 {
		t.Errorf("%d events, want 12", seen)
	}
	names, err := r.Subjects(t.Context())
	if err != nil || fmt.Sprint(names) != "[clock d0 d1]" {
		t.Errorf("subjects %v, %v", names, err)
	}
	clock, _, err := r.Events(t.Context(), desk.EventFilter{Subject: "clock"}, desk.Cursor{}, 1)
	if err != nil || clock[0].Value != -1500 {
		t.Errorf("%+v, %v", clock, err)
	}
}
