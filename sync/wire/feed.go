package wire

import (
	"encoding/json"
	"fmt"
	"strconv"

	fastjson "github.com/go-json-experiment/json"

	"yipiao/sync/ticket"
)

// An EntryKind names what a feed entry describes.
type EntryKind string

// Entry kinds. A station keeps entries of other kinds aside, counts them and goes on.
const (
	KindSession   EntryKind = "session"    // ticket.Session
	KindGateGroup EntryKind = "gate_group" // ticket.GateGroup
	KindSignKey   EntryKind = "sign_key"   // ticket.SignKey
	KindTicket    EntryKind = "ticket"     // ticket.Ticket
)

// An Entry is the whole present state of one thing; a newer entry for the same kind and key replaces
// it and takes a new position (sync.md section 2).
type Entry struct {
	Pos  uint64          `json:"pos"`
	Kind EntryKind       `json:"kind"`
	Key  string          `json:"key"` // decimal id; for a kind unknown here, opaque
	Ver  uint64          `json:"ver"`
	Gone bool            `json:"gone,omitempty"` // tombstone: the key is no longer in this feed
	Body json.RawMessage `json:"body,omitempty"`
	// Tickets lists the tickets that an entry of a kind beyond this version concerns, so that an old
	// station can refuse them with needs_update instead of guessing.
	Tickets []ticket.TicketID `json:"tickets,omitempty"`
}

// Key returns the feed key of a numeric id.
func Key[T ~uint16 | ~uint32 | ~uint64](id T) string { return strconv.FormatUint(uint64(id), 10) }

// A FeedRequest asks for what lies behind a cursor.
type FeedRequest struct {
	Epoch  string // feed epoch of the cursor; "" for a station that has none yet
	Cursor uint64 // last position applied; 0 reads everything
	Limit  int    // rows wanted, at most MaxPageRows
	WaitMs int    // how long to wait for news, at most MaxWaitMs
}

// Limits of a page.
const (
	MaxPageRows  = 5000
	MaxPageBytes = 1 << 20 // of bodies, before compression
	MaxWaitMs    = 25_000
)

// A Page answers a FeedRequest. Entries are in order of position, Cursor < Pos <= Next.
type Page struct {
	Version  int     `json:"version"`
	Epoch    string  `json:"epoch"`
	Reset    bool    `json:"reset,omitempty"` // the cursor's epoch is not this feed's: read again from 0
	Entries  []Entry `json:"entries"`
	Next     uint64  `json:"next"`      // the cursor after this page
	CaughtUp bool    `json:"caught_up"` // Next was the head after a stamping pass that began after the request arrived
	TimeMs   int64   `json:"time_ms"`   // the cloud's clock
}

// DecodeBody decodes and validates the body of an entry of a known kind into v.
func (e *Entry) DecodeBody(v interface{ Validate() error }) error {
	// A first load is a million of these: this decoder needs half the time of encoding/json.
	if err := fastjson.Unmarshal(e.Body, v); err != nil {
		return fmt.Errorf("feed entry %s %s: %w", e.Kind, e.Key, err)
	}
	if err := v.Validate(); err != nil {
		return fmt.Errorf("feed entry %s %s: %w", e.Kind, e.Key, err)
	}
	return nil
}
