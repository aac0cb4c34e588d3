package httplink_test

import (
	"testing"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

func TestHistory_OfOneTicketOverTheLine(t *testing.T) {
	store, h := newHub(t)
	putTickets(t, store, 2)
	w := newWorld(t, h)
	c := w.client(nil)
	f := ticket.Fact{Ticket: 1, Session: 1, Gen: 1, Used: 1, Lane: "L1"}
	e := journal.Entry{Epoch: 1, Seq: 1, Record: journal.Record{Kind: journal.Kind(ticket.FactEntryGranted), TimeMs: 1000, Body: f.Append(nil)}}
	e.Sum = journal.Chain([]byte("chain key"), journal.Sum{}, &e)
	if _, err := c.Upload(within(t), &wire.Batch{Epoch: 1, Entries: []journal.Entry{e}}); err != nil {
		t.Fatal(err)
	}
	got, err := c.History(within(t), wire.HistoryRequest{Ticket: 1, Limit: 10})
	if err != nil || len(got.Facts) != 1 || got.More {
		t.Fatalf("%+v, %v", got, err)
	}
	var back ticket.Fact
	one := got.Facts[0]
	if err := back.Decode(one.Body); err != nil || back.Lane != "L1" || one.Station != 1 || one.Epoch != 1 || one.Seq != 1 || one.TimeMs != 1000 || one.Kind != ticket.FactEntryGranted {
		t.Errorf("%+v, %+v, %v", one, back, err)
	}
	if got, err := c.History(within(t), wire.HistoryRequest{Ticket: 1, BeforeMs: 1000, Limit: 10}); err != nil || len(got.Facts) != 0 {
		t.Errorf("before it: %+v, %v", got, err)
	}
	for _, c2 := range []struct {
		req  wire.HistoryRequest
		code wire.Code
	}{
		{wire.HistoryRequest{Ticket: 99, Limit: 10}, wire.CodeNoTicket},
		{wire.HistoryRequest{Limit: 10}, wire.CodeBadRequest},
		{wire.HistoryRequest{Ticket: 1, Limit: 0}, wire.CodeBadRequest},
		{wire.HistoryRequest{Ticket: 1, Limit: wire.MaxHistoryRows + 1}, wire.CodeBadRequest},
		{wire.HistoryRequest{Ticket: 1, Limit: 1, BeforeMs: -1}, wire.CodeBadRequest},
	} {
		if _, err := c.History(within(t), c2.req); code(err) != c2.code {
			t.Errorf("%+v: %v, want %s", c2.req, err, c2.code)
		}
	}
}
