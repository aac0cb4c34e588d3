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

// readers is how many transactions may read at the same time.
const readers = 4

// DB is an open database. One transaction writes at a time, in the order of asking; several may read
// beside it. It is safe for concurrent use.
type DB struct {
	Dialect Dialect
	write   *sql.DB
	read    *sql.DB
	turn    chan struct{} // holds one token while nobody writes
}

// Open opens the SQLite database in file, makes it where there is none (mode 0600), and migrates it.
func Open(ctx context.Context, file string) (*DB, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{Dialect: SQLite(), turn: make(chan struct{}, 1)}
	db.turn <- struct{}{}
	if db.write, err = sql.Open("sqlite", dsn(file, "_txlock=immediate")); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.write.SetMaxOpenConns(1)
	if db.read, err = sql.Open("sqlite", dsn(file, "_pragma=query_only(1)")); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), db.write.Close())
	}
	db.read.SetMaxOpenConns(readers)
	db.read.SetMaxIdleConns(readers)
	if err := migrate(ctx, db.write, db.Dialect); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// dsn sets every pragma where each new connection gets it. busy_timeout lets another process, such
// as a command beside the server, finish its transaction.
func dsn(file, extra string) string {
	u := url.URL{Scheme: "file", Path: file, RawQuery: "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=trusted_schema(0)&" + extra}
	return u.String()
}

// Close ends the database once no transaction is under way.
func (db *DB) Close() error {
	<-db.turn
	defer func() { db.turn <- struct{}{} }()
	return errors.Join(db.read.Close(), db.write.Close())
}

// Write runs fn as one transaction: all of it is durable when Write returns nil, nothing of it after
// an error of fn. After another error it is not known. fn must not wait for anything but the
// database, and must not keep tx.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	select {
	case <-db.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { db.turn <- struct{}{} }()
	return db.run(ctx, db.write, nil, fn)
}

// Read runs fn on one snapshot of the database. fn cannot write.
func (db *DB) Read(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return db.run(ctx, db.read, &sql.TxOptions{ReadOnly: true}, fn)
}

func (db *DB) run(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, fn func(context.Context, *Tx) error) error {
	raw, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = raw.Rollback() }() // does nothing after Commit
	if err := fn(ctx, &Tx{raw: raw, Dialect: db.Dialect}); err != nil {
		return err
	}
	if err := raw.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// Check looks for damage in the file and for rows without the rows they refer to.
func (db *DB) Check(ctx context.Context) error {
	return db.Read(ctx, func(ctx context.Context, tx *Tx) error {
		var bad []error
		err := tx.Rows(ctx, "PRAGMA integrity_check", nil, func(row Scan) error {
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
			return err
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
		return errors.Join(append(bad, err)...)
	})
}
