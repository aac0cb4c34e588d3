package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// sqliteReaders is how many transactions may read at the same time.
const sqliteReaders = 4

func openSQLite(ctx context.Context, file string) (*DB, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	db := &DB{Dialect: SQLite(), turn: make(chan struct{}, 1)}
	db.turn <- struct{}{}
	if db.write, err = sql.Open("sqlite", sqliteName(file, "_txlock=immediate")); err != nil {
		return nil, err
	}
	db.write.SetMaxOpenConns(1)
	if db.read, err = sql.Open("sqlite", sqliteName(file, "_pragma=query_only(1)")); err != nil {
		return nil, errors.Join(err, db.write.Close())
	}
	db.read.SetMaxOpenConns(sqliteReaders)
	db.read.SetMaxIdleConns(sqliteReaders)
	if err := migrate(ctx, db.write, db.Dialect); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// sqliteName sets every pragma where each new connection gets it. busy_timeout lets another process,
// such as a command beside the server, finish its transaction.
func sqliteName(file, extra string) string {
	u := url.URL{Scheme: "file", Path: file, RawQuery: "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=trusted_schema(0)&" + extra}
	return u.String()
}

func checkSQLite(ctx context.Context, tx *Tx) (bad []error, err error) {
	err = tx.Rows(ctx, "PRAGMA integrity_check", nil, func(row Scan) error {
		var text string
		if err := row(&text); err != nil {
			return err
		}
		if text != "ok" {
			bad = append(bad, fmt.Errorf("database damaged: %s", text))
		}
		return nil
	})
	if err != nil {
		return bad, err
	}
	err = tx.Rows(ctx, "PRAGMA foreign_key_check", nil, func(row Scan) error {
		var table, parent string
		var id, fk sql.NullInt64
		if err := row(&table, &id, &parent, &fk); err != nil {
			return err
		}
		bad = append(bad, fmt.Errorf("row of %s refers to no row of %s", table, parent))
		return nil
	})
	return bad, err
}
