package cloud

import "yipiao/sync/ticket"

// Status is the cloud's state for programs (GET /api/v1/status).
type Status struct {
	Ready    bool            `json:"ready"` // the store answers and every enrolled station was heard of
	Stations []StationStatus `json:"stations"`
}

// StationStatus is what the cloud knows of one station. Times are Unix milliseconds, 0 for never.
type StationStatus struct {
	ID          ticket.StationID `json:"id"`
	Name        string           `json:"name"` // S-0001
	SeenMs      int64            `json:"seen_ms"`
	Epoch       uint32           `json:"journal_epoch"`
	Durable     uint64           `json:"durable"` // facts stored
	Folded      uint64           `json:"folded"`  // facts applied
	FeedHead    uint64           `json:"feed_head"`
	FeedSent    uint64           `json:"feed_sent"` // up to here the station may have read
	DeadLetters int              `json:"dead_letters"`
	Conflicts   int              `json:"conflicts"`
}

// Digests is what `yipiao verify` compares with a station's own (GET /api/v1/digests?station=N).
type Digests struct {
	Station        ticket.StationID `json:"station"`
	FeedEpoch      string           `json:"feed_epoch"`
	FeedHead       uint64           `json:"feed_head"`
	FeedPending    int              `json:"feed_pending"` // rows that have no position yet
	JournalEpoch   uint32           `json:"journal_epoch"`
	JournalDurable uint64           `json:"journal_durable"`
	JournalFolded  uint64           `json:"journal_folded"`
	JournalSum     string           `json:"journal_sum"` // chain value at JournalDurable, hex
	DeadLetters    int              `json:"dead_letters"`
	Conflicts      int              `json:"conflicts"`
	Sessions       []SessionDigest  `json:"sessions"`
}

// SessionDigest is one session's digest over the tickets of one station's feed.
type SessionDigest struct {
	ID      ticket.SessionID `json:"id"`
	Tickets int              `json:"tickets"`
	Used    int              `json:"used"` // uses of all rights together
	Digest  ticket.Digest    `json:"digest"`
}

// TicketState is one ticket's standing (GET /api/v1/tickets/ID).
type TicketState struct {
	ID     ticket.TicketID `json:"id"`
	Status ticket.Status   `json:"status"`
	Ver    uint64          `json:"ver"`
	Gen    uint32          `json:"gen"`
	Holder string          `json:"holder"` // the custodian: "" for the cloud, else S-0001
	Used   uint16          `json:"used"`
	Max    uint16          `json:"max"`
	Inside bool            `json:"inside"`
}
