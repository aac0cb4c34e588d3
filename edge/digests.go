package edge

import (
	"encoding/hex"
	"sort"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

func (s *Station) digests() Digests {
	before := s.ledger.Stats()
	sums := s.ledger.Digests()
	at := s.ledger.Durable()
	after := s.ledger.Stats()
	out := Digests{
		Station: s.id.Station, Epoch: s.id.Epoch, End: after.End, Durable: at.Seq, Sum: hex.EncodeToString(at.Sum[:]),
		Feed:  FeedStatus{Epoch: after.Feed.Epoch, Cursor: after.Feed.Cursor, CaughtUp: caughtUp(after), Resyncs: after.Feed.Resyncs},
		Quiet: before.End == after.End && before.Feed == after.Feed && after.Open == 0,
	}
	for id, d := range sums {
		out.Sessions = append(out.Sessions, digestState(id, d))
	}
	sort.Slice(out.Sessions, func(i, j int) bool { return out.Sessions[i].ID < out.Sessions[j].ID })
	return out
}

func digestState(id ticket.SessionID, d ledger.SessionDigest) DigestState {
	return DigestState{ID: id, Tickets: d.Tickets, Used: d.Used, Digest: d.Digest}
}

// TicketState is what the station knows of one ticket, for tools (GET /api/v1/tickets/ID).
type TicketState struct {
	ID     ticket.TicketID `json:"id"`
	Known  bool            `json:"known"` // the feed has it; false for one admitted on its signature
	Seat   string          `json:"seat,omitempty"`
	Status string          `json:"status,omitempty"`
	Ver    uint64          `json:"ver"`
	Gen    uint32          `json:"gen"`
	Holds  bool            `json:"holds"`
	Used   uint16          `json:"used"`
	Max    uint16          `json:"max"`
	Inside bool            `json:"inside"`
	Moving bool            `json:"moving"` // a recall waits for a passage
}

func (s *Station) ticketState(id ticket.TicketID) (any, bool) {
	t, h, ok := s.ledger.Ticket(id)
	if !ok {
		return nil, false
	}
	return TicketState{
		ID: id, Known: t.ID != 0, Seat: t.Seat, Status: string(t.Status), Ver: t.Ver, Gen: h.Gen, Holds: h.Holds,
		Used: h.Used, Max: t.Entry.Max, Inside: h.Inside, Moving: h.Recalling,
	}, true
}
