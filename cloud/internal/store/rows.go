package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// rowsWord stands in a statement of ExecRows for the rows that it is run over.
const rowsWord = "{{rows}}"

// ExecRows runs one statement over n rows, whose columns args returns, and returns how many rows it
// changed. The statement names the table {{rows}}, which is r(c1, c2, …):
//
//	INSERT INTO seat (tenant, seat) SELECT r.c1, r.c2 FROM {{rows}}
//
// PostgreSQL runs it once over all rows, because there the cost is per statement; SQLite once for each
// row. It must therefore not matter whether rows see each other's changes.
func (tx *Tx) ExecRows(ctx context.Context, query string, kinds []Kind, n int, args func(i int) []any) (int64, error) {
	if n == 0 {
		return 0, nil
	}
	query = strings.Replace(query, rowsWord, tx.Dialect.rows(kinds), 1)
	if !tx.Dialect.arrays {
		return tx.execEach(ctx, query, n, args)
	}
	columns, err := transpose(kinds, n, args)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, query, columns...)
}

// ExecAllRows is ExecRows for a statement that must change one row for each; ErrConflict otherwise.
func (tx *Tx) ExecAllRows(ctx context.Context, query string, kinds []Kind, n int, args func(i int) []any) error {
	changed, err := tx.ExecRows(ctx, query, kinds, n, args)
	if err == nil && changed != int64(n) {
		err = fmt.Errorf("%w: %d rows changed, want %d", ErrConflict, changed, n)
	}
	return err
}

func (tx *Tx) execEach(ctx context.Context, query string, n int, args func(i int) []any) (int64, error) {
	stmt, err := tx.raw.PrepareContext(ctx, query)
	if err != nil {
		return 0, fmt.Errorf("prepare: %w", err)
	}
	defer func() { _ = stmt.Close() }()
	var changed int64
	for i := range n {
		res, err := stmt.ExecContext(ctx, args(i)...)
		if err != nil {
			return changed, fmt.Errorf("execute: %w", err)
		}
		rows, err := res.RowsAffected()
		if err != nil {
			return changed, fmt.Errorf("execute: %w", err)
		}
		changed += rows
	}
	return changed, nil
}

// transpose turns rows of arguments into one array for each column.
func transpose(kinds []Kind, n int, args func(i int) []any) ([]any, error) {
	ints, texts, bytes := make([][]*int64, len(kinds)), make([][]string, len(kinds)), make([][][]byte, len(kinds))
	for i := range n {
		row := args(i)
		if len(row) != len(kinds) {
			return nil, fmt.Errorf("execute: a row of %d columns, want %d", len(row), len(kinds))
		}
		for c, v := range row {
			plain, err := driver.DefaultParameterConverter.ConvertValue(v)
			if err != nil {
				return nil, fmt.Errorf("execute: column %d: %w", c+1, err)
			}
			ok := true
			switch v := plain.(type) {
			case nil:
				ok = kinds[c] != Text
				ints[c], bytes[c] = append(ints[c], nil), append(bytes[c], nil)
			case int64:
				ok = kinds[c] == Int
				ints[c] = append(ints[c], &v)
			case string:
				ok = kinds[c] == Text
				texts[c] = append(texts[c], v)
			case []byte:
				ok = kinds[c] == Bytes
				bytes[c] = append(bytes[c], v)
			default:
				ok = false
			}
			if !ok {
				return nil, errors.New("execute: column " + fmt.Sprint(c+1) + " is of another kind")
			}
		}
	}
	out := make([]any, len(kinds))
	for c, k := range kinds {
		out[c] = [...]any{Int: ints[c], Text: texts[c], Bytes: bytes[c]}[k]
	}
	return out, nil
}
