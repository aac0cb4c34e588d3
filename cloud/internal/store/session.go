package store

import (
	"context"
	"fmt"
	"slices"

	"yipiao/sync/ticket"
)

// The numbers under which named states are stored: their places in these lists.
func sessionStatuses() []ticket.SessionStatus {
	return []ticket.SessionStatus{ticket.SessionPlanned, ticket.SessionCancelled}
}

func checkModes() []ticket.CheckMode {
	return []ticket.CheckMode{ticket.CheckModeLAN, ticket.CheckModeOnline}
}

func reentries() []ticket.Reentry {
	return []ticket.Reentry{ticket.ReentryNone, ticket.ReentryAfterExit, ticket.ReentryFree}
}

// number is the place of a state in its list; ErrConflict for one that has none.
func number[T ~string](list []T, v T) (int, error) {
	if n := slices.Index(list, v); n >= 0 {
		return n, nil
	}
	return 0, fmt.Errorf("%w: state %q has no number", ErrConflict, v)
}

// named is the state with a number; the CHECKs of the schema keep it in range.
func named[T ~string](list []T, n int) T {
	if n < 0 || n >= len(list) {
		return ""
	}
	return list[n]
}

// A Session is a session as it is planned.
type Session struct {
	ticket.Session
	MaxEntries uint16
}

const sessionColumns = `
	s.id, s.code, s.kind, s.name, s.hall, h.name, s.start_ms, s.end_ms, s.admit_from_ms, s.admit_to_ms,
	s.status, s.mode, s.reentry, s.offline_signed_entry, s.max_entries`

func scanSession(row Scan, s *Session) error {
	var status, mode, reentry int
	err := row(&s.ID, &s.Code, &s.Type, &s.Name, &s.Hall, &s.HallName, &s.StartMs, &s.EndMs, &s.AdmitFromMs, &s.AdmitToMs,
		&status, &mode, &reentry, &s.SignedEntry, &s.MaxEntries)
	s.Status, s.Mode = named(sessionStatuses(), status), named(checkModes(), mode)
	s.Reentry = named(reentries(), reentry)
	return err
}

// AddSession inserts a session under the next id, which it sets.
func (tx *Tx) AddSession(ctx context.Context, tenant ticket.TenantID, s *Session, nowMs int64) error {
	status, err := number(sessionStatuses(), s.Status)
	if err != nil {
		return err
	}
	mode, err := number(checkModes(), s.Mode)
	if err != nil {
		return err
	}
	reentry, err := number(reentries(), s.Reentry)
	if err != nil {
		return err
	}
	if err := tx.numbering(ctx, tenant); err != nil {
		return err
	}
	if s.ID == 0 {
		var last ticket.SessionID
		_, err := tx.Row(ctx, `SELECT coalesce(max(id), 0) FROM session WHERE tenant = $1`, []any{tenant}, &last)
		if err != nil {
			return err
		}
		s.ID = NextID(last, nowMs)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO session (tenant, id, code, kind, name, hall, start_ms, end_ms, admit_from_ms, admit_to_ms,
			status, mode, reentry, offline_signed_entry, max_entries)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		tenant, s.ID, s.Code, s.Type, s.Name, s.Hall, s.StartMs, s.EndMs, s.AdmitFromMs, s.AdmitToMs,
		status, mode, reentry, bit(s.SignedEntry), s.MaxEntries)
	return err
}

// bit stores a truth value in a small number: engines differ in what else they take for one.
func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// SessionsBetween returns the sessions that start at fromMs or later and before toMs.
func (tx *Tx) SessionsBetween(ctx context.Context, tenant ticket.TenantID, fromMs, toMs int64) ([]Session, error) {
	return List(ctx, tx, `
		SELECT `+sessionColumns+`
		FROM session s
		JOIN hall h ON h.tenant = s.tenant AND h.id = s.hall
		WHERE s.tenant = $1 AND s.start_ms >= $2 AND s.start_ms < $3
		ORDER BY s.start_ms, s.id`, []any{tenant, fromMs, toMs}, scanSession)
}

// SessionsOf returns the sessions of a venue.
func (tx *Tx) SessionsOf(ctx context.Context, tenant ticket.TenantID, venue VenueID) ([]Session, error) {
	return List(ctx, tx, `
		SELECT `+sessionColumns+`
		FROM session s
		JOIN hall h ON h.tenant = s.tenant AND h.id = s.hall
		WHERE s.tenant = $1 AND h.venue = $2
		ORDER BY s.id`, []any{tenant, venue}, scanSession)
}

// AddSeats opens the seats of a session for sale.
func (tx *Tx) AddSeats(ctx context.Context, tenant ticket.TenantID, session ticket.SessionID, seats []string) error {
	return tx.ExecAllRows(ctx, `
		INSERT INTO seat (tenant, session, seat, state)
		SELECT r.c1, r.c2, r.c3, 0
		FROM {{rows}}`, []Kind{Int, Int, Text}, len(seats), func(i int) []any {
		return []any{tenant, session, seats[i]}
	})
}

// FreeSeats returns the seats of a session that are for sale.
func (tx *Tx) FreeSeats(ctx context.Context, tenant ticket.TenantID, session ticket.SessionID) ([]string, error) {
	return List(ctx, tx, `
		SELECT seat
		FROM seat
		WHERE tenant = $1 AND session = $2 AND state = 0
		ORDER BY seat`, []any{tenant, session}, func(row Scan, s *string) error { return row(s) })
}

// A Taking is a seat that is sold with a ticket.
type Taking struct {
	Session ticket.SessionID
	Seat    string
	Ticket  ticket.TicketID
}

// TakeSeats marks free seats as sold. ErrConflict when one is not free.
func (tx *Tx) TakeSeats(ctx context.Context, tenant ticket.TenantID, seats []Taking) error {
	return tx.ExecAllRows(ctx, `
		UPDATE seat
		SET state = 1, ticket = r.c4
		FROM {{rows}}
		WHERE seat.tenant = r.c1 AND seat.session = r.c2 AND seat.seat = r.c3 AND seat.state = 0`,
		[]Kind{Int, Int, Text, Int}, len(seats), func(i int) []any {
			return []any{tenant, seats[i].Session, seats[i].Seat, seats[i].Ticket}
		})
}
