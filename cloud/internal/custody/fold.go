package custody

import (
	"context"
	"math"
	"slices"

	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/journal"
	"yipiao/sync/link"
	"yipiao/sync/ticket"
)

// foldSome folds at most most facts of an epoch behind folded, and returns the last one.
func foldSome(ctx context.Context, f *folding, epoch uint32, folded, durable uint64, most int) (uint64, error) {
	if folded == durable {
		return folded, nil
	}
	facts, err := unfolded(ctx, f.tx, f.station, epoch, folded, most)
	if err != nil {
		return folded, err
	}
	if err := f.load(ctx, facts); err != nil {
		return folded, err
	}
	for i := range facts {
		if err := hub.FoldEntry(ctx, f, f.station, &facts[i]); err != nil {
			return folded, err
		}
		folded = facts[i].Seq
	}
	return folded, f.store(ctx)
}

func unfolded(ctx context.Context, tx *store.Tx, station link.Peer, epoch uint32, folded uint64, most int) ([]journal.Entry, error) {
	return store.List(ctx, tx, `
		SELECT epoch, seq, time_ms, offset_ms, kind, body
		FROM fact
		WHERE tenant = $1 AND station = $2 AND epoch = $3 AND seq > $4
		ORDER BY seq
		LIMIT $5`, []any{station.Tenant, station.Station, epoch, folded, most},
		func(scan store.Scan, e *journal.Entry) error {
			return scan(&e.Epoch, &e.Seq, &e.TimeMs, &e.OffsetMs, &e.Kind, &e.Body)
		})
}

// A folding is hub.FoldTx over the tickets of a run of facts: load reads and locks them in one
// statement, the rules change them in memory, and store writes what has changed, each table in one
// statement. It is used for one run.
type folding struct {
	tx      *store.Tx
	station link.Peer
	nowMs   int64
	ended   bool // facts of a machine that was replaced: news to the present one

	rows      map[ticket.TicketID]*foldedRow
	changed   []*foldedRow // in the order of their first change
	conflicts []noted
	dead      []noted
}

var _ hub.FoldTx = (*folding)(nil)

// A foldedRow is a ticket with how often facts have changed it.
type foldedRow struct {
	hub.Row
	times int
}

// A noted fact needs a person.
type noted struct {
	at     hub.Place
	ticket ticket.TicketID
	reason string
}

// load reads the tickets that the facts are about. The station's own are locked in order of their ids,
// behind the feed's head, as everybody does who locks several; others are only looked at.
func (f *folding) load(ctx context.Context, facts []journal.Entry) error {
	f.rows = make(map[ticket.TicketID]*foldedRow)
	var ids []ticket.TicketID
	for i := range facts {
		if id := ticketOf(&facts[i]); id.Valid && ticket.FactKind(facts[i].Kind) != ticket.FactRefused {
			ids = append(ids, ticket.TicketID(id.Int64))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if _, err := readHead(ctx, f.tx, f.station, f.tx.Dialect.Share); err != nil {
		return err
	}
	// + 0 keeps a planner without statistics from reading the whole feed by its index.
	if err := f.read(ctx, ids, ` AND t.feed + 0 = $3 ORDER BY t.id `+f.tx.Dialect.UpdateOf("t"), f.station.Station); err != nil {
		return err
	}
	others := slices.DeleteFunc(ids, func(id ticket.TicketID) bool { return f.rows[id] != nil })
	if len(others) == 0 {
		return nil
	}
	return f.read(ctx, others, ` AND t.feed <> $3`, f.station.Station)
}

func (f *folding) read(ctx context.Context, ids []ticket.TicketID, and string, args ...any) error {
	return f.tx.Rows(ctx, `
		SELECT `+rowColumns+`
		FROM ticket t
		WHERE t.tenant = $1 AND `+f.tx.Dialect.Among("t.id", "$2")+and,
		append([]any{f.station.Tenant, store.Numbers(f.tx.Dialect, ids)}, args...), func(scan store.Scan) error {
			r := new(foldedRow)
			if err := scanRow(scan, f.station.Tenant, &r.Row); err != nil {
				return err
			}
			f.rows[r.Ticket.ID] = r
			return nil
		})
}

// Ticket implements hub.FoldTx.
func (f *folding) Ticket(_ context.Context, id ticket.TicketID) (hub.Row, bool, error) {
	if id > math.MaxInt64 { // no database has such a number; a fact may
		return hub.Row{}, false, nil
	}
	r, found := f.rows[id]
	if !found {
		return hub.Row{}, false, nil
	}
	return r.Row, true, nil
}

// SetRight implements hub.FoldTx.
func (f *folding) SetRight(_ context.Context, id ticket.TicketID, right hub.Right) error {
	r := f.rows[id]
	r.Right = right
	if r.times++; r.times == 1 {
		f.changed = append(f.changed, r)
	}
	return nil
}

// Conflict implements hub.FoldTx.
func (f *folding) Conflict(_ context.Context, at hub.Place, id ticket.TicketID, why hub.ConflictReason) error {
	f.conflicts = append(f.conflicts, noted{at, id, string(why)})
	return nil
}

// DeadLetter implements hub.FoldTx.
func (f *folding) DeadLetter(_ context.Context, at hub.Place, why hub.DeadReason) error {
	f.dead = append(f.dead, noted{at: at, reason: string(why)})
	return nil
}

func (f *folding) store(ctx context.Context) error {
	if err := f.storeRights(ctx); err != nil {
		return err
	}
	const i, t = store.Int, store.Text
	_, err := f.tx.ExecRows(ctx, `
		INSERT INTO conflict (tenant, station, epoch, seq, ticket, reason, at_ms)
		SELECT r.c1, r.c2, r.c3, r.c4, r.c5, r.c6, r.c7
		FROM {{rows}}
		WHERE true
		ON CONFLICT DO NOTHING`, []store.Kind{i, i, i, i, i, t, i}, len(f.conflicts), func(n int) []any {
		c := &f.conflicts[n]
		return []any{c.at.Station.Tenant, c.at.Station.Station, c.at.Epoch, c.at.Seq, c.ticket, c.reason, f.nowMs}
	})
	if err != nil {
		return err
	}
	_, err = f.tx.ExecRows(ctx, `
		INSERT INTO dead_letter (tenant, station, epoch, seq, reason, at_ms)
		SELECT r.c1, r.c2, r.c3, r.c4, r.c5, r.c6
		FROM {{rows}}
		WHERE true
		ON CONFLICT DO NOTHING`, []store.Kind{i, i, i, i, t, i}, len(f.dead), func(n int) []any {
		d := &f.dead[n]
		return []any{d.at.Station.Tenant, d.at.Station.Station, d.at.Epoch, d.at.Seq, d.reason, f.nowMs}
	})
	return err
}

// storeRights changes neither version nor position of the station's own tickets: no echo. What the facts
// of a machine that was replaced change is a new version each time, pending.
func (f *folding) storeRights(ctx context.Context) error {
	const i = store.Int
	return f.tx.ExecAllRows(ctx, `
		UPDATE ticket
		SET e_state = r.c4, e_used = r.c5, e_inside = r.c6, ver = ticket.ver + r.c7,
			seq = CASE WHEN r.c7 > 0 THEN NULL ELSE ticket.seq END
		FROM {{rows}}
		WHERE ticket.tenant = r.c1 AND ticket.id = r.c2 AND ticket.e_gen = r.c3`,
		[]store.Kind{i, i, i, i, i, i, i}, len(f.changed), func(n int) []any {
			c := f.changed[n]
			e, versions := &c.Right, 0
			if f.ended {
				versions = c.times
			}
			return []any{f.station.Tenant, c.Ticket.ID, e.Gen, e.State, e.Used, inside(e), versions}
		})
}

func inside(r *hub.Right) int {
	if r.Inside {
		return 1
	}
	return 0
}
