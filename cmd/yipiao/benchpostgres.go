package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// postgresCheck is a check as one statement: status and use are compared and counted, and the fact goes
// into an outbox, in one transaction.
const postgresCheck = `WITH t AS (UPDATE ticket SET used = used + 1 WHERE id = $1 AND status = 'valid' AND used < max RETURNING id)
INSERT INTO outbox (ticket, nonce) SELECT id, $2 FROM t RETURNING seq`

// postgresPeer is a PostgreSQL server that syncs its log before it answers.
type postgresPeer struct {
	proc *peerProc
	port string
}

func (b *benchRun) startPostgres(ctx context.Context, cert *benchCert, tickets int) (*postgresPeer, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("缺少 PostgreSQL，见 .ci/deps bench (missing): %w", os.ErrNotExist)
	}
	bin, dir := filepath.Dir(found[len(found)-1]), filepath.Join(b.dir, "postgres")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	key := filepath.Join(dir, "peer.key")
	text, err := os.ReadFile(cert.keyFile)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(key, text, 0o600); err != nil {
		return nil, err
	}
	as, err := ordinary(dir, key)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	init := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
	init.Dir, init.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	address, err := free()
	if err != nil {
		return nil, err
	}
	p := &postgresPeer{}
	_, p.port, _ = net.SplitHostPort(address)
	args := []string{"-D", data, "-p", p.port}
	for _, c := range []string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=" + dir, "synchronous_commit=on", "wal_sync_method=fdatasync", "shared_buffers=256MB",
		"max_wal_size=4GB", "checkpoint_timeout=30min", "ssl=on", "ssl_cert_file=" + cert.certFile, "ssl_key_file=" + key,
	} {
		args = append(args, "-c", c)
	}
	if p.proc, err = b.run("postgres", as, filepath.Join(bin, "postgres"), args...); err != nil {
		return nil, err
	}
	if err := p.fill(ctx, tickets); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// ordinary gives files to an account that is not root, because initdb refuses root; nil without root.
func ordinary(files ...string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		if who, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := os.Chown(f, int(uid), int(gid)); err != nil {
			return nil, err
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (p *postgresPeer) connect(ctx context.Context, secure bool) (*pgx.Conn, error) {
	mode := "disable"
	if secure {
		mode = "require"
	}
	return pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%s user=bench dbname=postgres sslmode=%s", p.port, mode))
}

func (p *postgresPeer) fill(ctx context.Context, tickets int) error {
	var c *pgx.Conn
	err := p.proc.up(ctx, func(ctx context.Context) (err error) {
		c, err = p.connect(ctx, false)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	for _, q := range []string{
		// Room on each page for the new versions of rows, so that updates need not touch the index.
		"CREATE TABLE ticket (id bigint PRIMARY KEY, status text NOT NULL, used int NOT NULL, max int NOT NULL) WITH (fillfactor = 70)",
		"CREATE TABLE outbox (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ticket bigint NOT NULL, nonce bytea NOT NULL)",
		fmt.Sprintf("INSERT INTO ticket SELECT i, 'valid', 0, 65000 FROM generate_series(0, %d) i", tickets-1),
		"VACUUM ANALYZE ticket", "CHECKPOINT",
	} {
		if _, err := c.Exec(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

func (p *postgresPeer) name() string { return "postgresql" }

func (p *postgresPeer) close() { p.proc.stop() }

func (p *postgresPeer) prepare(c *cell, secure bool) {
	var conns []*pgx.Conn
	c.do = func(ctx context.Context, k *caller) error {
		var seq int64
		return conns[k.id].QueryRow(ctx, "check", k.at, k.nonce[:]).Scan(&seq)
	}
	c.around = func(ctx context.Context, measure func() error) error {
		conns = nil
		defer func() {
			for _, one := range conns {
				_ = one.Close(context.WithoutCancel(ctx))
			}
		}()
		for range c.fig.Callers {
			one, err := p.connect(ctx, secure)
			if err != nil {
				return err
			}
			conns = append(conns, one)
			if _, err := one.Prepare(ctx, "check", postgresCheck); err != nil {
				return err
			}
		}
		if _, err := drive(ctx, c.fig.Callers, connecting, 0, c.codes, c.do); err != nil {
			return err
		}
		return measure()
	}
}
