package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// stopGrace is how long a part may take to end in order; a station makes a backup then.
const stopGrace = 30 * time.Second

// A proc is one part of the system, running. Its log goes to a file.
type proc struct {
	name  string
	args  []string
	dir   string // of logs and pid files
	log   string
	cmd   *exec.Cmd
	began time.Time
	done  chan struct{} // closed when it has ended
	err   error         // valid after done
}

// binary finds a sibling of this very program.
func binary(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("缺少 %s，请先 make build (build first): %w", name, err)
	}
	return path, nil
}

// start runs a part in its own process group, so that Ctrl-C reaches only this program, which then
// stops the parts in order.
func start(name, logDir string, args ...string) (*proc, error) {
	path, err := binary(name)
	if err != nil {
		return nil, err
	}
	p := &proc{name: name, args: args, dir: logDir, log: filepath.Join(logDir, name+".log"), began: time.Now(), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(path, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	pid := filepath.Join(logDir, name+".pid")
	err = os.WriteFile(pid+".new", []byte(strconv.Itoa(p.cmd.Process.Pid)), 0o600)
	if err == nil {
		err = os.Rename(pid+".new", pid) // whoever reads it never sees half a number
	}
	if err != nil {
		return nil, errors.Join(err, p.cmd.Process.Kill(), log.Close())
	}
	go func() {
		p.err = p.cmd.Wait()
		_ = log.Close()
		close(p.done)
	}()
	return p, nil
}

// again starts a part anew that has ended by itself. One that was killed is always started again; one
// that gives up by itself right after its start is not, because starting it again mends nothing.
func (p *proc) again() (*proc, error) {
	var exit *exec.ExitError
	killed := errors.As(p.err, &exit) && !exit.Exited()
	if !killed && time.Since(p.began) < 5*time.Second {
		return nil, fmt.Errorf("%s 一启动就退出 (gives up at once): %w; 日志 (log): %s", p.name, p.err, p.log)
	}
	return start(p.name, p.dir, p.args...)
}

// stop ends a part in order, or by force when it does not.
func (p *proc) stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	t := time.NewTimer(stopGrace)
	defer t.Stop()
	select {
	case <-p.done:
		return p.err
	case <-t.C:
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s 未在 %s 内结束，已强制停止 (killed); 日志 (log): %s", p.name, stopGrace, p.log)
	}
}

// output runs a part to its end and returns what it printed.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	path, err := binary(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, args[0], err, exit.Stderr)
	}
	return out, err
}

// until asks again until ok, the part it waits for has ended, or the time is over.
func until(ctx context.Context, p *proc, limit time.Duration, ok func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s 已退出 (ended): %w; 日志 (log): %s", p.name, p.err, p.log)
		case <-ctx.Done():
			return fmt.Errorf("%s 没有就绪 (not ready): %w; 日志 (log): %s", p.name, err, p.log)
		case <-tick.C:
		}
	}
}
