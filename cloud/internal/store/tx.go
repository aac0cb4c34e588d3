package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// ErrConflict is returned when a row is not as a conditional change expects it.
var ErrConflict = errors.New("store: the row has changed")

// A Scan copies the columns of the present row, as sql.Rows.Scan does.
type Scan func(dest ...any) error

// A Tx is a transaction under way. It is used by one goroutine.
type Tx struct {
	raw     *sql.Tx
	Dialect Dialect
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := tx.raw.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("execute: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("execute: %w", err)
	}
	return n, nil
}

// ExecOne runs a statement that must change exactly one row; ErrConflict otherwise.
func (tx *Tx) ExecOne(ctx context.Context, query string, args ...any) error {
	n, err := tx.Exec(ctx, query, args...)
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: %d rows changed, want 1", ErrConflict, n)
	}
	return err
}

// Row runs a query of at most one row and reports whether there was one.
func (tx *Tx) Row(ctx context.Context, query string, args []any, dest ...any) (bool, error) {
	err := tx.raw.QueryRowContext(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("query: %w", err)
	}
	return true, nil
}

// Rows runs a query and calls each with every row.
func (tx *Tx) Rows(ctx context.Context, query string, args []any, each func(Scan) error) error {
	rows, err := tx.raw.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return fmt.Errorf("query: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	return nil
}

// List runs a query and collects what one reads of each row.
func List[T any](ctx context.Context, tx *Tx, query string, args []any, one func(Scan, *T) error) ([]T, error) {
	var out []T
	err := tx.Rows(ctx, query, args, func(row Scan) error {
		var v T
		if err := one(row, &v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	})
	return out, err
}
