package bridge

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"runtime"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/port/bridgeport"
	"yipiao/edge/internal/devices"
	"yipiao/firmware-sim/scanner"
	"yipiao/firmware-sim/tape"
	"yipiao/firmware-sim/turnstile"
)

// A lane is a station's devices behind a bridge: a line scanner and a turnstile.
type lane struct {
	t        *testing.T
	set      *devices.Set
	gate     *devices.Gate
	scans    chan drivers.Scan
	passages chan drivers.Passage
}

func stationOf(t *testing.T, s *site, address string) *lane {
	t.Helper()
	far := func(name string) devices.Port {
		return devices.Port{Line: bridgeport.Config{Address: address, Name: name}}
	}
	set, err := devices.New([]devices.Config{
		{Name: "scanner-1", Kind: "linescan", Port: far("scanner-1")},
		{Name: "gate-1", Kind: "lotgate", Port: far("gate-1"), Settings: json.RawMessage(`{"timeout_ms":500,"gap_ms":2}`)},
	}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	set.Trust(s.trust(s.caller(), nil))
	l := &lane{
		t: t, set: set, scans: make(chan drivers.Scan, 100), passages: make(chan drivers.Passage, 100),
	}
	sc, err := set.Scanner("scanner-1")
	if err != nil {
		t.Fatal(err)
	}
	sc.Subscribe(func(s drivers.Scan) { l.scans <- s })
	if l.gate, err = set.Gate("gate-1"); err != nil {
		t.Fatal(err)
	}
	l.gate.Subscribe(devices.GateEvents{Passage: func(p drivers.Passage) { l.passages <- p }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- set.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("devices: %v", err)
		}
	})
	return l
}

// until waits until a device is in a state, with a note if that is not empty.
func (l *lane) until(device string, state drivers.State, note string) {
	l.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(patience); ; <-tick.C {
		st, _ := l.set.Status(device)
		if st.State == state && (note == "" || st.Note == note) {
			return
		}
		if time.Now().After(until) {
			l.t.Fatalf("%s is %s (%s), want %s (%s)", device, st.State, st.Note, state, note)
		}
	}
}

func next[E any](t *testing.T, from <-chan E) E {
	t.Helper()
	select {
	case e := <-from:
		return e
	case <-time.After(patience):
		var none E
		t.Fatalf("no %T came", none)
		return none
	}
}

// TestDriversNoticeNoDifference: a scanner and a turnstile at a gate PC, as if they were the station's own:
// scan, permit, passage; unplugged and back; the network dead and back; the bridge started anew.
func TestDriversNoticeNoDifference(t *testing.T) {
	before, files := runtime.NumGoroutine(), descriptors(t)
	t.Run("all", func(t *testing.T) {
		s := newSite(t, newRoot(t), 3)
		sc, err := scanner.New(scanner.Settings{AIM: "]Q1"}, tape.Recorder{})
		if err != nil {
			t.Fatal(err)
		}
		ts, err := turnstile.New(turnstile.Settings{Walk: 50 * time.Millisecond}, tape.Recorder{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		works := make(chan error, 1)
		go func() { works <- ts.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			<-works
		})
		socket, scan := plug(t, "scanner-1", sc)
		_, gate := plug(t, "gate-1", ts)
		ports := map[string]devices.Port{"scanner-1": serial(scan), "gate-1": serial(gate)}
		self := s.bridge("d1", time.Now(), time.Now())
		k := run(t, self, ports)
		network, through := relay(t, k.address)
		l := stationOf(t, s, through)
		l.until("gate-1", drivers.StateOK, "")

		shown := func(code string) {
			t.Helper()
			l.until("scanner-1", drivers.StateOK, "") // what is scanned before is thrown away
			if err := sc.Scan(ctx, code); err != nil {
				t.Fatal(err)
			}
			if got := next(t, l.scans); string(got.Data) != code || got.AIM != "]Q1" {
				t.Errorf("%+v", got)
			}
		}
		passed := func(id drivers.PermitID) {
			t.Helper()
			if err := l.gate.Release(t.Context(), drivers.Permit{ID: id, Direction: drivers.Entry, For: 5 * time.Second}); err != nil {
				t.Fatalf("Release: %v", err)
			}
			if p := next(t, l.passages); p.Permit != id {
				t.Errorf("%+v", p)
			}
		}
		shown("T1:BEFORE")
		passed(1)

		socket.Unplug()
		l.until("scanner-1", drivers.StateLost, "not plugged in")
		socket.Replug()
		shown("T1:PLUGGED")

		if err := network.SetDelay(time.Minute); err != nil {
			t.Fatal(err)
		}
		l.until("gate-1", drivers.StateLost, "")
		l.until("scanner-1", drivers.StateLost, "")
		if err := network.SetDelay(0); err != nil {
			t.Fatal(err)
		}
		l.until("gate-1", drivers.StateOK, "")
		shown("T1:MENDED")
		passed(2)
	})
	for what, count := range map[string]func() int{"goroutines": runtime.NumGoroutine, "descriptors": func() int { return descriptors(t) }} {
		want := map[string]int{"goroutines": before, "descriptors": files}[what]
		for until := time.Now().Add(patience); count() > want; runtime.Gosched() {
			if time.Now().After(until) {
				t.Fatalf("%d %s, before %d", count(), what, want)
			}
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
