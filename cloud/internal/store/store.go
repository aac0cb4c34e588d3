package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	// tries bounds how often a transaction is begun that the engine ended for the sake of another.
	tries = 5
	// firstPause is the longest pause before the second try; it doubles with each.
	firstPause = 10 * time.Millisecond
)

// DB is an open database. On SQLite one transaction writes at a time, in the order of asking; on
// PostgreSQL several do, in as many processes as there are, and rows are locked one by one. Several may
// read beside them. It is safe for concurrent use.
type DB struct {
	Dialect Dialect
	write   *sql.DB
	read    *sql.DB
	turn    chan struct{} // SQLite: holds one token while nobody writes
	limit   time.Duration // of a transaction; 0: none
}

// Open opens a database and migrates it; several processes may do so at once. It is named by a
// postgres:// URL (the database has to exist), or else by the path of an SQLite file, which is made
// where there is none (mode 0600).
func Open(ctx context.Context, name string) (*DB, error) {
	open := openSQLite
	if IsPostgres(name) {
		open = openPostgres
	}
	db, err := open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// IsPostgres reports whether the name of a database is that of one on PostgreSQL.
func IsPostgres(name string) bool {
	return strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://")
}

// Close ends the database. SQLite waits for the transaction that writes.
func (db *DB) Close() error {
	if db.turn != nil {
		<-db.turn
		defer func() { db.turn <- struct{}{} }()
	}
	if db.read == db.write {
		return db.write.Close()
	}
	return errors.Join(db.read.Close(), db.write.Close())
}

// InUse is how many connections are inside a transaction at this moment.
func (db *DB) InUse() int {
	n := db.write.Stats().InUse
	if db.read != db.write {
		n += db.read.Stats().InUse
	}
	return n
}

// Write runs fn as one transaction: all of it is durable when Write returns nil, nothing of it after
// an error of fn. After another error it is not known. fn must not wait for anything but the
// database, and must not keep tx. Each statement sees what was committed before it began; a row that
// was read with a lock stays as it is until the end.
//
// On PostgreSQL fn is run again, a few times, when two transactions waited for each other and this one
// was chosen to give way: fn must set what it returns from the beginning.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if db.turn != nil {
		select {
		case <-db.turn:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { db.turn <- struct{}{} }()
	}
	pause := firstPause
	for try := 1; ; try++ {
		err := db.run(ctx, db.write, nil, db.Dialect, fn)
		if err == nil || try == tries || !gaveWay(err) {
			return err
		}
		wait := time.NewTimer(rand.N(pause))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return errors.Join(ctx.Err(), err)
		}
		pause *= 2
	}
}

// Read runs fn on one snapshot of the database. fn cannot write, and locks nothing.
func (db *DB) Read(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if db.turn == nil {
		opts.Isolation = sql.LevelRepeatableRead
	}
	return db.run(ctx, db.read, opts, db.Dialect.reading(), fn)
}

func (db *DB) run(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, d Dialect, fn func(context.Context, *Tx) error) error {
	if db.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, db.limit)
		defer cancel()
	}
	raw, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = raw.Rollback() }() // does nothing after Commit
	if err := fn(ctx, &Tx{raw: raw, Dialect: d}); err != nil {
		return err
	}
	if err := raw.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// gaveWay reports whether the engine has ended a transaction, all of it, for the sake of another.
func gaveWay(err error) bool {
	state := sqlState(err)
	return state == "40001" || state == "40P01"
}

// Check looks for damage in the database and for rows without the rows they refer to.
func (db *DB) Check(ctx context.Context) error {
	return db.Read(ctx, func(ctx context.Context, tx *Tx) error {
		check := checkSQLite
		if tx.Dialect.arrays {
			check = checkPostgres
		}
		bad, err := check(ctx, tx)
		return errors.Join(append(bad, err)...)
	})
}
