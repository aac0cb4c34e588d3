package desk

import (
	"context"
	"database/sql"
	"fmt"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// An applier writes facts into the rows of one transaction.
type applier struct {
	ctx                     context.Context
	src                     Source
	check, words, end, note *sql.Stmt
}

func newApplier(ctx context.Context, tx *sql.Tx, src Source) (*applier, error) {
	a := &applier{ctx: ctx, src: src}
	for _, s := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&a.check, `
			INSERT INTO checked (` + checkColumns + `, outcome, text)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&a.words, `INSERT INTO checked_text (rowid, text) VALUES (?, ?)`},
		{&a.end, `UPDATE checked SET passage = ?, passage_ms = ? WHERE seq = ? AND kind = ?`},
		{&a.note, `
			INSERT INTO event (seq, at_ms, kind, subject, state, was, note, value)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`},
	} {
		var err error
		if *s.to, err = tx.PrepareContext(ctx, s.query); err != nil { //nolint:sqlclosecheck // the transaction closes it
			return nil, fmt.Errorf("prepare: %w", err)
		}
	}
	return a, nil
}

// apply writes one fact. A fact whose body cannot be read becomes an event that says so.
func (a *applier) apply(e *journal.Entry) error {
	kind := ticket.FactKind(e.Kind)
	if kind.OfTicket() {
		var f ticket.Fact
		if f.Decode(e.Body) != nil {
			return a.event(e, &ticket.Note{Subject: "journal", State: StateUnreadable})
		}
		return a.fact(e, kind, &f)
	}
	var n ticket.Note
	if n.Decode(e.Body) != nil {
		return a.event(e, &ticket.Note{Subject: "journal", State: StateUnreadable})
	}
	if kind == ticket.FactRefusalsRepeated {
		c := Check{Kind: kind, Verdict: ticket.Verdict{Reason: ticket.Reason(n.State)}, Lane: n.Subject, Times: n.Count}
		return a.row(e, &c)
	}
	return a.event(e, &n)
}

// fact writes a decision, or joins the end of a passage to its admission.
func (a *applier) fact(e *journal.Entry, kind ticket.FactKind, f *ticket.Fact) error {
	c := newCheck(kind, f)
	if end, is := endings[kind]; is {
		res, err := a.end.ExecContext(a.ctx, end, e.TimeMs, int64(f.Of), ticket.FactEntryGranted)
		if err != nil {
			return fmt.Errorf("end of passage %d: %w", f.Of, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		c.Passage, c.EndedMs = end, e.TimeMs // its admission is no longer kept
		c.Verdict = ticket.Verdict{}
	}
	return a.row(e, &c)
}

func (a *applier) row(e *journal.Entry, c *Check) error {
	c.describe(a.src)
	v := &c.Verdict
	outcome := ""
	if v.Reason != "" {
		outcome = string(v.Outcome())
	}
	text := searchable(c.Seat, c.Holder, c.Order, c.Code, c.Show, c.Hall, c.Lane, c.Device)
	_, err := a.check.ExecContext(a.ctx, int64(e.Seq), e.TimeMs, c.Kind, v.Reason, v.N, v.Of, v.AtMs, v.Where,
		number(c.Ticket), number(c.Session), c.Lane, c.Device, c.Times, c.Passage, c.EndedMs,
		c.Seat, c.Holder, c.Order, c.Code, c.Show, c.Hall, outcome, text)
	if err == nil {
		_, err = a.words.ExecContext(a.ctx, int64(e.Seq), text)
	}
	if err != nil {
		return fmt.Errorf("write fact %d: %w", e.Seq, err)
	}
	return nil
}

func (a *applier) event(e *journal.Entry, n *ticket.Note) error {
	value := n.Value
	if value == 0 {
		value = n.Count
	}
	_, err := a.note.ExecContext(a.ctx, int64(e.Seq), e.TimeMs, e.Kind, n.Subject, n.State, n.Was, n.Text, value)
	if err != nil {
		return fmt.Errorf("write event %d: %w", e.Seq, err)
	}
	return nil
}
