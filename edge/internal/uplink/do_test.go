package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/edge/internal/uplink"
)

// errNo is what the cloud answers.
var errNo = errors.New("no")

// A pair is two links in virtual time. The first is probed a little earlier, so that no two things happen at once.
type pair struct {
	wired, mobile *line
	m             *uplink.Monitor

	mu      sync.Mutex
	changes []string
}

func onPair(t *testing.T, was uplink.State, test func(t *testing.T, p *pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pair{wired: &line{}, mobile: &line{}}
		late := func(ctx context.Context) (int64, error) {
			<-time.After(13 * time.Millisecond)
			return p.mobile.probe(ctx)
		}
		var err error
		p.m, err = uplink.New(uplink.Config{
			Links: []uplink.Link{{Name: "wired", Probe: p.wired.probe}, {Name: "4G", Probe: late}}, Was: was,
			Every: 4 * time.Second, Deadline: 2 * time.Second, Log: slog.New(slog.DiscardHandler),
			Measured: func(int64, time.Time, time.Time) {}, Answer: func(err error) bool { return errors.Is(err, errNo) },
			Changed: func(_ context.Context, from, to uplink.State, link string) {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.changes = append(p.changes, fmt.Sprintf("%s>%s %s", from, to, link))
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- p.m.Run(ctx) }()
		later(time.Second)
		test(t, p)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (p *pair) told() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := strings.Join(p.changes, ", ")
	p.changes = nil
	return all
}

// TestMonitor_CutTheFirstCutBothFlap is CINE-7.1.2 on paper: which state when, and told once each.
func TestMonitor_CutTheFirstCutBothFlap(t *testing.T) {
	onPair(t, uplink.Unknown, func(t *testing.T, p *pair) {
		if got := p.told(); got != "unknown>online wired" {
			t.Fatalf("%q", got)
		}
		p.wired.set(true, false)
		later(10 * time.Second)
		if got := p.told(); got != "online>backup 4G" {
			t.Fatalf("first cut: %q", got)
		}
		p.mobile.set(false, true)
		later(20 * time.Second)
		if st := p.m.Status(); p.told() != "backup>extreme " || st.Active != -1 || st.Links[0].Up || st.Links[1].Up {
			t.Fatalf("both cut: %+v", st)
		}
		p.mobile.set(false, false)
		later(5 * time.Second)
		if got := p.told(); got != "extreme>backup 4G" {
			t.Fatalf("second mended: %q", got)
		}
		for range 20 { // the first works for four probes, and is gone again
			p.wired.set(false, false)
			later(9 * time.Second)
			p.wired.set(true, false)
			later(6 * time.Second)
		}
		if got := p.told(); got != "" {
			t.Fatalf("it flaps: %q", got)
		}
		p.wired.set(false, false)
		later(30 * time.Second)
		if got := p.told(); got != "backup>online wired" {
			t.Fatalf("first mended: %q", got)
		}
	})
}

// TestMonitor_StateOfBeforeTheStart: a station that was cut off before and is after a restart tells nothing new.
func TestMonitor_StateOfBeforeTheStart(t *testing.T) {
	for was, want := range map[uplink.State]string{
		uplink.Online: "", uplink.Extreme: "extreme>online wired", uplink.Backup: "backup>online wired",
	} {
		onPair(t, was, func(t *testing.T, p *pair) {
			if got := p.told(); got != want {
				t.Errorf("was %s: %q, want %q", was, got, want)
			}
		})
	}
}

// TestMonitor_FromOneBackupToAnother is told, although the state is the same.
func TestMonitor_FromOneBackupToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := []*line{{cut: true}, {}, {}}
		var told []string
		cfg := uplink.Config{
			Every: 4 * time.Second, Deadline: 2 * time.Second, Log: slog.New(slog.DiscardHandler),
			Measured: func(int64, time.Time, time.Time) {}, Answer: func(error) bool { return false },
			Changed: func(_ context.Context, from, to uplink.State, link string) {
				told = append(told, fmt.Sprintf("%s>%s %s", from, to, link))
			},
		}
		for i, l := range lines {
			cfg.Links = append(cfg.Links, uplink.Link{Name: fmt.Sprint(i), Probe: func(ctx context.Context) (int64, error) {
				<-time.After(time.Duration(i) * 13 * time.Millisecond)
				return l.probe(ctx)
			}})
		}
		m, err := uplink.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		later(time.Second)
		lines[1].set(true, false)
		later(20 * time.Second)
		cancel()
		<-done
		if got := strings.Join(told, ", "); got != "unknown>backup 1, backup>backup 2" {
			t.Errorf("%s", got)
		}
	})
}

// TestDo_MovesACallToTheNextLink: the same call, again, over a link that works.
func TestDo_MovesACallToTheNextLink(t *testing.T) {
	onPair(t, uplink.Unknown, func(t *testing.T, p *pair) {
		var links []int
		err := p.m.Do(t.Context(), func(_ context.Context, link int) error {
			links = append(links, link)
			if link == 0 {
				return errCut
			}
			return nil
		})
		if err != nil || !slices.Equal(links, []int{0, 1}) {
			t.Errorf("a call that fails: %v over %v", err, links)
		}
		links = nil
		p.wired.set(true, false)
		begun := time.Now()
		err = p.m.Do(t.Context(), func(ctx context.Context, link int) error {
			links = append(links, link)
			if link == 0 { // a long poll on a line that swallows everything
				<-ctx.Done()
				return fmt.Errorf("request: %w", ctx.Err())
			}
			return nil
		})
		if err != nil || !slices.Equal(links, []int{0, 1}) || time.Since(begun) > 10*time.Second {
			t.Errorf("a call that hangs: %v over %v after %v", err, links, time.Since(begun))
		}
		links = nil
		if err := p.m.Do(t.Context(), func(_ context.Context, link int) error { links = append(links, link); return nil }); err != nil || !slices.Equal(links, []int{1}) {
			t.Errorf("the next call: %v over %v", err, links)
		}
	})
}

func TestDo_AnswersAreNotRepeatedAndErrorsAreTold(t *testing.T) {
	onPair(t, uplink.Unknown, func(t *testing.T, p *pair) {
		calls := 0
		err := p.m.Do(t.Context(), func(context.Context, int) error { calls++; return fmt.Errorf("cloud: %w", errNo) })
		if !errors.Is(err, errNo) || calls != 1 {
			t.Errorf("the cloud's answer: %v after %d calls", err, calls)
		}
		calls = 0
		err = p.m.Do(t.Context(), func(context.Context, int) error { calls++; return errCut })
		if !errors.Is(err, errCut) || calls != 2 {
			t.Errorf("no link carries it: %v after %d calls", err, calls)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		calls = 0
		err = p.m.Do(ctx, func(ctx context.Context, _ int) error { calls++; return ctx.Err() })
		if !errors.Is(err, context.Canceled) || calls != 1 {
			t.Errorf("the caller leaves: %v after %d calls", err, calls)
		}
	})
}

// TestDo_InAnOutageTheFirstLinkIsTried, and a call that hangs there moves when another link comes up.
func TestDo_InAnOutageTheFirstLinkIsTried(t *testing.T) {
	onPair(t, uplink.Unknown, func(t *testing.T, p *pair) {
		p.wired.set(true, false)
		p.mobile.set(true, false)
		later(20 * time.Second)
		p.told()
		go func() {
			<-time.After(3 * time.Second)
			p.mobile.set(false, false)
		}()
		var links []int
		err := p.m.Do(t.Context(), func(ctx context.Context, link int) error {
			links = append(links, link)
			if link == 0 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		if err != nil || !slices.Equal(links, []int{0, 1}) {
			t.Errorf("%v over %v", err, links)
		}
	})
}
