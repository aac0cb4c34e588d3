package apptest

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDoctor asks a running station about its devices and has it test them, over HTTPS as a technician.
func TestDoctor(t *testing.T) {
	s := newSystem(t)
	s.start()
	out, err := s.yipiao("doctor", "devices", "--json")
	var d struct {
		Station string
		Devices []struct{ Name, Kind, State, At string }
	}
	if jsonErr := json.Unmarshal([]byte(out[:strings.LastIndex(out, "}")+1]), &d); jsonErr != nil || d.Station != "yes" || len(d.Devices) == 0 {
		t.Fatalf("%v, %v\n%s", err, jsonErr, out)
	}
	for _, dev := range d.Devices {
		if dev.State != "ok" || dev.At != "node" {
			t.Errorf("%+v", dev)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	sim, scanned := newSim(s), make(chan struct{})
	go func() { // somebody scans the same code again and again
		defer close(scanned)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			_ = sim.c.Scan(ctx, "scanner-1", "NOT-A-TICKET-0123456789") // the station may not listen at the moment
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	out = s.must([]string{"[waiting_code]", "[code_read]", "通过"}, "doctor", "devices", "--test", "scanner-1")
	if strings.Contains(out, "TICKET-0123456789") {
		t.Errorf("a code is shown:\n%s", out)
	}
	cancel()
	<-scanned
	sim.close()
	s.must([]string{"[gate_read]"}, "doctor", "devices", "--test", "gate-1")
	s.must([]string{"[gate_open]", "[passed]"}, "doctor", "devices", "--test", "gate-1", "--open", "--yes")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"没有确认", []string{"--test", "gate-1", "--open"}}, // nobody is there to say yes
		{"no_such_device", []string{"--test", "printer-9"}},
		{"not_a_printer", []string{"--test", "gate-1", "--print"}},
		{"--test scanner-1", []string{"--port", filepath.Join(s.dir, "dev", "scanner-1"), "--kind", "linescan"}},
	} {
		if out, err := s.yipiao(append([]string{"doctor", "devices"}, c.args...)...); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%q: %v\n%s", c.args, err, out)
		}
	}
}
