package desk

import (
	"context"
	"database/sql"

	"yipiao/sync/ticket"
)

// StateUnreadable is the state of an event that stands for a fact whose body could not be read.
const StateUnreadable = "unreadable"

// An Event is something that happened to a device, the uplink, the clock or the station itself.
type Event struct {
	Seq     uint64
	AtMs    int64
	Kind    ticket.FactKind
	Subject string // device, lane or uplink concerned
	State   string // stable code
	Was     string // state before, "" if not told
	Note    string // technical remark, or the account that acted
	Value   int64  // milliseconds for a clock adjustment, else a count
}

// An EventFilter narrows the events. Zero fields do not narrow.
type EventFilter struct {
	FromMs, ToMs int64
	Kind         ticket.FactKind
	Subject      string
}

// Events returns events from a place on, newest first, at most rows (at most MaxRows), and where the next
// page begins, zero on the last.
func (d *Desk) Events(ctx context.Context, f EventFilter, at Cursor, rows int) (events []Event, next Cursor, err error) {
	rows = min(max(rows, 1), MaxRows)
	var c conds
	c.span(f.FromMs, f.ToMs)
	c.add(f.Kind != 0, "kind = ?", f.Kind)
	c.add(f.Subject != "", "subject = ?", f.Subject)
	c.after(at)
	err = d.ask(ctx, func(ctx context.Context, db *file) (err error) {
		events, err = listEvents(ctx, db, c, "DESC", rows+1)
		return err
	})
	if len(events) > rows {
		events = events[:rows]
		next = Cursor{events[rows-1].AtMs, events[rows-1].Seq}
	}
	return events, next, err
}

// listEvents reads events in an order, DESC or ASC.
func listEvents(ctx context.Context, db *file, c conds, order string, rows int) ([]Event, error) {
	return query(ctx, db, `
		SELECT seq, at_ms, kind, subject, state, was, note, value
		FROM event
		WHERE `+c.String()+`
		ORDER BY at_ms `+order+`, seq `+order+`
		LIMIT ?`, append(c.args, rows), func(r *sql.Rows) (e Event, err error) {
		return e, r.Scan(&e.Seq, &e.AtMs, &e.Kind, &e.Subject, &e.State, &e.Was, &e.Note, &e.Value)
	})
}

// Subjects returns the subjects of the kept events by name, at most MaxRows.
func (d *Desk) Subjects(ctx context.Context) (out []string, err error) {
	err = d.ask(ctx, func(ctx context.Context, db *file) (err error) {
		out, err = query(ctx, db, `SELECT DISTINCT subject FROM event ORDER BY subject LIMIT ?`, []any{MaxRows},
			func(r *sql.Rows) (s string, err error) { return s, r.Scan(&s) })
		return err
	})
	return out, err
}
