// Package reports answers what people ask of the cloud's state: stations, sessions, what happened
// last, and the proof that both ends agree. It reads one snapshot per answer and changes nothing. It
// must not know pages, SQL or keys; its answers hold no ticket code, name or document.
package reports

import (
	"context"
	"time"

	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// A StationStatus is a station's registration as programs read it.
type StationStatus string

// Station statuses.
const (
	StationNew     StationStatus = "new" // created, no machine has enrolled yet
	StationActive  StationStatus = "active"
	StationRevoked StationStatus = "revoked"
)

// A Station is one station's state. Positions and sequences of a station that is in step are equal:
// Sent = Head, Folded = Durable, Pending = 0.
type Station struct {
	ID          ticket.StationID `json:"id"`
	Name        string           `json:"name"`
	Venue       string           `json:"venue"`
	Status      StationStatus    `json:"status"`
	SeenMs      int64            `json:"seen_ms"`       // last contact, within 10 s and a poll's wait; 0 for never
	Epoch       uint32           `json:"journal_epoch"` // 0 before it enrols
	Durable     uint64           `json:"durable"`       // facts stored
	Folded      uint64           `json:"folded"`        // facts judged
	FeedEpoch   string           `json:"feed_epoch"`
	Head        uint64           `json:"head"`    // last position of its feed
	SentPos     uint64           `json:"sent"`    // it may have read up to here
	Pending     int              `json:"pending"` // rows of its feed without a position
	Tickets     int              `json:"tickets"`
	Entries     int64            `json:"entries"` // entries folded
	DeadLetters int              `json:"dead_letters"`
	Conflicts   int              `json:"conflicts"`
	Incidents   int              `json:"incidents"`
}

// A Session is one session's state.
type Session struct {
	ticket.Session
	TypeName   string     `json:"type_name"`
	MaxEntries uint16     `json:"max_entries"`
	Seats      int        `json:"seats"`
	Sold       int        `json:"sold"`
	Entered    int        `json:"entered"` // tickets used at least once
	Inside     int        `json:"inside"`
	Takings    ticket.Fen `json:"takings_fen"`
}

// A Fact is one fact of a station's journal, decoded. Fact or Note is nil; both are when the body
// could not be read, and DeadLetter says why.
type Fact struct {
	Station    ticket.StationID `json:"station"`
	Epoch      uint32           `json:"epoch"`
	Seq        uint64           `json:"seq"`
	TimeMs     int64            `json:"time_ms"` // station's clock
	ReceivedMs int64            `json:"received_ms"`
	Kind       string           `json:"kind"`
	Fact       *ticket.Fact     `json:"fact,omitempty"`
	Note       *ticket.Note     `json:"note,omitempty"`
	Folded     bool             `json:"folded"`
	DeadLetter string           `json:"dead_letter,omitempty"`
	Conflict   string           `json:"conflict,omitempty"`
}

// An Overview is the state of a tenant at one instant.
type Overview struct {
	Tenant   string    `json:"tenant"`
	TimeMs   int64     `json:"time_ms"`
	Stations []Station `json:"stations"`
	Sessions []Session `json:"sessions"` // that start today or on the days beside it
	Facts    []Fact    `json:"facts"`    // received last, the newest first
}

// A Digest says what a session's tickets at one station add up to, and for which state that holds
// (sync.md section 5). It may be compared with the station's when Pending is 0.
type Digest struct {
	Station ticket.StationID `json:"station"`
	Session ticket.SessionID `json:"session"`
	Tickets int              `json:"tickets"`
	Digest  ticket.Digest    `json:"digest"`
	Head    uint64           `json:"head"` // of the feed
	Pending int              `json:"pending"`
	Epoch   uint32           `json:"journal_epoch"`
	Folded  uint64           `json:"folded"` // of the journal
}

// MaxFacts is the most facts that an overview shows.
const MaxFacts = 500

// Read returns the overview of a tenant at now, with its last most facts.
func Read(ctx context.Context, db *store.DB, tenant store.Tenant, now time.Time, most int) (*Overview, error) {
	day := now.In(ticket.Shanghai())
	today := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, day.Location())
	out := &Overview{
		Tenant: tenant.Name, TimeMs: now.UnixMilli(), Stations: []Station{}, Sessions: []Session{}, Facts: []Fact{},
	}
	err := db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		stations, err := tx.StationReports(ctx, tenant.ID)
		if err != nil {
			return err
		}
		for i := range stations {
			out.Stations = append(out.Stations, station(&stations[i]))
		}
		sessions, err := tx.SessionReports(ctx, tenant.ID, today.AddDate(0, 0, -1).UnixMilli(), today.AddDate(0, 0, 2).UnixMilli())
		if err != nil {
			return err
		}
		for _, s := range sessions {
			out.Sessions = append(out.Sessions, Session{
				Session: s.Session.Session, TypeName: s.Type.Name(), MaxEntries: s.MaxEntries,
				Seats: s.Seats, Sold: s.Sold, Entered: s.Entered, Inside: s.Inside, Takings: s.Takings,
			})
		}
		facts, err := tx.LastFacts(ctx, tenant.ID, min(max(most, 0), MaxFacts))
		if err != nil {
			return err
		}
		for i := range facts {
			out.Facts = append(out.Facts, fact(&facts[i]))
		}
		return nil
	})
	return out, err
}

func station(r *store.StationReport) Station {
	status := StationNew
	switch r.Status {
	case store.StationActive:
		status = StationActive
	case store.StationRevoked:
		status = StationRevoked
	case store.StationNew:
	}
	return Station{
		ID: r.ID, Name: r.Name, Venue: r.VenueName, Status: status, SeenMs: r.SeenMs, Epoch: r.Epoch,
		Durable: r.Durable, Folded: r.Folded, FeedEpoch: r.FeedEpoch, Head: r.Head, SentPos: r.SentPos, Pending: r.Pending,
		Tickets: r.Tickets, Entries: r.Entries, DeadLetters: r.DeadLetters, Conflicts: r.Conflicts, Incidents: r.Incidents,
	}
}

func fact(r *store.FactReport) Fact {
	f := Fact{
		Station: r.Station, Epoch: r.Epoch, Seq: r.Seq, TimeMs: r.TimeMs, ReceivedMs: r.ReceivedMs,
		Kind: ticket.FactKind(r.Kind).String(), Folded: r.Folded, DeadLetter: r.DeadLetter, Conflict: r.Conflict,
	}
	var err error
	if f.Fact, f.Note, err = hub.Read(&r.Entry); err != nil {
		f.Fact, f.Note = nil, nil // its dead letter says why
	}
	return f
}

// Digests returns the digest of every session of which a station has tickets.
func Digests(ctx context.Context, db *store.DB, feed link.Peer) ([]Digest, error) {
	out := []Digest{}
	err := db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		stations, err := tx.StationReports(ctx, feed.Tenant)
		if err != nil {
			return err
		}
		for i := range stations {
			if stations[i].ID == feed.Station {
				out, err = digestsAt(ctx, tx, feed, &stations[i])
			}
		}
		return err
	})
	return out, err
}

func digestsAt(ctx context.Context, tx *store.Tx, feed link.Peer, at *store.StationReport) ([]Digest, error) {
	sums, err := custody.Digests(ctx, tx, feed)
	if err != nil {
		return nil, err
	}
	out := make([]Digest, 0, len(sums))
	for _, s := range sums {
		out = append(out, Digest{
			Station: feed.Station, Session: s.Session, Tickets: s.Tickets, Digest: s.Digest,
			Head: at.Head, Pending: at.Pending, Epoch: at.Epoch, Folded: at.Folded,
		})
	}
	return out, nil
}
