package desk_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"yipiao/edge/internal/desk"
	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// evening writes one of everything and returns the running desk.
func evening(t *testing.T) (*station, *running) {
	t.Helper()
	s := newStation(t)
	s.sell(11, "1层 A区 12排 07座", "*𠮷")
	s.sell(12, "2层 B区 3排 08座", "*三")
	s.sell(13, "3排 01座", "**𠀀")
	a := s.write(granted(11, "L1", true))
	s.write(ended(ticket.FactEntryPassed, 11, a), refused(11, "L1", ticket.MaxEntries))
	b := s.write(granted(12, "L2", true))
	s.write(ended(ticket.FactEntryLapsed, 12, b))
	b = s.write(granted(12, "L2", true))
	s.write(ended(ticket.FactEntryUncertain, 12, b))
	c := s.write(granted(13, "L2", false))
	s.write(ended(ticket.FactEntryAnnulled, 13, c), granted(13, "L1", true),
		entry{ticket.FactRefused, ticket.Fact{Lane: "L1", Verdict: &ticket.Verdict{Reason: ticket.NotATicket}}},
		note{ticket.FactRefusalsRepeated, ticket.Note{Subject: "L1", State: string(ticket.NotATicket), Count: 40}},
		entry{ticket.FactExit, ticket.Fact{Ticket: 11, Session: 3, Gen: 1, Used: 1, Lane: "L1", Verdict: &ticket.Verdict{Reason: ticket.ExitRecorded}}},
		entry{ticket.FactCustodyReleased, ticket.Fact{Ticket: 12, Session: 3, Gen: 1, Used: 1}})
	r := s.run()
	r.caughtUp()
	return s, r
}

// TestChecks_filters looks for rows by every field (SHOW-6.3.6.1-e: time, count and state are recorded).
func TestChecks_filters(t *testing.T) {
	_, r := evening(t)
	late := noon.Add(5 * time.Second).UnixMilli()
	for _, c := range []struct {
		name string
		f    desk.Filter
		rows int
	}{
		{"all", desk.Filter{}, 9},
		{"from", desk.Filter{FromMs: late}, 6},
		{"to", desk.Filter{ToMs: late}, 3},
		{"lane", desk.Filter{Lane: "L2"}, 3},
		{"device", desk.Filter{Device: "h-1"}, 1},
		{"outcome", desk.Filter{Outcome: ticket.OutcomeRefuse}, 3},
		{"reason", desk.Filter{Reason: ticket.NotATicket}, 2},
		{"passage", desk.Filter{Passage: desk.PassageUncertain}, 1},
		{"session", desk.Filter{Session: 3, Lane: "L1"}, 4},
		{"another session", desk.Filter{Session: 4}, 0},
		{"seat", desk.Filter{Text: "12排 07座"}, 3},
		{"short words", desk.Filter{Text: "B区 3排"}, 2},
		{"a four-byte character", desk.Filter{Text: "𠮷"}, 3},
		{"four-byte characters in a long word", desk.Filter{Text: "**𠀀"}, 2},
		{"session's name", desk.Filter{Text: "新年音乐会 A区"}, 3},
		{"end of the order", desk.Filter{Text: "0012"}, 2},
		{"wildcards are plain", desk.Filter{Text: "%"}, 0},
		{"quotes are plain", desk.Filter{Text: `"L1" OR "x`}, 0},
		{"blank", desk.Filter{Text: "  "}, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := r.all(c.f, 2); len(got) != c.rows {
				t.Errorf("%d rows, want %d: %+v", len(got), c.rows, got)
			}
		})
	}
}

func TestChecks_passagesAndCounts(t *testing.T) {
	_, r := evening(t)
	got := r.all(desk.Filter{}, desk.MaxRows)
	var lines []string
	for _, c := range got {
		lines = append(lines, fmt.Sprint(c.Kind, " ", c.Ticket, " ", c.Verdict.Reason, " ", c.Passage, " x", c.Times))
	}
	want := []string{
		"exit 11 exit_recorded 0 x1",
		"refusals_repeated 0 not_a_ticket 0 x40",
		"refused 0 not_a_ticket 0 x1",
		"entry_granted 13 admitted 1 x1",
		"entry_granted 13 admitted 5 x1",
		"entry_granted 12 admitted 4 x1",
		"entry_granted 12 admitted 3 x1",
		"refused 11 max_entries 0 x1",
		"entry_granted 11 admitted 2 x1",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	last := got[len(got)-1]
	if last.Show != "新年音乐会" || last.Hall != "音乐厅" || last.Seat != "1层 A区 12排 07座" || last.EndedMs != last.AtMs+1000 {
		t.Errorf("row %+v", last)
	}
	h, err := r.Ticket(t.Context(), 12, false, 0)
	if err != nil || len(h.Local.Checks) != 3 || h.Local.Checks[0].Kind != ticket.FactCustodyReleased || h.Holder != "*三" {
		t.Errorf("history of one ticket: %+v, %v", h, err)
	}
}

// TestFile_isMasked reads the raw file: neither a ticket's code nor an order number lies in it.
func TestFile_isMasked(t *testing.T) {
	s, r := evening(t)
	r.stop()
	raw, err := os.ReadFile(s.file())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"110101001012026112503", "00000011", "ORDER-"} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("%q lies in the file", secret)
		}
	}
	if !strings.Contains(string(raw), "12排 07座") {
		t.Error("the seat does not lie in the file: the test looks at the wrong one")
	}
	info, err := os.Stat(s.file())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestUnreadableFact_isSaid(t *testing.T) {
	s := newStation(t)
	s.write(journal.Record{Kind: journal.Kind(ticket.FactEntryGranted), Body: []byte{0xff}},
		journal.Record{Kind: 77, Body: []byte{0xff}}, granted(11, "L1", false))
	r := s.run()
	r.caughtUp()
	events, _, err := r.Events(t.Context(), desk.EventFilter{Subject: "journal"}, desk.Cursor{}, 10)
	if err != nil || len(events) != 2 || events[0].State != desk.StateUnreadable || events[0].Kind != 77 {
		t.Errorf("events %+v, %v", events, err)
	}
	if got := r.all(desk.Filter{}, 10); len(got) != 1 {
		t.Errorf("rows behind it: %+v", got)
	}
}
