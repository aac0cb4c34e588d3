package desk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// schemaVersion is written into every file; a file of another version is built again.
const schemaVersion = 1

// schema holds one row per decision, one per event, and a full-text index over the masked text. Times are
// Unix milliseconds. A ticket's number is stored as the signed number of the same 64 bits.
const schema = `
CREATE TABLE meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;

CREATE TABLE checked (
  seq        INTEGER PRIMARY KEY, -- of the fact in the journal
  at_ms      INTEGER NOT NULL,
  kind       INTEGER NOT NULL,    -- ticket.FactKind
  outcome    TEXT NOT NULL,       -- '' for what is no decision
  reason     TEXT NOT NULL,
  n          INTEGER NOT NULL,    -- n to says_at: the blanks of the reason's text
  n_of       INTEGER NOT NULL,
  says_ms    INTEGER NOT NULL,
  says_at    TEXT NOT NULL,
  ticket     INTEGER,
  session    INTEGER,
  lane       TEXT NOT NULL,
  device     TEXT NOT NULL,
  times      INTEGER NOT NULL,    -- 1, or how many equal refusals were counted
  passage    INTEGER NOT NULL,    -- Passage
  passage_ms INTEGER NOT NULL,
  seat       TEXT NOT NULL,
  holder     TEXT NOT NULL,       -- masked
  order_tail TEXT NOT NULL,
  code_tail  TEXT NOT NULL,
  show       TEXT NOT NULL,
  hall       TEXT NOT NULL,
  text       TEXT NOT NULL        -- what a search looks at
) STRICT;
CREATE INDEX checked_at ON checked (at_ms, seq);
CREATE INDEX checked_lane ON checked (lane, at_ms, seq);
CREATE INDEX checked_device ON checked (device, at_ms, seq);
CREATE INDEX checked_ticket ON checked (ticket, at_ms, seq) WHERE ticket IS NOT NULL;

CREATE TABLE event (
  seq     INTEGER PRIMARY KEY,
  at_ms   INTEGER NOT NULL,
  kind    INTEGER NOT NULL, -- ticket.FactKind
  subject TEXT NOT NULL,
  state   TEXT NOT NULL,
  was     TEXT NOT NULL,
  note    TEXT NOT NULL,
  value   INTEGER NOT NULL
) STRICT;
CREATE INDEX event_at ON event (at_ms, seq);
CREATE INDEX event_kind ON event (kind, at_ms, seq);

CREATE VIRTUAL TABLE checked_text USING fts5(text, content='checked', content_rowid='seq', tokenize='trigram', detail='full');
`

// readers is how many questions are answered at the same time.
const readers = 3

// A file is the open database: one connection writes, a few read.
type file struct{ write, read *sql.DB }

// Why a file has to be built again. They are stable codes.
const (
	RebuildNew     = "new"     // there was none
	RebuildVersion = "version" // another version of this program wrote it
	RebuildDamaged = "damaged" // it is not a sound database
	RebuildEpoch   = "epoch"   // it follows another journal
	RebuildAhead   = "ahead"   // it holds facts that the journal does not: the journal was restored
)

// openFile opens the database at path. why says that it must be built again and is not returned then.
func openFile(ctx context.Context, path string) (f *file, why string, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, RebuildNew, nil
	}
	f, err = connect(path)
	if err != nil {
		return nil, "", err
	}
	version, err := check(ctx, f.write)
	switch {
	case isDamage(err):
		why = RebuildDamaged
	case err != nil:
		return nil, "", errors.Join(err, f.close())
	case version != schemaVersion:
		why = RebuildVersion
	default:
		return f, "", nil
	}
	return nil, why, f.close()
}

// create makes an empty database at path. What lay there is removed: it can be built from the journal.
func create(ctx context.Context, path string) (*file, error) {
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove the old file: %w", err)
		}
	}
	made, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = made.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("make the file: %w", err)
	}
	f, err := connect(path)
	if err != nil {
		return nil, err
	}
	err = f.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return fmt.Errorf("make the tables: %w", err)
		}
		return setMeta(ctx, tx, "version", schemaVersion)
	})
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func connect(path string) (*file, error) {
	f := &file{}
	var err error
	if f.write, err = sql.Open("sqlite", dsn(path, "_txlock=immediate")); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	f.write.SetMaxOpenConns(1)
	if f.read, err = sql.Open("sqlite", dsn(path, "_pragma=query_only(1)")); err != nil {
		return nil, errors.Join(fmt.Errorf("open: %w", err), f.write.Close())
	}
	f.read.SetMaxOpenConns(readers)
	f.read.SetMaxIdleConns(readers)
	return f, nil
}

// dsn sets every pragma where each new connection gets it. NORMAL is enough: what a power cut takes from
// the file is read from the journal again. Checkpoints are made in idle time (storage-and-scale.md 2b);
// the automatic one only bounds the log.
func dsn(path, extra string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(1000)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(NORMAL)&_pragma=wal_autocheckpoint(8000)&_pragma=trusted_schema(0)&" + extra}
	return u.String()
}

func (f *file) close() error { return errors.Join(f.read.Close(), f.write.Close()) }

// tx runs fn as one writing transaction.
func (f *file) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := f.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// errDamaged is what check returns for a file whose pages do not hold together.
var errDamaged = errors.New("desk: file is damaged")

// check reads the whole file and returns the version of its tables, 0 for a file without any.
func check(ctx context.Context, db *sql.DB) (int64, error) {
	var said string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said); err != nil {
		return 0, fmt.Errorf("check the file: %w", err)
	}
	if said != "ok" {
		return 0, fmt.Errorf("%w: %s", errDamaged, said)
	}
	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").Scan(&n); err != nil || n == 0 {
		return 0, err
	}
	return meta(ctx, db, "version")
}

// isDamage reports an error that only building the file again mends.
func isDamage(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		code := e.Code() & 0xff // the primary code
		return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
	}
	return errors.Is(err, errDamaged)
}

// A querier is a transaction or a pool.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// meta returns a number of the file, 0 if there is none of that name.
func meta(ctx context.Context, q querier, name string) (int64, error) {
	var v int64
	err := q.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", name).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", name, err)
	}
	return v, nil
}

func setMeta(ctx context.Context, tx *sql.Tx, name string, v int64) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO meta (name, value)
		VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, v)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
