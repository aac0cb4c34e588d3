package store

import (
	"context"
	"database/sql"
	"math"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// A StationReport is a station with what is counted about it.
type StationReport struct {
	Station
	FeedEpoch   string
	Head        uint64
	SentPos     uint64
	Pending     int // feed rows without a position
	DeadLetters int
	Conflicts   int
	Incidents   int
}

// StationReports returns all stations of a tenant.
func (tx *Tx) StationReports(ctx context.Context, tenant ticket.TenantID) ([]StationReport, error) {
	return List(ctx, tx, `
		SELECT s.id, s.venue, s.name, s.status, s.journal_epoch, s.chain_sum, s.durable_seq, s.folded_seq, s.seen_ms,
			h.epoch, h.head, h.sent_pos,
			(SELECT count(*) FROM ticket t WHERE t.tenant = s.tenant AND t.feed = s.id AND t.seq IS NULL)
				+ (SELECT count(*) FROM feed_item i WHERE i.tenant = s.tenant AND i.feed = s.id AND i.seq IS NULL),
			(SELECT count(*) FROM dead_letter d WHERE d.tenant = s.tenant AND d.station = s.id AND d.settled_ms IS NULL),
			(SELECT count(*) FROM conflict c WHERE c.tenant = s.tenant AND c.station = s.id),
			(SELECT count(*) FROM incident n WHERE n.tenant = s.tenant AND n.station = s.id)
		FROM station s
		JOIN feed_head h ON h.tenant = s.tenant AND h.feed = s.id
		WHERE s.tenant = $1
		ORDER BY s.id`, []any{tenant}, func(row Scan, r *StationReport) error {
		var seen sql.NullInt64
		var sum []byte
		err := row(&r.ID, &r.Venue, &r.Name, &r.Status, &r.Epoch, &sum, &r.Durable, &r.Folded, &seen,
			&r.FeedEpoch, &r.Head, &r.SentPos, &r.Pending, &r.DeadLetters, &r.Conflicts, &r.Incidents)
		r.SeenMs = seen.Int64
		copy(r.Sum[:], sum)
		return err
	})
}

// A SessionReport is a session with what is counted about it.
type SessionReport struct {
	Session
	Sold    int // tickets that were not refunded
	Entered int // tickets used at least once
}

// SessionReports returns the sessions that start at fromMs or later and before toMs.
func (tx *Tx) SessionReports(ctx context.Context, tenant ticket.TenantID, fromMs, toMs int64) ([]SessionReport, error) {
	return List(ctx, tx, `
		SELECT `+sessionColumns+`,
			coalesce(k.sold, 0), coalesce(k.entered, 0)
		FROM session s
		JOIN hall h ON h.tenant = s.tenant AND h.id = s.hall
		LEFT JOIN (
			SELECT t.session,
				sum(CASE WHEN t.status <> 1 THEN 1 ELSE 0 END) AS sold,
				sum(CASE WHEN t.e_used > 0 THEN 1 ELSE 0 END) AS entered
			FROM ticket t
			JOIN session x ON x.tenant = t.tenant AND x.id = t.session
			WHERE t.tenant = $1 AND x.start_ms >= $2 AND x.start_ms < $3
			GROUP BY t.session
		) k ON k.session = s.id
		WHERE s.tenant = $1 AND s.start_ms >= $2 AND s.start_ms < $3
		ORDER BY s.start_ms, s.id`, []any{tenant, fromMs, toMs}, func(row Scan, r *SessionReport) error {
		return scanSession(func(dest ...any) error {
			return row(append(dest, &r.Sold, &r.Entered)...)
		}, &r.Session)
	})
}

// HomesOf returns which stations hold tickets of which session that starts at fromMs or later and
// before toMs.
func (tx *Tx) HomesOf(ctx context.Context, tenant ticket.TenantID, fromMs, toMs int64) (map[ticket.SessionID][]ticket.StationID, error) {
	out := make(map[ticket.SessionID][]ticket.StationID)
	err := tx.Rows(ctx, `
		SELECT DISTINCT t.session, t.feed
		FROM session s
		JOIN ticket t ON t.tenant = s.tenant AND t.session = s.id
		WHERE s.tenant = $1 AND s.start_ms >= $2 AND s.start_ms < $3
		ORDER BY t.session, t.feed`, []any{tenant, fromMs, toMs}, func(row Scan) error {
		var session ticket.SessionID
		var home ticket.StationID
		if err := row(&session, &home); err != nil {
			return err
		}
		out[session] = append(out[session], home)
		return nil
	})
	return out, err
}

// A FactReport is a fact of a station's journal and what became of it.
type FactReport struct {
	journal.Entry
	Station    ticket.StationID
	ReceivedMs int64
	Folded     bool
	DeadLetter string // reason code, "" for none
	Conflict   string // reason code, "" for none
}

const factColumns = `
	f.station, f.epoch, f.seq, f.time_ms, f.offset_ms, f.kind, f.body, f.received_ms,
	f.epoch < s.journal_epoch OR f.seq <= s.folded_seq, coalesce(d.reason, ''), coalesce(c.reason, '')`

const factJoins = `
	JOIN station s ON s.tenant = f.tenant AND s.id = f.station
	LEFT JOIN conflict c ON c.tenant = f.tenant AND c.station = f.station AND c.epoch = f.epoch AND c.seq = f.seq`

// factToDead joins a fact and its dead letter, while that is open.
const factToDead = `dead_letter d ON d.tenant = f.tenant AND d.station = f.station AND d.epoch = f.epoch AND d.seq = f.seq
	AND d.settled_ms IS NULL`

func scanFact(row Scan, f *FactReport) error {
	return row(&f.Station, &f.Epoch, &f.Seq, &f.TimeMs, &f.OffsetMs, &f.Kind, &f.Body, &f.ReceivedMs,
		&f.Folded, &f.DeadLetter, &f.Conflict)
}

// LastFacts returns the most facts that were received last, the newest first.
func (tx *Tx) LastFacts(ctx context.Context, tenant ticket.TenantID, most int) ([]FactReport, error) {
	return List(ctx, tx, `
		SELECT `+factColumns+`
		FROM fact f `+factJoins+`
		LEFT JOIN `+factToDead+`
		WHERE f.tenant = $1
		ORDER BY f.received_ms DESC, f.station, f.epoch DESC, f.seq DESC
		LIMIT $2`, []any{tenant, most}, scanFact)
}

// LastDead returns the most facts that became dead letters last, the newest first.
func (tx *Tx) LastDead(ctx context.Context, tenant ticket.TenantID, most int) ([]FactReport, error) {
	return List(ctx, tx, `
		SELECT `+factColumns+`
		FROM fact f `+factJoins+`
		JOIN `+factToDead+`
		WHERE d.tenant = $1
		ORDER BY d.at_ms DESC, d.station, d.epoch DESC, d.seq DESC
		LIMIT $2`, []any{tenant, most}, scanFact)
}

// Seat returns the seat and the session's name of a ticket, empty for a ticket that does not exist.
func (tx *Tx) Seat(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) (seat, session string, err error) {
	if id > math.MaxInt64 { // no database has such a number; a fact may
		return "", "", nil
	}
	_, err = tx.Row(ctx, `
		SELECT t.seat, s.name
		FROM ticket t
		JOIN session s ON s.tenant = t.tenant AND s.id = t.session
		WHERE t.tenant = $1 AND t.id = $2`, []any{tenant, id}, &seat, &session)
	return seat, session, err
}
