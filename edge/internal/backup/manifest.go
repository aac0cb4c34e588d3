package backup

import (
	"time"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// Format is the version of the archive (docs/formats/backup.md). A program reads its own and earlier ones.
const Format = 1

// A Kind says why a backup was made.
type Kind string

// Kinds.
const (
	Daily    Kind = "daily"    // by the clock
	Manual   Kind = "manual"   // by a person
	Shutdown Kind = "shutdown" // when the station stopped
)

// About is what a backup says of the station besides its rows.
type About struct {
	Kind    Kind
	Tenant  ticket.TenantID
	Station ticket.StationID
	Venue   string
	Cloud   string // host:port of the cloud's sync listener
	Program string // version
	Config  []byte // the configuration file
	// Recipient is the public half of the venue's recovery key.
	Recipient string
	Now       time.Time
	Tickets   int // as far as known, for the progress
}

// A Manifest is the first member of an archive. Times are Unix milliseconds.
type Manifest struct {
	Format  int              `json:"format"`
	Kind    Kind             `json:"kind"`
	Tenant  ticket.TenantID  `json:"tenant"`
	Station ticket.StationID `json:"station"`
	Venue   string           `json:"venue"`
	Cloud   string           `json:"cloud"`
	Program string           `json:"program"`
	MadeMs  int64            `json:"made_ms"`
	Journal Place            `json:"journal"`
	Feed    FeedPlace        `json:"feed"`
	// Recipient is the venue's recovery key when the backup was made: a restored machine keeps it.
	Recipient string `json:"recovery_recipient"`
}

// A Place is the last durable fact when the backup began, and the last one that the cloud held.
type Place struct {
	Epoch uint32 `json:"epoch"`
	Seq   uint64 `json:"seq"`
	Sum   string `json:"sum"` // chain value at Seq, hex
	Acked uint64 `json:"acked"`
}

// A FeedPlace is where the station stood in its feed.
type FeedPlace struct {
	Epoch  string `json:"epoch"`
	Cursor uint64 `json:"cursor"`
}

// Counts say how much an archive holds.
type Counts struct {
	Sessions int   `json:"sessions"`
	Groups   int   `json:"groups"`
	Keys     int   `json:"keys"`
	Local    int   `json:"local"`
	Tickets  int   `json:"tickets"`
	Facts    int   `json:"facts"` // that the cloud was not known to hold
	Bytes    int64 `json:"bytes"` // of all members
}

// sums is the last member: what must have come before it.
type sums struct {
	Members []memberSum `json:"members"`
	Counts  Counts      `json:"counts"`
}

type memberSum struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Sum  string `json:"sha256"`
}

// Names of members. Numbered ones are runs of one kind, each held in memory whole by reader and writer.
const (
	nameManifest = "manifest.json"
	nameConfig   = "station.json"
	nameSums     = "sums.json"
	dirSessions  = "sessions/"
	dirGroups    = "groups/"
	dirKeys      = "sign_keys/"
	dirLocal     = "local/"
	dirTickets   = "tickets/"
	dirJournal   = "journal/" // wire batches
)

// Sizes of a run.
const (
	runBytes    = 1 << 20
	journalRows = 1000
	maxMember   = 16 << 20 // more is not this program's
)

// ticketRow is a line of a run of tickets.
type ticketRow struct {
	Ticket *ticket.Ticket `json:"t"`
	Held   heldRow        `json:"h"`
}

// heldRow is ticket.Held under names that may not change.
type heldRow struct {
	Gen       uint32         `json:"g,omitempty"`
	Holds     bool           `json:"holds,omitempty"`
	Recalling bool           `json:"rec,omitempty"`
	Used      uint16         `json:"u,omitempty"`
	Inside    bool           `json:"in,omitempty"`
	Passage   ticket.Passage `json:"p,omitempty"`
	LastMs    int64          `json:"ms,omitempty"`
	LastAt    string         `json:"at,omitempty"`
}

func rowOf(h ticket.Held) heldRow {
	return heldRow{h.Gen, h.Holds, h.Recalling, h.Used, h.Inside, h.Passage, h.LastMs, h.LastAt}
}

func (r heldRow) held() ticket.Held {
	return ticket.Held{
		Gen: r.Gen, Holds: r.Holds, Recalling: r.Recalling, Used: r.Used,
		Inside: r.Inside, Passage: r.Passage, LastMs: r.LastMs, LastAt: r.LastAt,
	}
}

// localRow is a line of a run of the registry.
type localRow struct {
	Key   string `json:"k"`
	Value any    `json:"v"`
}

func placeOf(at journal.Pos, acked uint64) Place {
	return Place{Epoch: at.Epoch, Seq: at.Seq, Sum: hexSum(at.Sum[:]), Acked: acked}
}
