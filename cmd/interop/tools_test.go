package interop

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait for another program.
const patience = 10 * time.Second

// need fails the test where a program is missing, with the Debian package that has it.
func need(t *testing.T, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("缺少 %s：sudo apt-get install %s，或 make deps-test (%s is missing: Debian package %s)", program, pkg, program, pkg)
	}
}

// within runs a program to its end and returns its output, both streams, with its error.
func within(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err
}

// background runs a program until the test ends, and returns once it has written a line to its standard output.
func background(t *testing.T, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, ended := make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(out)
		said <- lines.Scan()
		for lines.Scan() {
			continue
		}
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	select {
	case ok := <-said:
		if !ok {
			t.Fatalf("%s ended at once", program)
		}
	case <-time.After(patience):
		t.Fatalf("%s says nothing", program)
	}
}

// eventually waits until what is expected is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// compile makes a program of a C file in testdata.
func compile(t *testing.T, source string, libraries ...string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), strings.TrimSuffix(source, ".c"))
	args := append([]string{"-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-o", program, filepath.Join("testdata", source)}, libraries...)
	if out, err := within(t, "cc", args...); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	return program
}
