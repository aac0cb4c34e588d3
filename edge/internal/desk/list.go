package desk

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"yipiao/sync/ticket"
)

// MaxRows is the most rows that one answer holds.
const MaxRows = 200

// A Filter narrows the history of checks. Zero fields do not narrow.
type Filter struct {
	FromMs, ToMs int64 // FromMs <= time < ToMs
	Lane, Device string
	Outcome      ticket.Outcome
	Reason       ticket.Reason
	Passage      Passage
	Session      ticket.SessionID
	// Text is searched in the masked text: every word must occur.
	Text string
}

// A conds collects the conditions of a query and their arguments.
type conds struct {
	where []string
	args  []any
}

func (c *conds) add(when bool, cond string, args ...any) {
	if when {
		c.where, c.args = append(c.where, cond), append(c.args, args...)
	}
}

// span narrows to a span of time.
func (c *conds) span(fromMs, toMs int64) {
	c.add(fromMs != 0, "at_ms >= ?", fromMs)
	c.add(toMs != 0, "at_ms < ?", toMs)
}

func (c *conds) after(at Cursor) {
	c.add(at != Cursor{}, "(at_ms, seq) < (?, ?)", at.AtMs, int64(at.Seq))
}

func (c *conds) String() string {
	if len(c.where) == 0 {
		return "TRUE"
	}
	return strings.Join(c.where, "\n\t\t\tAND ")
}

func (f *Filter) conds() conds {
	var c conds
	c.span(f.FromMs, f.ToMs)
	c.add(f.Lane != "", "lane = ?", f.Lane)
	c.add(f.Device != "", "device = ?", f.Device)
	c.add(f.Outcome != "", "outcome = ?", f.Outcome)
	c.add(f.Reason != "", "reason = ?", f.Reason)
	c.add(f.Passage != PassageNone, "passage = ?", f.Passage)
	c.add(f.Session != 0, "session = ?", number(f.Session))
	s := newSearch(f.Text)
	c.add(len(s.match) > 0, "seq IN (SELECT rowid FROM checked_text WHERE checked_text MATCH ?)", strings.Join(s.match, " "))
	for _, term := range s.like {
		c.add(true, `text LIKE ? ESCAPE '\'`, term)
	}
	return c
}

// A List is one page of the history: newest first.
type List struct {
	Checks []Check
	Next   Cursor // where the following page begins; zero on the last
}

// Checks returns decisions that pass the filter, from a place on, at most rows (at most MaxRows).
// Counted refusals are one row with their number; the end of a passage stands in its admission.
func (d *Desk) Checks(ctx context.Context, f Filter, at Cursor, rows int) (List, error) {
	c := f.conds()
	c.add(true, "kind NOT IN (?, ?)", ticket.FactCustodyReleased, ticket.FactCustodyUsed)
	c.after(at)
	return d.list(ctx, c, rows)
}

func (d *Desk) list(ctx context.Context, c conds, rows int) (List, error) {
	rows = min(max(rows, 1), MaxRows)
	var l List
	err := d.ask(ctx, func(ctx context.Context, db *file) (err error) {
		l.Checks, err = query(ctx, db, `
		SELECT `+checkColumns+`
		FROM checked
		WHERE `+c.String()+`
		ORDER BY at_ms DESC, seq DESC
		LIMIT ?`, append(c.args, rows+1), scanCheck)
		return err
	})
	if len(l.Checks) > rows {
		l.Checks = l.Checks[:rows]
		last := &l.Checks[rows-1]
		l.Next = Cursor{last.AtMs, last.Seq}
	}
	return l, err
}

// query collects the rows of a question.
func query[T any](ctx context.Context, db *file, text string, args []any, one func(*sql.Rows) (T, error)) ([]T, error) {
	rows, err := db.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("desk: ask: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []T
	for rows.Next() {
		v, err := one(rows)
		if err != nil {
			return nil, fmt.Errorf("desk: read an answer: %w", err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("desk: ask: %w", err)
	}
	return out, nil
}

// Lanes and Devices list what stands in the kept history, by name, at most MaxRows: the choices of a form.
func (d *Desk) Lanes(ctx context.Context) ([]string, error) { return d.choices(ctx, "lane") }

// Devices is described at Lanes.
func (d *Desk) Devices(ctx context.Context) ([]string, error) { return d.choices(ctx, "device") }

func (d *Desk) choices(ctx context.Context, column string) (out []string, err error) {
	err = d.ask(ctx, func(ctx context.Context, db *file) (err error) {
		out, err = query(ctx, db, choiceOf(column), []any{MaxRows}, func(r *sql.Rows) (s string, err error) { return s, r.Scan(&s) })
		return err
	})
	return out, err
}

// choiceOf lists the values of a column with an index by jumping from one to the next.
func choiceOf(column string) string {
	return strings.ReplaceAll(`
		WITH RECURSIVE v(x) AS (
			SELECT min(COL) FROM checked WHERE COL > ''
			UNION ALL
			SELECT (SELECT min(COL) FROM checked WHERE COL > x) FROM v WHERE x IS NOT NULL
		)
		SELECT x FROM v WHERE x IS NOT NULL LIMIT ?`, "COL", column)
}
