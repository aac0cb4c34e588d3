package supervise_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/edge/internal/supervise"
)

var quiet = slog.New(slog.DiscardHandler)

// run supervises services in the background; the returned function ends it and gives its error.
func run(log *slog.Logger, services ...supervise.Service) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- supervise.Run(ctx, log, services...) }()
	return func() error {
		cancel()
		return <-done
	}
}

func later(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// steady works until it is stopped.
func steady(runs *atomic.Int32) supervise.Service {
	return supervise.Service{Name: "steady", Run: func(ctx context.Context) error {
		runs.Add(1)
		<-ctx.Done()
		return nil
	}}
}

func TestRun_PanicIsCapturedAndTheServiceStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var runs, others atomic.Int32
		stop := run(slog.New(slog.NewTextHandler(&log, nil)), steady(&others), supervise.Service{Name: "bad", Run: func(context.Context) error {
			if runs.Add(1) <= 2 {
				panic("out of luck")
			}
			return nil
		}})
		synctest.Wait()
		if runs.Load() != 1 {
			t.Fatal("started again without a pause")
		}
		later(time.Second)
		if runs.Load() < 3 || others.Load() != 1 {
			t.Fatalf("%d runs, the other service %d", runs.Load(), others.Load())
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"out of luck", "service=bad", "supervise_test.go"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q", want)
			}
		}
	})
}

func TestRun_PausesGrowToTenSecondsAndGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var starts []time.Time
		work := time.Duration(0)
		stop := run(quiet, supervise.Service{Name: "bad", Run: func(context.Context) error {
			mu.Lock()
			starts = append(starts, time.Now())
			wait := work
			mu.Unlock()
			<-time.After(wait)
			return errors.New("no")
		}})
		later(5 * time.Minute)
		mu.Lock()
		n := len(starts)
		last := starts[n-1].Sub(starts[n-2])
		if first := starts[1].Sub(starts[0]); first < 50*time.Millisecond || first > 150*time.Millisecond || last < 5*time.Second || last > 15*time.Second {
			t.Errorf("first pause %s, last %s", first, last)
		}
		work = 11 * time.Second // from now on it works for a while before it ends
		mu.Unlock()
		later(time.Minute)
		mu.Lock()
		n = len(starts)
		if pause := starts[n-1].Sub(starts[n-2]) - work; pause > 150*time.Millisecond {
			t.Errorf("pause %s after a run of %s", pause, work)
		}
		mu.Unlock()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// errInUse is something that starting again does not mend.
var errInUse = errors.New("address in use")

func TestRun_PermanentEndsAllAndIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		ended := false
		err := supervise.Run(context.Background(), quiet, steady(&runs),
			supervise.Service{Name: "tidy", Run: func(ctx context.Context) error {
				<-ctx.Done()
				<-time.After(time.Minute) // takes its time, and is waited for
				ended = true
				return nil
			}},
			supervise.Service{Name: "web", Run: func(context.Context) error {
				return fmt.Errorf("listen: %w", supervise.Permanent(errInUse))
			}})
		if !errors.Is(err, errInUse) || !strings.Contains(err.Error(), "web") {
			t.Fatalf("got %v", err)
		}
		if !ended || runs.Load() != 1 {
			t.Fatalf("returned before all had ended: %v, %d", ended, runs.Load())
		}
	})
}

func TestRun_EndsWithoutAnErrorWhenStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		began := time.Now()
		stop := run(quiet, steady(&runs), supervise.Service{Name: "bad", Run: func(context.Context) error { return errors.New("no") }})
		later(10 * time.Second)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Fatalf("a pause held up the end: %s", took)
		}
	})
}

func TestPermanent_OfNothingIsNothing(t *testing.T) {
	if supervise.Permanent(nil) != nil {
		t.Fatal("an error out of nothing")
	}
}
