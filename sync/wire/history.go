package wire

import "yipiao/sync/ticket"

// MaxHistoryRows is the most facts that one HistoryReply holds.
const MaxHistoryRows = 200

// A HistoryRequest asks what the cloud keeps about one ticket, for a person who looks at it: a station
// keeps its journal for a while, and never another station's.
type HistoryRequest struct {
	Ticket ticket.TicketID
	// BeforeMs asks only for facts earlier than this (Unix milliseconds); 0 for all.
	BeforeMs int64
	Limit    int // 1 to MaxHistoryRows
}

// A HistoryFact is a fact as a station of the venue has reported it.
type HistoryFact struct {
	Station ticket.StationID `json:"station"`
	Epoch   uint32           `json:"epoch"`
	Seq     uint64           `json:"seq"`
	TimeMs  int64            `json:"time_ms"` // of the station's clock
	Kind    ticket.FactKind  `json:"kind"`
	Body    []byte           `json:"body"`
}

// A HistoryReply answers a HistoryRequest: the newest facts first.
type HistoryReply struct {
	Version int           `json:"version"`
	Facts   []HistoryFact `json:"facts"`
	More    bool          `json:"more"` // earlier ones were left out: ask again before the last
}
