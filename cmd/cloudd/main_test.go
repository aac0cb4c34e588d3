package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yipiao/sync/link/identity"
)

type result struct{ stdout, stderr string }

func call(t *testing.T, args ...string) (result, error) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(t.Context(), args, &out, &errs)
	return result{out.String(), errs.String()}, err
}

func must(t *testing.T, args ...string) result {
	t.Helper()
	r, err := call(t, args...)
	if err != nil {
		t.Fatalf("cloudd %s: %v\n%s", strings.Join(args, " "), err, r.stderr)
	}
	return r
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return out
}

// The commands in the order in which a demonstration uses them.
func TestCommands(t *testing.T) {
	dir := t.TempDir()
	data, wallet := filepath.Join(dir, "data"), filepath.Join(dir, "wallet.jsonl")
	made := decode(t, must(t, "init", "--data", data, "--tenant", "样例票务", "--json").stdout)
	if made["name"] != "admin" || len(made["password"].(string)) != 23 || len(made["root"].(string)) != 32 {
		t.Errorf("init printed %v", made)
	}
	if _, err := call(t, "init", "--data", data); err == nil {
		t.Error("init worked twice")
	}
	if r := must(t, "status", "--data", data); !strings.Contains(r.stdout, "没有驿站") {
		t.Errorf("status: %s", r.stdout)
	}
	sample := []string{"sample", "--data", data, "--wallet", wallet, "--seats", "80", "--tickets", "10"}
	if r := must(t, sample...); !strings.Contains(r.stdout, "样例大剧院，80 座，驿站 S-0001；新售 10 张") || !strings.Contains(r.stdout, "正在入场") {
		t.Errorf("sample: %s", r.stdout)
	}
	if again := decode(t, must(t, append(sample, "--json")...).stdout); again["new_tickets"] != 0.0 {
		t.Errorf("sample again: %v", again)
	}
	if text, err := os.ReadFile(wallet); err != nil || strings.Count(string(text), "YP1:") != 10 {
		t.Errorf("wallet: %v", err)
	}
	code := decode(t, must(t, "enrol-code", "--data", data, "--address", "127.0.0.1:7", "--json").stdout)
	if parsed, err := identity.ParseCode(code["code"].(string)); err != nil || parsed.Address != "127.0.0.1:7" || code["station"] != 1.0 {
		t.Errorf("enrol-code printed %v, %v", code, err)
	}
	if r := must(t, "station", "add", "--data", data, "--name", "副站"); r.stdout != "S-0002\n" {
		t.Errorf("station add: %q", r.stdout)
	}
	st := decode(t, must(t, "status", "--data", data, "--json").stdout)
	if n := len(st["stations"].([]any)); n != 2 {
		t.Errorf("status: %v", st)
	}
}

func TestServe_EndsWhenInterrupted(t *testing.T) {
	dir := t.TempDir()
	must(t, "init", "--data", filepath.Join(dir, "data"))
	file := filepath.Join(dir, "cloud.json")
	if err := os.WriteFile(file, []byte(`{"data":"data","listen":{"sync":"127.0.0.1:0"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	serving := &trigger{word: "cloud serves", then: stop}
	if err := run(ctx, []string{"serve", "--config", file}, new(bytes.Buffer), serving); err != nil || !serving.seen {
		t.Fatalf("serve: %v, seen %v", err, serving.seen)
	}
}

// A trigger does something when a word is written.
type trigger struct {
	word string
	then func()
	seen bool
}

func (w *trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.word)) {
		w.seen = true
		w.then()
	}
	return len(p), nil
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want error
		text string
	}{
		{nil, errUsage, "cloudd init"},
		{[]string{"station"}, errUsage, "cloudd init"},
		{[]string{"sing"}, errUsage, "cloudd init"},
		{[]string{"init", "--colour"}, errUsage, "colour"},
		{[]string{"init", "-h"}, errHelp, "-tenant"},
		{[]string{"help"}, nil, "cloudd init"},
	} {
		r, err := call(t, c.args...)
		if !errors.Is(err, c.want) || !strings.Contains(r.stdout+r.stderr, c.text) {
			t.Errorf("cloudd %v: %v\n%s%s", c.args, err, r.stdout, r.stderr)
		}
	}
	for want, args := range map[string][]string{
		"数据目录":                    {"serve"},
		"unexpected argument":     {"status", "--data", "x", "y"},
		"run init first":          {"status", "--data", filepath.Join(t.TempDir(), "none")},
		"配置文件读不到":                 {"status", "--config", "none"},
		"--log":                   {"status", "--data", "x", "--log", "loud"},
		"a wallet file is needed": {"sample", "--data", initialised(t)},
	} {
		if _, err := call(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("cloudd %v: %v, want %q", args, err, want)
		}
	}
}

func initialised(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	must(t, "init", "--data", data)
	return data
}
