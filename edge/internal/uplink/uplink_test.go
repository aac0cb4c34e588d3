package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/edge/internal/uplink"
)

var errCut = errors.New("the line is cut")

// line is a path to the cloud that the test cuts and mends.
type line struct {
	mu      sync.Mutex
	cut     bool
	hang    bool
	probes  int
	changes []string
	cloud   []int64
}

func (l *line) probe(ctx context.Context) (int64, error) {
	l.mu.Lock()
	l.probes++
	cut, hang := l.cut, l.hang
	l.mu.Unlock()
	if hang {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if cut {
		return 0, errCut
	}
	return 77, nil
}

func (l *line) set(cut, hang bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut, l.hang = cut, hang
}

func (l *line) take() (probes int, changes []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	probes, changes = l.probes, l.changes
	l.probes, l.changes = 0, nil
	return probes, changes
}

// watched runs a monitor over a line in virtual time.
func watched(t *testing.T, test func(*testing.T, *line, *uplink.Monitor)) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{}
		var m *uplink.Monitor
		m, err := uplink.New(uplink.Config{
			Links: []uplink.Link{{Name: "wired", Probe: l.probe}}, Answer: func(error) bool { return false },
			Every: 4 * time.Second, Deadline: 2 * time.Second, Log: slog.New(slog.DiscardHandler),
			Measured: func(ms int64, sent, got time.Time) {
				l.mu.Lock()
				defer l.mu.Unlock()
				if got.Before(sent) {
					t.Error("answered before it was asked")
				}
				l.cloud = append(l.cloud, ms)
			},
			Changed: func(_ context.Context, from, to uplink.State, _ string) {
				if m.Status().State != from {
					t.Errorf("shows %s before the change from %s is told", m.Status().State, from)
				}
				l.mu.Lock()
				defer l.mu.Unlock()
				l.changes = append(l.changes, fmt.Sprintf("%s>%s", from, to))
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := m.Run(ctx); err != nil {
				t.Errorf("ended with %v", err)
			}
		})
		defer wg.Wait()
		defer cancel()
		test(t, l, m)
	})
}

func later(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestMonitor_TellsEveryChangeOnce(t *testing.T) {
	watched(t, func(t *testing.T, l *line, m *uplink.Monitor) {
		later(20 * time.Second)
		if n, changes := l.take(); n != 6 || !slices.Equal(changes, []string{"unknown>online"}) {
			t.Fatalf("%d probes, %v", n, changes)
		}
		l.set(true, false)
		later(20 * time.Second)
		if n, changes := l.take(); n < 15 || n > 20 || !slices.Equal(changes, []string{"online>extreme"}) {
			t.Fatalf("%d probes, %v: it asks four times as often in an outage", n, changes)
		}
		st := m.Status()
		if st.State != uplink.Extreme || st.LastError != errCut.Error() || time.Since(st.LastHeard) < 20*time.Second {
			t.Fatalf("%+v", st)
		}
		l.set(false, false)
		later(3 * time.Second)
		if _, changes := l.take(); !slices.Equal(changes, []string{"extreme>online"}) {
			t.Fatalf("%v", changes)
		}
		if st := m.Status(); time.Since(st.LastHeard) > 4*time.Second || time.Since(st.Since) > 3*time.Second {
			t.Fatalf("%+v", st)
		}
	})
}

func TestMonitor_OneLostProbeChangesNothing(t *testing.T) {
	watched(t, func(t *testing.T, l *line, _ *uplink.Monitor) {
		later(4100 * time.Millisecond)
		l.take()
		l.set(true, false)
		later(4 * time.Second) // one probe
		l.set(false, false)
		later(time.Minute)
		if _, changes := l.take(); len(changes) != 0 {
			t.Fatalf("%v", changes)
		}
	})
}

func TestMonitor_ProbeThatHangsIsGivenUp(t *testing.T) {
	watched(t, func(t *testing.T, l *line, m *uplink.Monitor) {
		synctest.Wait()
		l.take()
		l.set(false, true)
		later(4*time.Second + 2*time.Second + time.Second + 2*time.Second) // two probes with their deadlines
		if n, changes := l.take(); n != 2 || !slices.Equal(changes, []string{"online>extreme"}) {
			t.Fatalf("%d probes, %v, %+v", n, changes, m.Status())
		}
	})
}

func TestMonitor_HeardMakesTheWordNewer(t *testing.T) {
	watched(t, func(t *testing.T, l *line, m *uplink.Monitor) {
		synctest.Wait()
		l.set(true, false)
		later(time.Hour)
		now := time.Now()
		m.Heard(now)
		m.Heard(now.Add(-time.Minute)) // an older one that comes late
		if got := m.Status().LastHeard; !got.Equal(now) {
			t.Fatalf("%s, want %s", got, now)
		}
	})
}

func TestMonitor_EveryAnswerIsMeasured(t *testing.T) {
	watched(t, func(t *testing.T, l *line, _ *uplink.Monitor) {
		later(9 * time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		if !slices.Equal(l.cloud, []int64{77, 77, 77}) {
			t.Fatalf("%v", l.cloud)
		}
	})
}

func TestMonitor_MissingPartsAreRefused(t *testing.T) {
	probe := func(context.Context) (int64, error) { return 0, nil }
	good := uplink.Config{
		Links: []uplink.Link{{Probe: probe}}, Answer: func(error) bool { return false },
		Measured: func(int64, time.Time, time.Time) {}, Changed: func(context.Context, uplink.State, uplink.State, string) {},
		Every: time.Second, Deadline: time.Second,
	}
	for name, spoil := range map[string]func(*uplink.Config){
		"links": func(c *uplink.Config) { c.Links = nil }, "probe": func(c *uplink.Config) { c.Links = []uplink.Link{{}} },
		"answer": func(c *uplink.Config) { c.Answer = nil }, "measured": func(c *uplink.Config) { c.Measured = nil },
		"changed": func(c *uplink.Config) { c.Changed = nil }, "every": func(c *uplink.Config) { c.Every = 0 },
		"deadline": func(c *uplink.Config) { c.Deadline = -1 },
	} {
		c := good
		spoil(&c)
		if _, err := uplink.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
