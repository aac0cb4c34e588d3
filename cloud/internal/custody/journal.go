package custody

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
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
		refused = nil
		held, ended, err := s.journal(ctx, tx, station, b.Epoch)
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
			if err := advance(ctx, tx, station, &held, ended, uint64(len(fresh))); err != nil {
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

// journal reads what is held of a station's journal of an epoch, locked: of an ended one, where there is
// such, else of the present one.
func (s *Store) journal(ctx context.Context, tx *store.Tx, station link.Peer, epoch uint32) (held hub.Journal, ended bool, err error) {
	row, found, err := tx.Station(ctx, station.Tenant, station.Station)
	if err != nil {
		return held, false, err
	}
	if !found || row.Status == store.StationNew {
		return held, false, unknownStation(station)
	}
	e := store.EndedEpoch{Epoch: row.Epoch, ChainKey: row.ChainKey, Sum: row.Sum, Durable: row.Durable, Folded: row.Folded}
	if epoch != row.Epoch {
		all, err := tx.EndedEpochs(ctx, station.Tenant, station.Station)
		if err != nil {
			return held, false, err
		}
		if i := slices.IndexFunc(all, func(e store.EndedEpoch) bool { return e.Epoch == epoch }); i >= 0 {
			e, ended = all[i], true
		}
	}
	key, err := s.unseal(station.Tenant, e.ChainKey, ChainKeyPlace(station, e.Epoch))
	if err != nil {
		return held, false, fmt.Errorf("chain key of %s: %w", station.Station, err)
	}
	return hub.Journal{Epoch: e.Epoch, Durable: e.Durable, Folded: e.Folded, Sum: e.Sum, Key: key}, ended, nil
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

// keep stores new facts and moves held behind them.
func keep(ctx context.Context, tx *store.Tx, station link.Peer, held *hub.Journal, fresh []journal.Entry, nowMs int64) error {
	err := tx.ExecAllRows(ctx, `
		INSERT INTO fact (tenant, station, epoch, seq, time_ms, offset_ms, kind, body, sum, received_ms, ticket)
		SELECT r.c1, r.c2, r.c3, r.c4, r.c5, r.c6, r.c7, r.c8, r.c9, r.c10, r.c11
		FROM {{rows}}`, factKinds(), len(fresh), func(i int) []any {
		e := &fresh[i]
		body := e.Body
		if body == nil {
			body = []byte{}
		}
		return []any{
			station.Tenant, station.Station, e.Epoch, e.Seq, e.TimeMs, e.OffsetMs, e.Kind, body, e.Sum[:], nowMs, ticketOf(e),
		}
	})
	if err != nil {
		return err
	}
	last := &fresh[len(fresh)-1]
	held.Durable, held.Sum = last.Seq, last.Sum
	return nil
}

func factKinds() []store.Kind {
	const i, b = store.Int, store.Bytes
	return []store.Kind{i, i, i, i, i, i, i, b, b, i, i}
}

// advance writes down what is held after n more facts.
func advance(ctx context.Context, tx *store.Tx, station link.Peer, held *hub.Journal, ended bool, n uint64) error {
	if ended {
		return tx.ExecOne(ctx, `
			UPDATE ended_epoch
			SET durable_seq = $4, chain_sum = $5
			WHERE tenant = $1 AND station = $2 AND epoch = $3 AND durable_seq = $6`,
			station.Tenant, station.Station, held.Epoch, held.Durable, held.Sum[:], held.Durable-n)
	}
	return tx.ExecOne(ctx, `
		UPDATE station
		SET durable_seq = $3, chain_sum = $4
		WHERE tenant = $1 AND id = $2 AND durable_seq = $5`,
		station.Tenant, station.Station, held.Durable, held.Sum[:], held.Durable-n)
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
		folded, more = row.Folded, false
		if worked, err := foldEnded(ctx, tx, station, most, nowMs); err != nil || worked {
			more = true // look again, at the next epoch
			return err
		}
		to, err := foldSome(ctx, &folding{tx: tx, station: station, nowMs: nowMs}, row.Epoch, row.Folded, row.Durable, most)
		if err != nil {
			return err
		}
		folded, more = to, to < row.Durable
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

// foldEnded folds facts of machines that were replaced, and reports whether there were any.
func foldEnded(ctx context.Context, tx *store.Tx, station link.Peer, most int, nowMs int64) (bool, error) {
	all, err := tx.EndedEpochs(ctx, station.Tenant, station.Station)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(all, func(e store.EndedEpoch) bool { return e.Folded < e.Durable })
	if i < 0 {
		return false, nil
	}
	e := &all[i]
	to, err := foldSome(ctx, &folding{tx: tx, station: station, nowMs: nowMs, ended: true}, e.Epoch, e.Folded, e.Durable, most)
	if err != nil {
		return false, err
	}
	return true, tx.ExecOne(ctx, `
		UPDATE ended_epoch
		SET folded_seq = $4
		WHERE tenant = $1 AND station = $2 AND epoch = $3 AND folded_seq = $5`,
		station.Tenant, station.Station, e.Epoch, to, e.Folded)
}
