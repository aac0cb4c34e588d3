package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	startTime = 60 * time.Second
	account   = "yipiao"
)

// errMissing says what to install.
var errMissing = errors.New("缺少 PostgreSQL 服务器：make deps-test，或安装软件包 postgresql (the package postgresql is missing)")

// keeper ends the server and removes its files when this process is gone, however it went: then the
// pipe on its standard input closes.
const keeper = `"$@" & read -r _; kill -QUIT $!; wait $!; cd /; rm -rf "$0"`

// A server is one PostgreSQL for the whole process, with a socket of its own and no port.
type server struct {
	dir   string
	alive io.WriteCloser // end of the pipe that keeps it
}

// start makes a cluster in a new directory and starts it, with its syncs as they are in earnest.
func start() (*server, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return nil, errors.Join(errMissing, err)
	}
	bin := filepath.Dir(found[len(found)-1])
	s := &server{}
	if s.dir, err = os.MkdirTemp("", "pgtest-*"); err != nil {
		return nil, err
	}
	as, err := ordinary(s.dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.run(bin, as); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		s.stop()
		return nil, fmt.Errorf("%w\n%s", err, bytes.TrimSpace(log))
	}
	return s, nil
}

func (s *server) run(bin string, as *syscall.Credential) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	data := filepath.Join(s.dir, "data")
	// --no-sync is about the files that initdb makes; whoever pulls the plug on a test repeats it.
	init := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", account, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	init.Dir, init.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: as}
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	args := []string{
		"-c", keeper, s.dir, filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories=" + s.dir,
		"-c", "max_connections=1000", "-c", "shared_buffers=64MB", "-c", "max_wal_size=2GB", "-c", "log_min_error_statement=panic",
	}
	shell := exec.CommandContext(context.Background(), "/bin/sh", args...)
	shell.Dir, shell.Stdout, shell.Stderr = s.dir, log, log
	// A group of its own: an interrupt is for the test, which ends and takes the server along.
	shell.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if s.alive, err = shell.StdinPipe(); err != nil {
		return err
	}
	if err := shell.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	go func() { _ = shell.Wait() }()
	return s.ready(ctx)
}

// ready waits until the server answers.
func (s *server) ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.admin(ctx, `SELECT 1`)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL: %w", err)
		case <-tick.C:
		}
	}
}

func (s *server) stop() {
	if s.alive == nil {
		_ = os.RemoveAll(s.dir)
		return
	}
	_ = s.alive.Close()
}

// address names a database of the server.
func (s *server) address(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {s.dir}, "user": {account}}.Encode()
}

// admin runs a statement outside any test's database.
func (s *server) admin(ctx context.Context, query string) error {
	conn, err := pgx.Connect(ctx, s.address("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, query)
	return errors.Join(err, conn.Close(ctx))
}

// ordinary gives a directory to an account that is not root, because PostgreSQL refuses root; nil
// without root.
func ordinary(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
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
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}

// running is the server of this process, started when the first test asks.
var running = sync.OnceValues(start)
