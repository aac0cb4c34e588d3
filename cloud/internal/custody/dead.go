package custody

import (
	"context"
	"fmt"
	"math"

	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

const deadColumns = `d.station, f.epoch, f.seq, f.time_ms, f.offset_ms, f.kind, f.body, f.sum, d.reason, d.at_ms`

const deadFact = `
	FROM dead_letter d
	JOIN fact f ON f.tenant = d.tenant AND f.station = d.station AND f.epoch = d.epoch AND f.seq = d.seq`

func scanDead(scan store.Scan, tenant ticket.TenantID, d *hub.DeadLetter) error {
	e := &d.Entry
	var sum []byte
	err := scan(&d.Station.Station, &e.Epoch, &e.Seq, &e.TimeMs, &e.OffsetMs, &e.Kind, &e.Body, &sum, &d.Reason, &d.AtMs)
	d.Station.Tenant = tenant
	copy(e.Sum[:], sum)
	return err
}

// ListDead implements hub.DeadStore.
func (s *Store) ListDead(ctx context.Context, after hub.Place, only bool, most int) ([]hub.DeadLetter, error) {
	tenant, last := after.Station.Tenant, uint32(math.MaxUint32)
	if only {
		last = uint32(after.Station.Station)
	}
	var out []hub.DeadLetter
	err := s.db.Read(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		out, err = store.List(ctx, tx, `
			SELECT `+deadColumns+deadFact+`
			WHERE d.tenant = $1 AND d.settled_ms IS NULL AND (d.station, d.epoch, d.seq) > ($2, $3, $4) AND d.station <= $5
			ORDER BY d.station, d.epoch, d.seq
			LIMIT $6`, []any{tenant, after.Station.Station, after.Epoch, after.Seq, last, most},
			func(scan store.Scan, d *hub.DeadLetter) error { return scanDead(scan, tenant, d) })
		return err
	})
	return out, err
}

// RetryDead implements hub.DeadStore.
func (s *Store) RetryDead(ctx context.Context, at hub.Place, by string, nowMs int64) (why hub.DeadReason, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		why, err = retryDead(ctx, tx, at, by, nowMs)
		return err
	})
	if err == nil && why == "" {
		s.Ring(at.Station) // a machine that was replaced may have changed what the present one must know
	}
	return why, err
}

func retryDead(ctx context.Context, tx *store.Tx, at hub.Place, by string, nowMs int64) (hub.DeadReason, error) {
	tenant, station := at.Station.Tenant, at.Station.Station
	row, found, err := tx.Station(ctx, tenant, station) // nothing of the station is folded meanwhile
	if err != nil {
		return "", err
	}
	if !found {
		return "", unknownStation(at.Station)
	}
	letters, err := store.List(ctx, tx, `
		SELECT `+deadColumns+deadFact+`
		WHERE d.tenant = $1 AND d.station = $2 AND d.epoch = $3 AND d.seq = $4 AND d.settled_ms IS NULL`,
		[]any{tenant, station, at.Epoch, int64(at.Seq & math.MaxInt64)},
		func(scan store.Scan, d *hub.DeadLetter) error { return scanDead(scan, tenant, d) })
	if err == nil && len(letters) == 0 {
		err = fmt.Errorf("%w: %s, epoch %d, %d", hub.ErrNoDeadLetter, station, at.Epoch, at.Seq)
	}
	if err != nil {
		return "", err
	}
	e := &letters[0].Entry
	f := &folding{tx: tx, station: at.Station, nowMs: nowMs, ended: at.Epoch != row.Epoch}
	if err := f.load(ctx, []journal.Entry{*e}); err != nil {
		return "", err
	}
	why, err := hub.RetryEntry(ctx, late{f}, at.Station, e)
	if err == nil {
		err = f.store(ctx)
	}
	if err == nil && why != "" {
		return why, tx.ExecOne(ctx, `
			UPDATE dead_letter
			SET reason = $5, at_ms = $6
			WHERE tenant = $1 AND station = $2 AND epoch = $3 AND seq = $4`, tenant, station, at.Epoch, at.Seq, why, nowMs)
	}
	if err != nil {
		return "", err
	}
	return "", settle(ctx, tx, at, e, by, nowMs)
}

// settle closes a dead letter. Its fact is found under its ticket from now on.
func settle(ctx context.Context, tx *store.Tx, at hub.Place, e *journal.Entry, by string, nowMs int64) error {
	err := tx.ExecOne(ctx, `
		UPDATE dead_letter
		SET settled_ms = $5, settled_by = $6
		WHERE tenant = $1 AND station = $2 AND epoch = $3 AND seq = $4 AND settled_ms IS NULL`,
		at.Station.Tenant, at.Station.Station, at.Epoch, at.Seq, nowMs, by)
	if err != nil {
		return err
	}
	return tx.ExecOne(ctx, `
		UPDATE fact
		SET ticket = $5
		WHERE tenant = $1 AND station = $2 AND epoch = $3 AND seq = $4`,
		at.Station.Tenant, at.Station.Station, at.Epoch, at.Seq, ticketOf(e))
}

// late is a folding for a fact behind which others have been folded.
type late struct{ *folding }

var _ hub.RetryTx = late{}

// Later implements hub.RetryTx. The station is locked, so what is folded does not change.
func (l late) Later(ctx context.Context, at hub.Place, id ticket.TicketID) (bool, error) {
	return l.tx.Row(ctx, `
		SELECT 1
		FROM fact f
		JOIN station s ON s.tenant = f.tenant AND s.id = f.station
		LEFT JOIN ended_epoch e ON e.tenant = f.tenant AND e.station = f.station AND e.epoch = f.epoch
		WHERE f.tenant = $1 AND f.ticket = $2 AND f.station = $3 AND (f.epoch, f.seq) > ($4, $5) AND f.kind <> $6
			AND f.seq <= coalesce(e.folded_seq, s.folded_seq)
			AND NOT EXISTS (
				SELECT 1 FROM dead_letter d
				WHERE d.tenant = f.tenant AND d.station = f.station AND d.epoch = f.epoch AND d.seq = f.seq AND d.settled_ms IS NULL)
		LIMIT 1`,
		[]any{at.Station.Tenant, id, at.Station.Station, at.Epoch, at.Seq, ticket.FactRefused}, new(int))
}
