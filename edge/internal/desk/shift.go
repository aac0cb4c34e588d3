package desk

import (
	"context"

	"yipiao/sync/ticket"
)

// States of the operator actions that open and close a shift; the subject is its lane, ShiftAll for the
// whole station, and the note's text the account.
const (
	ShiftOpened = "shift_opened"
	ShiftClosed = "shift_closed"
	ShiftAll    = "station"
)

// A Shift is a time that a person answers for.
type Shift struct {
	Lane     string // "" for the whole station
	By       string // the account that opened it
	FromMs   int64
	ToMs     int64  // 0 while it is open
	ClosedBy string // "" when the next one on the lane ended it, or while it is open
}

// Shifts returns the newest shifts, newest first, at most rows (at most MaxRows).
func (d *Desk) Shifts(ctx context.Context, rows int) ([]Shift, error) {
	rows = min(max(rows, 1), MaxRows)
	var c conds
	c.add(true, "kind = ?", ticket.FactOperatorAction)
	c.add(true, "state IN (?, ?)", ShiftOpened, ShiftClosed)
	var events []Event
	err := d.ask(ctx, func(ctx context.Context, db *file) (err error) {
		events, err = listEvents(ctx, db, c, "DESC", 2*rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	shifts := pair(events)
	return shifts[:min(rows, len(shifts))], nil
}

// pair makes shifts of their ends, which come newest first. A shift that was not closed ends when the
// next one of its lane opens.
func pair(events []Event) []Shift {
	end := make(map[string]*Event)
	var out []Shift
	for i := range events {
		e := &events[i]
		if e.State == ShiftOpened {
			s := Shift{Lane: e.Subject, By: e.Note, FromMs: e.AtMs}
			if s.Lane == ShiftAll {
				s.Lane = ""
			}
			if last := end[e.Subject]; last != nil {
				s.ToMs = last.AtMs
				if last.State == ShiftClosed {
					s.ClosedBy = last.Note
				}
			}
			out = append(out, s)
		}
		end[e.Subject] = e
	}
	return out
}
