package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yipiao/firmware-sim/control"
)

func TestRunFromConfigToCleanEnd(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "sim.json")
	line, socket := filepath.Join(dir, "dev", "scanner-1"), filepath.Join(dir, "sim.sock")
	raw := `{"devices":[{"name":"scanner-1","kind":"scanner","pty":"` + line + `","baud":9600}]}`
	if err := os.WriteFile(config, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--config", config, "--socket", socket}, nil, io.Discard, io.Discard)
	}()

	client := control.NewClient(socket)
	wait, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	if err := client.WaitReady(wait); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(line); err != nil {
		t.Errorf("the line: %v", err)
	}
	client.Close()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("run does not return")
	}
	for _, path := range []string{line, socket} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left behind", path)
		}
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"devices":[{"name":"s","kind":"scanner","pty":"p","sped":1}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		args []string
		says string
	}{
		{"no config", nil, "--config"},
		{"something left over", []string{"--config", bad, "more"}, "--config"},
		{"a config that is not there", []string{"--config", filepath.Join(dir, "none")}, "none"},
		{"an unknown key", []string{"--config", bad}, `"sped"`},
		{"an unknown flag", []string{"--speed"}, "speed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := run(t.Context(), c.args, nil, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want an error with %s", err, c.says)
			}
		})
	}
}
