package custody

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// Errors of Decide.
var (
	// ErrNotReplaced is returned for a station whose machine was never replaced, or was decided about.
	ErrNotReplaced = errors.New("custody: no machine of the station waits for a decision")
	// ErrUnfolded is returned while facts of the old machine are stored and not folded.
	ErrUnfolded = errors.New("custody: facts of the old machine are still to be folded")
)

// Machine implements hub.MachineStore.
func (s *Store) Machine(ctx context.Context, station link.Peer) (hub.Machine, error) {
	var m hub.Machine
	err := s.db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		found, err := tx.Row(ctx, `
			SELECT coalesce(cert_serial, ''), journal_epoch
			FROM station
			WHERE tenant = $1 AND id = $2`, []any{station.Tenant, station.Station}, &m.Serial, &m.Epoch)
		if err == nil && !found {
			err = unknownStation(station)
		}
		return err
	})
	return m, err
}

// Regrant implements hub.MachineStore.
func (s *Store) Regrant(ctx context.Context, station link.Peer, d hub.Decision, after ticket.TicketID, most int) (hub.Regranted, error) {
	var out hub.Regranted
	err := s.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		out = hub.Regranted{Last: after}
		head, err := readHead(ctx, tx, station, tx.Dialect.Share)
		if err != nil {
			return err
		}
		rows, err := strandedRows(ctx, tx, station, head.Lost, after, most+1)
		if err != nil {
			return err
		}
		if len(rows) > most {
			rows, out.More = rows[:most], true
		}
		return regrant(ctx, tx, rows, d, &out)
	})
	if err == nil && out.Rights > 0 {
		s.Ring(station)
	}
	return out, err
}

// A stranded row comes with the times of its session.
type stranded struct {
	hub.Row
	session ticket.Session
}

func strandedRows(ctx context.Context, tx *store.Tx, feed link.Peer, lost uint64, after ticket.TicketID, most int) ([]stranded, error) {
	return store.List(ctx, tx, `
		SELECT `+rowColumns+`, s.admit_from_ms, s.end_ms
		FROM ticket t
		JOIN session s ON s.tenant = t.tenant AND s.id = t.session
		WHERE t.tenant = $1 AND t.feed = $2 AND t.id > $3 AND t.e_state IN ($4, $5) AND t.e_granted_seq <= $6
		ORDER BY t.id
		LIMIT $7 `+tx.Dialect.UpdateOf("t"), []any{feed.Tenant, feed.Station, after, hub.Granted, hub.Recalled, lost, most},
		func(scan store.Scan, r *stranded) error {
			return scanRow(scan, feed.Tenant, &r.Row, &r.session.AdmitFromMs, &r.session.EndMs)
		})
}

func regrant(ctx context.Context, tx *store.Tx, rows []stranded, d hub.Decision, out *hub.Regranted) error {
	var changed, uncertain []*hub.Row
	for i := range rows {
		r := &rows[i]
		out.Last = r.Ticket.ID
		right, ok := hub.Regrant(r.Right)
		if !ok {
			continue
		}
		if d.Uncertain(r.Right, &r.session) {
			uncertain = append(uncertain, &r.Row)
		}
		r.Right = right
		changed = append(changed, &r.Row)
	}
	out.Rights, out.Uncertain = len(changed), len(uncertain)
	const i = store.Int
	_, err := tx.ExecRows(ctx, `
		INSERT INTO uncertain_right (tenant, ticket, gen, station, from_ms, to_ms)
		SELECT r.c1, r.c2, r.c3, r.c4, r.c5, r.c6
		FROM {{rows}}
		WHERE true
		ON CONFLICT DO NOTHING`, []store.Kind{i, i, i, i, i, i}, len(uncertain), func(n int) []any {
		r := uncertain[n]
		return []any{r.Feed.Tenant, r.Ticket.ID, r.Right.Gen, r.Feed.Station, d.FromMs, d.ToMs}
	})
	if err != nil {
		return err
	}
	return touch(ctx, tx, changed...)
}

// A Case is a machine that was replaced, as far as it is known: the oldest one that waits for a
// decision, else the last. Times are Unix milliseconds.
type Case struct {
	Epoch     uint32 // of its journal
	Durable   uint64 // facts that are here
	Folded    uint64
	FromMs    int64 // time of the last fact that is folded; 0 for none
	EndedMs   int64 // when the present machine took the last one's place
	Undecided bool
	Stranded  int // rights that nobody can exercise
}

// CaseOf returns the case of a station, or ErrNotReplaced when its machine was never replaced.
func (s *Store) CaseOf(ctx context.Context, station link.Peer) (Case, error) {
	var c Case
	err := s.db.Read(ctx, func(ctx context.Context, tx *store.Tx) error {
		ended, err := tx.EndedEpochs(ctx, station.Tenant, station.Station)
		if err == nil && len(ended) == 0 {
			err = fmt.Errorf("%w: %s", ErrNotReplaced, station.Station)
		}
		if err != nil {
			return err
		}
		last := len(ended) - 1
		i := slices.IndexFunc(ended, func(e store.EndedEpoch) bool { return e.State == store.EpochUndecided })
		c.Undecided = i >= 0
		if i < 0 {
			i = last
		}
		e := &ended[i]
		c.Epoch, c.Durable, c.Folded, c.EndedMs = e.Epoch, e.Durable, e.Folded, ended[last].EndedMs
		if _, err := tx.Row(ctx, `
			SELECT time_ms
			FROM fact
			WHERE tenant = $1 AND station = $2 AND epoch = $3 AND seq = $4`,
			[]any{station.Tenant, station.Station, e.Epoch, e.Folded}, &c.FromMs); err != nil {
			return err
		}
		_, err = tx.Row(ctx, `
			SELECT count(*)
			FROM ticket t
			JOIN feed_head h ON h.tenant = t.tenant AND h.feed = t.feed
			WHERE t.tenant = $1 AND t.feed = $2 AND t.e_state IN ($3, $4) AND t.e_granted_seq <= h.lost_pos`,
			[]any{station.Tenant, station.Station, hub.Granted, hub.Recalled}, &c.Stranded)
		return err
	})
	return c, err
}

// Decide writes down what an operator says of the machines that were replaced and not decided about:
// that their journals are complete, which needs all of it folded, or that they are lost. It returns the
// decision to be carried out with Regrant, which may be repeated after a failure.
func (s *Store) Decide(ctx context.Context, station link.Peer, lost bool, nowMs int64) (hub.Decision, error) {
	c, err := s.CaseOf(ctx, station)
	if err != nil {
		return hub.Decision{}, err
	}
	d := hub.Decision{Lost: lost, FromMs: c.FromMs, ToMs: c.EndedMs}
	if !c.Undecided && c.Stranded == 0 {
		return d, fmt.Errorf("%w: %s", ErrNotReplaced, station.Station)
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		ended, err := tx.EndedEpochs(ctx, station.Tenant, station.Station)
		if err != nil {
			return err
		}
		for i := range ended {
			if err := decide(ctx, tx, station, &ended[i], lost, d, nowMs); err != nil {
				return err
			}
		}
		return nil
	})
	return d, err
}

func decide(ctx context.Context, tx *store.Tx, station link.Peer, e *store.EndedEpoch, lost bool, d hub.Decision, nowMs int64) error {
	if !lost && e.Folded < e.Durable {
		return fmt.Errorf("%w: epoch %d, %d of %d", ErrUnfolded, e.Epoch, e.Folded, e.Durable)
	}
	if e.State != store.EpochUndecided {
		return nil
	}
	to, kind := store.EpochComplete, "machine_replaced"
	if lost {
		to, kind = store.EpochLost, "machine_lost"
	}
	detail := fmt.Sprintf("journal epoch %d, last fact %d, nothing known from %d to %d", e.Epoch, e.Durable, d.FromMs, d.ToMs)
	if err := tx.AddIncident(ctx, station.Tenant, station.Station, kind, e.Epoch, e.Durable, detail, nowMs); err != nil {
		return err
	}
	return tx.SetEpochState(ctx, station.Tenant, station.Station, e.Epoch, to)
}
