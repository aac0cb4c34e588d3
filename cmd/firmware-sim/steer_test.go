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

// simulator runs a gate and a card reader, and returns its socket.
func simulator(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	config, socket := filepath.Join(dir, "sim.json"), filepath.Join(dir, "s")
	raw := `{"devices":[{"name":"gate-1","kind":"turnstile","tcp":"127.0.0.1:0","visitor":"manual"},{"name":"id-1","kind":"idreader","inside":true}]}`
	if err := os.WriteFile(config, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--config", config, "--socket", socket}, nil, io.Discard, io.Discard)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	client := control.NewClient(socket)
	defer client.Close()
	wait, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	if err := client.WaitReady(wait); err != nil {
		t.Fatal(err)
	}
	return socket
}

// tool runs a sub-command.
func tool(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := run(ctx, args, strings.NewReader(stdin), &out, io.Discard)
	return out.String(), err
}

func TestSubCommands(t *testing.T) {
	socket := simulator(t)
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("gate-1 blocked on=yes\nawait gate-1 blocked\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		stdin string
		args  []string
		says  []string
	}{
		{"act", "", []string{"act", "--socket", socket, "id-1", "lay", "specimen=resident"}, nil},
		{"act with a list of keys", "", []string{"act", "--socket", socket, "gate-1", "visitor", "mode=walk", "walk_ms=9"}, nil},
		{"script", "", []string{"script", "--socket", socket, list}, []string{"   1  gate-1 blocked on=yes\n", "   2  await"}},
		{"script from standard input", "gate-1 fault bits=4\n", []string{"script", "--socket", socket, "-"}, []string{"gate-1 fault"}},
		{"devices", "", []string{"devices", "--socket", socket}, []string{"gate-1", "turnstile", "127.0.0.1:", "已插入", `"fault_bits":4`, `"card":"resident"`}},
		{"acts", "", []string{"acts", "--socket", socket}, []string{"visitor    mode=TEXT walk_ms=NUMBER", "unplug", "放上证件"}},
		{"acts of one", "", []string{"acts", "--socket", socket, "id-1"}, []string{"specimen=TEXT card=JSON stay_ms=NUMBER"}},
		{"log", "", []string{"log", "--socket", socket}, []string{"· 放上证件", "· 已闭锁 / blocked", "故障位 0x0004"}},
		{"log of one", "", []string{"log", "--socket", socket, "gate-1"}, []string{"已闭锁"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := tool(t, c.stdin, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			for _, says := range c.says {
				if !strings.Contains(out, says) {
					t.Errorf("%s\nwant %s in it", out, says)
				}
			}
			if len(c.args) == 4 && c.args[0] != "script" && strings.Contains(out, map[string]string{"id-1": "gate-1", "gate-1": "id-1"}[c.args[3]]) {
				t.Errorf("%s\nwant only one device", out)
			}
		})
	}
}

func TestSubCommandsSayWhatIsWrong(t *testing.T) {
	socket := simulator(t)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"act", "gate-1", "fire"}, "--socket"},
		{[]string{"act", "--socket", socket, "gate-1"}, "NAME ACT"},
		{[]string{"act", "--socket", socket, "gate-9", "fire"}, "gate-9"},
		{[]string{"act", "--socket", socket, "gate-1", "fly"}, `no act "fly"`},
		{[]string{"act", "--socket", socket, "gate-1", "fire", "yes"}, "want key=value"},
		{[]string{"act", "--socket", socket, "gate-1", "pass"}, "409"},
		{[]string{"devices", "--socket", socket, "more"}, "--socket"},
		{[]string{"script", "--socket", socket}, "FILE"},
		{[]string{"script", "--socket", socket, "/nowhere"}, "/nowhere"},
		{[]string{"log", "--socket", socket, "cat"}, "cat"},
		{[]string{"devices", "--socket", "/nowhere/s"}, "/nowhere/s"},
	} {
		if _, err := tool(t, "", c.args...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want an error with %s", c.args, err, c.says)
		}
	}
	if _, err := tool(t, "gate-1 fly\n", "script", "--socket", socket, "-"); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("%v, want the line", err)
	}
}

// TestWatchShowsWhatFollows: what happens while it watches comes out, until it is interrupted.
func TestWatchShowsWhatFollows(t *testing.T) {
	socket := simulator(t)
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"watch", "--socket", socket, "gate-1"}, nil, writer, io.Discard)
		_ = writer.Close()
	}()
	if _, err := tool(t, "", "act", "--socket", socket, "gate-1", "fire", "on=yes"); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := reader.Read(line)
	if err != nil || !strings.Contains(string(line[:n]), "消防联动") {
		t.Errorf("%s, %v", line[:n], err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("watch: %v", err)
	}
}
