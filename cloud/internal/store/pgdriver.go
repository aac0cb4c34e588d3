package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A pgConnector gives database/sql connections of pgx: database/sql is the pool for both engines, and
// what the migrations ask for. It knows the handful of types of this schema and nothing else.
type pgConnector struct{ config *pgx.ConnConfig }

var (
	_ driver.Connector          = pgConnector{}
	_ driver.ConnBeginTx        = (*pgDriverConn)(nil)
	_ driver.ConnPrepareContext = (*pgDriverConn)(nil)
	_ driver.ExecerContext      = (*pgDriverConn)(nil)
	_ driver.QueryerContext     = (*pgDriverConn)(nil)
	_ driver.Pinger             = (*pgDriverConn)(nil)
	_ driver.NamedValueChecker  = (*pgDriverConn)(nil)
	_ driver.SessionResetter    = (*pgDriverConn)(nil)
	_ driver.Validator          = (*pgDriverConn)(nil)
)

// endTime bounds the end of a transaction whose context is over.
const endTime = 5 * time.Second

func (c pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, c.config)
	if err != nil {
		return nil, err
	}
	return &pgDriverConn{conn: conn}, nil
}

func (c pgConnector) Driver() driver.Driver { return pgDriver{} }

// pgDriver exists because database/sql wants one.
type pgDriver struct{}

func (pgDriver) Open(string) (driver.Conn, error) { return nil, errors.ErrUnsupported }

// A pgDriverConn is one connection, used by one goroutine at a time.
type pgDriverConn struct {
	conn *pgx.Conn
	bad  bool // the server became a standby
}

// note looks at an error of the server: a standby is of no use to those who come next.
func (c *pgDriverConn) note(err error) error {
	if sqlState(err) == "25006" {
		c.bad = true
	}
	return err
}

func (c *pgDriverConn) IsValid() bool { return !c.bad && !c.conn.IsClosed() }

func (c *pgDriverConn) ResetSession(context.Context) error {
	if !c.IsValid() || c.conn.PgConn().TxStatus() != 'I' {
		return driver.ErrBadConn
	}
	return nil
}

func (c *pgDriverConn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	return c.conn.Close(ctx)
}

func (c *pgDriverConn) Ping(ctx context.Context) error { return c.conn.Ping(ctx) }

// CheckNamedValue lets through the arrays of ExecRows and Numbers.
func (c *pgDriverConn) CheckNamedValue(v *driver.NamedValue) (err error) {
	switch v.Value.(type) {
	case []int64, []*int64, []string, [][]byte:
		return nil
	}
	v.Value, err = driver.DefaultParameterConverter.ConvertValue(v.Value)
	return err
}

func (c *pgDriverConn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx reports a connection that the server has ended as such: database/sql takes another one then.
func (c *pgDriverConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	opts := pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
	if sql.IsolationLevel(o.Isolation) == sql.LevelRepeatableRead {
		opts.IsoLevel = pgx.RepeatableRead
	}
	if o.ReadOnly {
		opts.AccessMode = pgx.ReadOnly
	}
	tx, err := c.conn.BeginTx(ctx, opts)
	if err != nil && ctx.Err() == nil && c.conn.IsClosed() {
		return nil, driver.ErrBadConn
	}
	if err != nil {
		return nil, err
	}
	return pgDriverTx{ctx, tx}, nil
}

type pgDriverTx struct {
	ctx context.Context
	tx  pgx.Tx
}

func (t pgDriverTx) Commit() error { return t.tx.Commit(t.ctx) }

func (t pgDriverTx) Rollback() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), endTime)
	defer cancel()
	return t.tx.Rollback(ctx)
}

func plainArgs(named []driver.NamedValue) []any {
	out := make([]any, len(named))
	for i := range named {
		out[i] = named[i].Value
	}
	return out
}

func (c *pgDriverConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	tag, err := c.conn.Exec(ctx, query, plainArgs(args)...)
	if err != nil {
		return nil, c.note(err)
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

func (c *pgDriverConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.conn.Query(ctx, query, plainArgs(args)...)
	if err != nil {
		return nil, c.note(err)
	}
	return &pgDriverRows{conn: c, rows: rows}, nil
}

// A prepared statement is its text: pgx prepares what it sees again.
type pgDriverStmt struct {
	conn  *pgDriverConn
	query string
}

func (c *pgDriverConn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *pgDriverConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return pgDriverStmt{c, query}, nil
}

func (s pgDriverStmt) Close() error  { return nil }
func (s pgDriverStmt) NumInput() int { return -1 }

func (s pgDriverStmt) Exec([]driver.Value) (driver.Result, error) { return nil, errors.ErrUnsupported }
func (s pgDriverStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, errors.ErrUnsupported }

func (s pgDriverStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

func (s pgDriverStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}

type pgDriverRows struct {
	conn *pgDriverConn
	rows pgx.Rows
}

func (r *pgDriverRows) Columns() []string {
	fields := r.rows.FieldDescriptions()
	out := make([]string, len(fields))
	for i := range fields {
		out[i] = fields[i].Name
	}
	return out
}

func (r *pgDriverRows) Close() error {
	r.rows.Close()
	return r.conn.note(r.rows.Err())
}

func (r *pgDriverRows) Next(dest []driver.Value) error {
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return r.conn.note(err)
		}
		return io.EOF
	}
	values, err := r.rows.Values()
	if err != nil {
		return err
	}
	for i, v := range values {
		switch v := v.(type) {
		case int16:
			dest[i] = int64(v)
		case int32:
			dest[i] = int64(v)
		default:
			dest[i] = v
		}
	}
	return nil
}

// sqlState is the code of a server's error, "" for any other.
func sqlState(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
