// Package reports answers what people and tools ask of the cloud's state: stations, sessions, what
// happened last, and the proof that both ends agree. It reads one snapshot per answer and changes
// nothing. It must not know pages, SQL or keys; its answers hold no ticket code, name or document.
package reports

import (
	"context"
	"errors"
	"time"

	"yipiao/cloud/internal/custody"
	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// ErrNotFound is returned for a station that does not exist.
var ErrNotFound = errors.New("reports: not found")

// A Session is one session with its counts over all stations.
type Session struct {
	store.SessionReport
	Homes []ticket.StationID // that hold its tickets
}

// A Fact is one fact of a station's journal, decoded. Fact or Note is nil; both are when the body
// could not be read, and DeadLetter says why.
type Fact struct {
	store.FactReport
	Kind    ticket.FactKind
	Fact    *ticket.Fact
	Note    *ticket.Note
	Seat    string // of its ticket, "" for none
	Session string // the name of its session, "" for none
}

// An Overview is the state of a tenant at one instant.
type Overview struct {
	Tenant   string
	Stations []store.StationReport
	Sessions []Session // that start today or on the days beside it, in order of start
	Facts    []Fact    // received last, the newest first
	Dead     []Fact    // dead letters, the newest first
}

// Read returns the overview of a tenant at now, with its last most facts and dead letters.
func Read(ctx context.Context, db *store.DB, tenant store.Tenant, now time.Time, most int) (*Overview, error) {
	out := &Overview{Tenant: tenant.Name}
	err := db.Read(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if out.Stations, err = tx.StationReports(ctx, tenant.ID); err != nil {
			return err
		}
		if out.Sessions, err = sessions(ctx, tx, tenant.ID, now); err != nil {
			return err
		}
		facts, err := tx.LastFacts(ctx, tenant.ID, most)
		if err != nil {
			return err
		}
		if out.Facts, err = decode(ctx, tx, tenant.ID, facts); err != nil {
			return err
		}
		if facts, err = tx.LastDead(ctx, tenant.ID, most); err != nil {
			return err
		}
		out.Dead, err = decode(ctx, tx, tenant.ID, facts)
		return err
	})
	return out, err
}

func sessions(ctx context.Context, tx *store.Tx, tenant ticket.TenantID, now time.Time) ([]Session, error) {
	day := now.In(ticket.Shanghai())
	today := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, day.Location())
	from, to := today.AddDate(0, 0, -1).UnixMilli(), today.AddDate(0, 0, 2).UnixMilli()
	homes, err := tx.HomesOf(ctx, tenant, from, to)
	if err != nil {
		return nil, err
	}
	rows, err := tx.SessionReports(ctx, tenant, from, to)
	if err != nil {
		return nil, err
	}
	out := make([]Session, len(rows))
	for i, r := range rows {
		out[i] = Session{SessionReport: r, Homes: homes[r.ID]}
	}
	return out, nil
}

func decode(ctx context.Context, tx *store.Tx, tenant ticket.TenantID, rows []store.FactReport) ([]Fact, error) {
	out := make([]Fact, len(rows))
	for i := range rows {
		f := Fact{FactReport: rows[i], Kind: ticket.FactKind(rows[i].Entry.Kind)}
		var err error
		if f.Fact, f.Note, err = hub.Read(&rows[i].Entry); err != nil {
			f.Fact, f.Note = nil, nil // its dead letter says why
		}
		if f.Fact != nil && f.Fact.Ticket != 0 {
			if f.Seat, f.Session, err = tx.Seat(ctx, tenant, f.Fact.Ticket); err != nil {
				return nil, err
			}
		}
		out[i] = f
	}
	return out, nil
}

// A Proof is what a station's own state is compared with (sync.md section 5): both hold for the same
// instant. It may be compared when nothing is pending and everything durable is folded.
type Proof struct {
	Station  store.StationReport
	Sessions []custody.SessionDigest
}

// Prove returns the proof of one station, or ErrNotFound.
func Prove(ctx context.Context, db *store.DB, feed link.Peer) (*Proof, error) {
	var out *Proof
	err := db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		stations, err := tx.StationReports(ctx, feed.Tenant)
		if err != nil {
			return err
		}
		for i := range stations {
			if stations[i].ID != feed.Station {
				continue
			}
			sums, err := custody.Digests(ctx, tx, feed)
			out = &Proof{Station: stations[i], Sessions: sums}
			return err
		}
		return ErrNotFound
	})
	return out, err
}
