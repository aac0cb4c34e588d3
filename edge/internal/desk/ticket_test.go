package desk_test

import (
	"context"
	"errors"
	"testing"

	"yipiao/edge/internal/desk"
	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// cloud answers with facts, or not at all.
type cloud struct {
	facts []desk.Archived
	more  bool
	err   error
	asked int
}

func (c *cloud) ask(_ context.Context, _ ticket.TicketID, _ int64, _ int) ([]desk.Archived, bool, error) {
	c.asked++
	return c.facts, c.more, c.err
}

func archived(station ticket.StationID, epoch uint32, seq uint64, e entry) desk.Archived {
	return desk.Archived{Station: station, Entry: journal.Entry{Epoch: epoch, Seq: seq, Record: journal.Record{
		Kind: journal.Kind(e.kind), TimeMs: noon.UnixMilli() - int64(100-seq), Body: e.fact.Append(nil),
	}}}
}

func TestTicket_olderHistoryFromTheCloud(t *testing.T) {
	s := newStation(t)
	s.sell(11, "A", "*三")
	s.sell(12, "B", "*三")
	s.sell(13, "C", "*三")
	s.write(granted(11, "L1", false), granted(12, "L1", false))
	s.held[11], s.held[12] = ticket.Held{Used: 1}, ticket.Held{Used: 2}
	c := &cloud{more: true, facts: []desk.Archived{ // newest first
		archived(2, 5, 9, ended(ticket.FactEntryPassed, 12, 8)),
		archived(2, 5, 8, granted(12, "K1", true)),
		archived(1, 1, 2, granted(12, "L1", false)), // stands in this station's own file
		archived(1, 9, 2, granted(12, "L1", false)), // of an earlier journal of this station
	}}
	r := s.run(func(cfg *desk.Config) { cfg.Archive = c.ask })
	r.caughtUp()
	history := func(id ticket.TicketID, ask bool) desk.TicketHistory {
		h, err := r.Ticket(t.Context(), id, ask, 0)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if h := history(11, false); h.Reach != desk.ReachNotNeeded || c.asked != 0 || len(h.Local.Checks) != 1 {
		t.Errorf("all of it is here: %+v", h)
	}
	h := history(12, false)
	if h.Reach != desk.ReachAnswered || len(h.Cloud) != 2 || h.Older == 0 {
		t.Fatalf("used at another station before: %+v", h)
	}
	if first := h.Cloud[0]; first.Station != 2 || first.Passage != desk.PassagePassed || first.Seat != "B" || h.Cloud[1].Station != 1 {
		t.Errorf("rows of the cloud: %+v", h.Cloud)
	}
	if h := history(11, true); h.Reach != desk.ReachAnswered {
		t.Errorf("asked for: %+v", h)
	}
	c.err = errors.New("no route")
	if h := history(12, false); h.Reach != desk.ReachNone || len(h.Local.Checks) != 1 || h.Cloud != nil {
		t.Errorf("without the cloud: %+v", h)
	}
	if h := history(99, false); h.Reach != desk.ReachNotNeeded || h.Seat != "" {
		t.Errorf("a ticket that nobody knows: %+v", h)
	}
}
