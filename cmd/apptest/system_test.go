package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bin is where the programs are; `make e2e` builds them and says so.
func bin(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("YIPIAO_BIN")
	if dir == "" {
		dir = "../../bin"
	}
	for _, name := range []string{"yipiao", "stationd", "cloudd", "firmware-sim"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Fatalf("%s is missing: run `make build` (or `make e2e`) first: %v", name, err)
		}
	}
	return dir
}

// system is `yipiao run` at work in a directory of its own.
type system struct {
	t    *testing.T
	bin  string
	dir  string
	base int
	args []string
	cmd  *exec.Cmd
	out  *lockedBuffer
	done chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// freeBase finds a base from which the ports that the system uses are free.
func freeBase(t *testing.T) int {
	t.Helper()
	for base := 20000; base < 50000; base += 1000 {
		ok := true
		for _, offset := range []int{80, 81, 443, 543, 643, 644} {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(base+offset)))
			if err != nil {
				ok = false
				break
			}
			_ = l.Close()
		}
		if ok {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

func newSystem(t *testing.T, args ...string) *system {
	t.Helper()
	dir, err := os.MkdirTemp("", "yipiao-e2e-") // short: a unix socket's path has about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	s := &system{t: t, bin: bin(t), dir: dir, base: freeBase(t), args: args}
	t.Cleanup(func() {
		if t.Failed() {
			s.logs()
		}
		s.stop()
		_ = os.RemoveAll(dir)
	})
	return s
}

// start runs the system and returns how long it took to be ready.
func (s *system) start() time.Duration {
	s.t.Helper()
	began := time.Now()
	args := append([]string{"run", "--dir", s.dir, "--ports", strconv.Itoa(s.base)}, s.args...)
	s.cmd = exec.Command(filepath.Join(s.bin, "yipiao"), args...)
	s.out = &lockedBuffer{}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	cmd := s.cmd
	go func() { done <- cmd.Wait() }()
	s.done = done
	s.until(60*time.Second, "the system is ready", func() bool {
		select {
		case err := <-done:
			s.cmd = nil
			s.t.Fatalf("yipiao run ended: %v\n%s", err, s.out)
		default:
		}
		return strings.Contains(s.out.String(), "驿票已就绪")
	})
	return time.Since(began)
}

// stop ends the system as Ctrl-C does and returns its exit error.
func (s *system) stop() error {
	if s.cmd == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	s.cmd = nil
	select {
	case err := <-s.done:
		return err
	case <-time.After(60 * time.Second):
		return errors.New("yipiao run did not stop within 60 s")
	}
}

// yipiao runs the tool and returns its output and exit error.
func (s *system) yipiao(args ...string) (string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	n := 1 // the directory goes behind the command and its sub-command
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") {
		n = 2
	}
	full := append(append(append([]string{}, args[:n]...), "--dir", s.dir), args[n:]...)
	out, err := exec.CommandContext(ctx, filepath.Join(s.bin, "yipiao"), full...).CombinedOutput()
	return string(out), err
}

// must runs the tool, which has to succeed and to print all of want.
func (s *system) must(want []string, args ...string) string {
	s.t.Helper()
	out, err := s.yipiao(args...)
	if err != nil {
		s.t.Fatalf("yipiao %v: %v\n%s", args, err, out)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			s.t.Fatalf("yipiao %v does not say %q:\n%s", args, w, out)
		}
	}
	return out
}

func (s *system) until(limit time.Duration, what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(end) {
			s.t.Fatalf("waited %s, but not: %s\n%s", limit, what, s.out)
		}
	}
}

// pid is the process id of a part.
func (s *system) pid(name string) int {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "log", name+".pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// known is what the test reads of demo/system.json.
type known struct {
	Tool     string `json:"tool"`
	Handheld string `json:"handheld"`
}

func (s *system) known() known {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "demo", "system.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	var k known
	if err := json.Unmarshal(text, &k); err != nil {
		s.t.Fatal(err)
	}
	return k
}

// logs prints the ends of the parts' logs into the test's output.
func (s *system) logs() {
	files, _ := filepath.Glob(filepath.Join(s.dir, "log", "*.log"))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		s.t.Logf("%s:\n%s", filepath.Base(f), text[max(0, len(text)-3000):])
	}
}
