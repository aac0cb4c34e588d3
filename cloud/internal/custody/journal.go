package custody

import (
	"context"
	"errors"
	"fmt"

	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Registered implements hub.JournalStore.
func (s *Store) Registered(ctx context.Context, station link.Peer) error {
	return s.db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		row, found, err := tx.Station(ctx, station.Tenant, station.Station)
		switch {
		case err != nil:
			return err
		case !found || row.Status == store.StationNew:
			return unknownStation(station)
		case row.Status == store.StationRevoked:
			return fmt.Errorf("%w: %s", hub.ErrRevoked, station.Station)
		}
		return nil
	})
}

// Seen implements hub.JournalStore.
func (s *Store) Seen(ctx context.Context, station link.Peer, nowMs int64) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		err := tx.Seen(ctx, station.Tenant, station.Station, nowMs)
		if errors.Is(err, store.ErrConflict) {
			return unknownStation(station)
		}
		return err
	})
}

// Receive implements hub.JournalStore (T4, first half).
func (s *Store) Receive(ctx context.Context, station link.Peer, b *wire.Batch, nowMs int64) (wire.Ack, error) {
	var ack wire.Ack
	var refused error // by Accept: an incident is committed with it
	err := s.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		held, err := s.journal(ctx, tx, station)
		if err != nil {
			return err
		}
		fresh, err := hub.Accept(&held, b, func(first, last uint64) ([]journal.Sum, error) {
			return sums(ctx, tx, station, b.Epoch, first, last)
		})
		if isIncident(err) {
			refused = err
			return incident(ctx, tx, station, b, err, nowMs)
		}
		if err != nil {
			return err
		}
		if len(fresh) > 0 {
			if err := keep(ctx, tx, station, &held, fresh, nowMs); err != nil {
				return err
			}
		}
		ack = held.Ack()
		return nil
	})
	if err == nil && refused != nil {
		return wire.Ack{}, refused
	}
	return ack, err
}

// journal reads what is held of a station's journal, locked.
func (s *Store) journal(ctx context.Context, tx *store.Tx, station link.Peer) (hub.Journal, error) {
	row, found, err := tx.Station(ctx, station.Tenant, station.Station)
	if err != nil {
		return hub.Journal{}, err
	}
	if !found || row.Status == store.StationNew {
		return hub.Journal{}, unknownStation(station)
	}
	key, err := s.unseal(station.Tenant, row.ChainKey, ChainKeyPlace(station, row.Epoch))
	if err != nil {
		return hub.Journal{}, fmt.Errorf("chain key of %s: %w", station.Station, err)
	}
	return hub.Journal{Epoch: row.Epoch, Durable: row.Durable, Folded: row.Folded, Sum: row.Sum, Key: key}, nil
}

func sums(ctx context.Context, tx *store.Tx, station link.Peer, epoch uint32, first, last uint64) ([]journal.Sum, error) {
	out, err := store.List(ctx, tx, `
		SELECT sum
		FROM fact
		WHERE tenant = $1 AND station = $2 AND epoch = $3 AND seq BETWEEN $4 AND $5
		ORDER BY seq`, []any{station.Tenant, station.Station, epoch, first, last},
		func(scan store.Scan, s *journal.Sum) error {
			var b []byte
			err := scan(&b)
			copy(s[:], b)
			return err
		})
	if err == nil && uint64(len(out)) != last-first+1 {
		err = fmt.Errorf("journal of %s: %d facts stored from %d to %d", station.Station, len(out), first, last)
	}
	return out, err
}

// keep stores new facts and advances what is held.
func keep(ctx context.Context, tx *store.Tx, station link.Peer, held *hub.Journal, fresh []journal.Entry, nowMs int64) error {
	err := tx.ExecEach(ctx, `
		INSERT INTO fact (tenant, station, epoch, seq, time_ms, offset_ms, kind, body, sum, received_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, len(fresh), func(i int) []any {
		e := &fresh[i]
		body := e.Body
		if body == nil {
			body = []byte{}
		}
		return []any{
			station.Tenant, station.Station, e.Epoch, e.Seq, e.TimeMs, e.OffsetMs, e.Kind, body, e.Sum[:], nowMs,
		}
	})
	if err != nil {
		return err
	}
	before := held.Durable
	last := &fresh[len(fresh)-1]
	held.Durable, held.Sum = last.Seq, last.Sum
	return tx.ExecOne(ctx, `
		UPDATE station
		SET durable_seq = $3, chain_sum = $4
		WHERE tenant = $1 AND id = $2 AND durable_seq = $5`,
		station.Tenant, station.Station, held.Durable, held.Sum[:], before)
}

func isIncident(err error) bool {
	var answer *wire.Error
	return errors.As(err, &answer) && (answer.Code == wire.CodeFork || answer.Code == wire.CodeChain)
}

// incident records an upload that was refused, once however often it is tried.
func incident(ctx context.Context, tx *store.Tx, station link.Peer, b *wire.Batch, err error, nowMs int64) error {
	var answer *wire.Error
	errors.As(err, &answer)
	_, err = tx.Exec(ctx, `
		INSERT INTO incident (tenant, station, kind, epoch, seq, detail, at_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`,
		station.Tenant, station.Station, answer.Code, b.Epoch, b.Entries[0].Seq, answer.Detail, nowMs)
	return err
}

// Fold implements hub.JournalStore (T4, second half).
func (s *Store) Fold(ctx context.Context, station link.Peer, most int, nowMs int64) (folded uint64, more bool, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		row, found, err := tx.Station(ctx, station.Tenant, station.Station)
		if err != nil {
			return err
		}
		if !found {
			return unknownStation(station)
		}
		folded = row.Folded
		facts, err := unfolded(ctx, tx, station, &row, most)
		if err != nil {
			return err
		}
		fold := foldTx{tx: tx, station: station, nowMs: nowMs}
		for i := range facts {
			if err := hub.FoldEntry(ctx, fold, station, &facts[i]); err != nil {
				return err
			}
			folded = facts[i].Seq
		}
		more = folded < row.Durable
		if folded == row.Folded {
			return nil
		}
		return tx.ExecOne(ctx, `
			UPDATE station
			SET folded_seq = $3
			WHERE tenant = $1 AND id = $2 AND folded_seq = $4`,
			station.Tenant, station.Station, folded, row.Folded)
	})
	return folded, more, err
}

func unfolded(ctx context.Context, tx *store.Tx, station link.Peer, row *store.Station, most int) ([]journal.Entry, error) {
	if row.Folded == row.Durable {
		return nil, nil
	}
	return store.List(ctx, tx, `
		SELECT epoch, seq, time_ms, offset_ms, kind, body
		FROM fact
		WHERE tenant = $1 AND station = $2 AND epoch = $3 AND seq > $4
		ORDER BY seq
		LIMIT $5`, []any{station.Tenant, station.Station, row.Epoch, row.Folded, most},
		func(scan store.Scan, e *journal.Entry) error {
			return scan(&e.Epoch, &e.Seq, &e.TimeMs, &e.OffsetMs, &e.Kind, &e.Body)
		})
}

// A foldTx is hub.FoldTx inside a transaction.
type foldTx struct {
	tx      *store.Tx
	station link.Peer
	nowMs   int64
}

var _ hub.FoldTx = foldTx{}

func (f foldTx) Ticket(ctx context.Context, id ticket.TicketID) (hub.Row, bool, error) {
	row, found, err := readRow(ctx, f.tx, f.station.Tenant, id, f.tx.Dialect.Update)
	return row.Row, found, err
}

func (f foldTx) SetRight(ctx context.Context, id ticket.TicketID, r hub.Right) error {
	return f.tx.ExecOne(ctx, `
		UPDATE ticket
		SET e_state = $3, e_used = $4, e_inside = $5
		WHERE tenant = $1 AND id = $2 AND e_gen = $6`,
		f.station.Tenant, id, r.State, r.Used, inside(r), r.Gen)
}

func inside(r hub.Right) int {
	if r.Inside {
		return 1
	}
	return 0
}

func (f foldTx) Conflict(ctx context.Context, at hub.Place, id ticket.TicketID, why hub.ConflictReason) error {
	_, err := f.tx.Exec(ctx, `
		INSERT INTO conflict (tenant, station, epoch, seq, ticket, reason, at_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`,
		at.Station.Tenant, at.Station.Station, at.Epoch, at.Seq, id, why, f.nowMs)
	return err
}

func (f foldTx) DeadLetter(ctx context.Context, at hub.Place, why hub.DeadReason) error {
	_, err := f.tx.Exec(ctx, `
		INSERT INTO dead_letter (tenant, station, epoch, seq, reason, at_ms)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`,
		at.Station.Tenant, at.Station.Station, at.Epoch, at.Seq, why, f.nowMs)
	return err
}
