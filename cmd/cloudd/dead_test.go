package main

import (
	"strings"
	"testing"
)

func TestDeadLetters(t *testing.T) {
	data := initialised(t)
	if r := must(t, "dead-letters", "list", "--data", data); !strings.Contains(r.stdout, "no dead letters") {
		t.Errorf("list: %s", r.stdout)
	}
	if r := must(t, "dead-letters", "list", "--data", data, "--json"); r.stdout != "[]\n" {
		t.Errorf("list for programs: %q", r.stdout)
	}
	if r := must(t, "dead-letters", "export", "--data", data); r.stdout != "" {
		t.Errorf("export: %q", r.stdout)
	}
	if r := decode(t, must(t, "dead-letters", "retry", "--data", data, "--json").stdout); r["settled"] != 0.0 {
		t.Errorf("retry: %v", r)
	}
	for want, args := range map[string][]string{
		"S-0001":              {"retry", "--seq", "3"},
		"name the station":    {"list", "--station", "x"},
		"unknown station":     {"retry", "--station", "S-0009", "--seq", "3"},
		"unexpected argument": {"export", "all"},
	} {
		if _, err := call(t, append([]string{"dead-letters", args[0], "--data", data}, args[1:]...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("dead-letters %v: %v, want %q", args, err, want)
		}
	}
}
