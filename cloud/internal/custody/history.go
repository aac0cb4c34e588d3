package custody

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/wire"
)

// History implements hub.HistoryStore.
func (s *Store) History(ctx context.Context, station link.Peer, req wire.HistoryRequest) ([]wire.HistoryFact, bool, error) {
	before := req.BeforeMs
	if before == 0 {
		before = math.MaxInt64
	}
	var facts []wire.HistoryFact
	err := s.db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		var venue int64
		found, err := tx.Row(ctx, `
			SELECT asks.venue
			FROM ticket t
				JOIN station home ON home.tenant = t.tenant AND home.id = t.feed
				JOIN station asks ON asks.tenant = t.tenant AND asks.venue = home.venue
			WHERE t.tenant = $1 AND t.id = $2 AND asks.id = $3`,
			[]any{station.Tenant, int64(req.Ticket), station.Station}, &venue)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%w: %d", hub.ErrUnknownTicket, req.Ticket)
		}
		facts, err = store.List(ctx, tx, `
			SELECT f.station, f.epoch, f.seq, f.time_ms, f.kind, f.body
			FROM fact f
				JOIN station s ON s.tenant = f.tenant AND s.id = f.station
			WHERE f.tenant = $1 AND f.ticket = $2 AND f.time_ms < $3 AND s.venue = $4
			ORDER BY f.time_ms DESC, f.station DESC, f.epoch DESC, f.seq DESC
			LIMIT $5`, []any{station.Tenant, int64(req.Ticket), before, venue, req.Limit + 1},
			func(scan store.Scan, f *wire.HistoryFact) error {
				return scan(&f.Station, &f.Epoch, &f.Seq, &f.TimeMs, &f.Kind, &f.Body)
			})
		return err
	})
	if err != nil {
		return nil, false, err
	}
	more := len(facts) > req.Limit
	return facts[:min(len(facts), req.Limit)], more, nil
}

// ticketOf is the ticket that a fact is about, for the index. A body is not judged here (I5): what
// cannot be read is about none, and neither is a number that no ticket can have.
func ticketOf(e *journal.Entry) sql.NullInt64 {
	f, _, err := hub.Read(e)
	if err != nil || f == nil || f.Ticket == 0 || f.Ticket > math.MaxInt64 {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: int64(f.Ticket), Valid: true}
}
