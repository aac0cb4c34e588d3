package hubtest

import (
	"fmt"
	"testing"

	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

func historyOfOneTicket(t *testing.T, w World) {
	setup(w, one, two, other)
	sell(t, w, one, 1, 2)
	sell(t, w, other, 1)
	about := func(id ticket.TicketID, kind ticket.FactKind) fact {
		return fact{kind, ticket.Fact{Ticket: id, Session: session, Gen: 1, Used: 1}}
	}
	report(t, w, one, new(logbook).write(t, about(1, ticket.FactEntryGranted), about(2, ticket.FactEntryGranted),
		fact{ticket.FactDeviceStatus, ticket.Note{Subject: "gate"}}, about(1, ticket.FactRefused),
		fact{ticket.FactRefused, ticket.Fact{}}, fact{ticket.FactRefused, []byte{0xff}}))
	report(t, w, two, new(logbook).write(t, about(1, ticket.FactRefused)))
	report(t, w, other, new(logbook).write(t, about(1, ticket.FactEntryGranted)))
	ask := func(who link.Peer, id ticket.TicketID, beforeMs int64, limit int) ([]string, bool) {
		t.Helper()
		facts, more, err := w.History(t.Context(), who, wire.HistoryRequest{Ticket: id, BeforeMs: beforeMs, Limit: limit})
		ok(t, err)
		var out []string
		for i := range facts {
			f := &facts[i]
			var body ticket.Fact
			if body.Decode(f.Body) != nil || body.Ticket != id {
				t.Errorf("body of %+v", f)
			}
			out = append(out, fmt.Sprint(uint32(f.Station), "/", f.Epoch, "/", f.Seq, " ", f.TimeMs, " ", f.Kind))
		}
		return out, more
	}
	for _, c := range []struct {
		name  string
		who   link.Peer
		id    ticket.TicketID
		from  int64
		limit int
		want  []string
		more  bool
	}{
		{"of every station, newest first", one, 1, 0, 10, []string{"1/1/4 1003 refused", "2/1/1 1000 refused", "1/1/1 1000 entry_granted"}, false},
		{"asked by another station of the venue", two, 1, 0, 10, []string{"1/1/4 1003 refused", "2/1/1 1000 refused", "1/1/1 1000 entry_granted"}, false},
		{"bounded", one, 1, 0, 1, []string{"1/1/4 1003 refused"}, true},
		{"before a time", one, 1, 1003, 10, []string{"2/1/1 1000 refused", "1/1/1 1000 entry_granted"}, false},
		{"another ticket", one, 2, 0, 10, []string{"1/1/2 1001 entry_granted"}, false},
		{"the same number at another tenant", other, 1, 0, 10, []string{"1/1/1 1000 entry_granted"}, false},
	} {
		if got, more := ask(c.who, c.id, c.from, c.limit); fmt.Sprint(got) != fmt.Sprint(c.want) || more != c.more {
			t.Errorf("%s: %q, more %v, want %q", c.name, got, more, c.want)
		}
	}
	_, _, err := w.History(t.Context(), other, wire.HistoryRequest{Ticket: 2, Limit: 10})
	want(t, err, hub.ErrUnknownTicket)
}
