package backup_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"yipiao/edge/internal/backup"
	"yipiao/sync/ticket"
)

// TestDue is the schedule (SHOW-6.4.1.1: at least one a day), also for a machine that was off.
func TestDue(t *testing.T) {
	at := func(day, hour, minute int) time.Time {
		return time.Date(2026, 11, day, hour, minute, 0, 0, ticket.Shanghai())
	}
	for _, c := range []struct {
		name      string
		now, last time.Time
		want      bool
	}{
		{"never made", at(25, 1, 0), time.Time{}, true},
		{"a minute before", at(25, 4, 29), at(24, 4, 30), false},
		{"at the minute", at(25, 4, 30), at(24, 4, 30), true},
		{"made today", at(25, 4, 31), at(25, 4, 30), false},
		{"late in the evening", at(25, 23, 59), at(25, 4, 30), false},
		{"after midnight", at(26, 0, 1), at(25, 4, 30), false},
		{"off at the time, started at noon", at(25, 12, 0), at(24, 4, 30), true},
		{"off for days", at(25, 1, 0), at(20, 4, 30), true},
		{"made late yesterday", at(25, 4, 0), at(24, 12, 0), false},
		{"the month turns", at(1, 4, 0), at(1, 4, 30).AddDate(0, 0, -1), false},
		{"another time zone", at(25, 4, 30).UTC(), at(24, 4, 30).UTC(), true},
	} {
		if got := backup.Due(c.now, c.last, 4*time.Hour+30*time.Minute); got != c.want {
			t.Errorf("%s: due %v", c.name, got)
		}
	}
}

// A rig is a Keeper over a memory, with its clock and its journal of outcomes.
type rig struct {
	*backup.Keeper
	m    *memory
	mu   sync.Mutex
	now  time.Time
	to   []age.Recipient
	ends []backup.Outcome
	dir  string
	news chan struct{}
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		m: &memory{tickets: 50}, dir: filepath.Join(t.TempDir(), "backup"), to: []age.Recipient{newPair(t).to},
		now: about(backup.Daily).Now, news: make(chan struct{}, 1000),
	}
	r.Keeper = backup.NewKeeper(backup.KeeperConfig{
		Source: r.m, About: func() backup.About { return about("") }, DailyAt: 4*time.Hour + 30*time.Minute,
		Recipients: func() ([]age.Recipient, error) { return r.to, nil },
		Folder:     backup.Folder{Path: r.dir, Own: true, Data: t.TempDir()}, Stick: backup.Folder{Path: t.TempDir(), Removable: true, Data: t.TempDir()},
		Keep: backup.Keep{Daily: 2, Others: 2}, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.now
		},
		Ended: func(o backup.Outcome) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ends = append(r.ends, o)
		},
		Changed: func() { r.news <- struct{}{} },
	})
	return r
}

// until waits for a state that was announced.
func (r *rig) until(t *testing.T, what string, ok func(backup.State) bool) backup.State {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		if s := r.State(); ok(s) {
			return s
		}
		select {
		case <-r.news:
		case <-limit:
			t.Fatalf("waited too long until %s", what)
		}
	}
}

func (r *rig) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestKeeper_ByTheClockAndByHand: the backup of the day is made at the start when it is due, then those
// that are asked for; a stick that is not there says so (SHOW-E.3.1-a to d).
func TestKeeper_ByTheClockAndByHand(t *testing.T) {
	r := newRig(t)
	r.run(t)
	s := r.until(t, "the day's is made", func(s backup.State) bool { return s.Last != nil && s.Running == "" })
	if s.Last.Err != nil || s.Last.Kind != backup.Daily || len(s.Kept) != 1 || s.ByHand != nil {
		t.Fatalf("%+v", s)
	}
	if err := r.Ask("技术员", false); err != nil {
		t.Fatal(err)
	}
	s = r.until(t, "one is made by hand", func(s backup.State) bool { return s.ByHand != nil })
	if s.ByHand.Err != nil || s.ByHand.By != "技术员" || len(s.Kept) != 2 {
		t.Fatalf("%+v", s.ByHand)
	}
	if err := r.Ask("技术员", true); err != nil {
		t.Fatal(err)
	}
	s = r.until(t, "the stick has failed", func(s backup.State) bool { return s.ByHand.Err != nil })
	wantCode(t, s.ByHand.Err, backup.CodeNotMounted)
	if code := s.Attention(r.now, 0); code != "" {
		t.Errorf("a person was told; the station need not say %q", code)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ends) != 3 {
		t.Fatalf("%d outcomes were told", len(r.ends))
	}
}

// TestKeeper_FailureNeedsAPerson until one has succeeded; it is not tried in a hurry.
func TestKeeper_FailureNeedsAPerson(t *testing.T) {
	r := newRig(t)
	to := r.to
	r.to = nil
	_, err := r.Make(t.Context(), backup.Daily, "")
	wantCode(t, err, backup.CodeNoRecipient)
	s := r.State()
	if got := s.Attention(r.now, time.Minute); got != "backup_failed:no_recipient" {
		t.Fatal(got)
	}
	r.to = to
	if _, err := r.Make(t.Context(), backup.Shutdown, ""); err != nil {
		t.Fatal(err)
	}
	s = r.State()
	if got := s.Attention(r.now, 2*time.Hour); got != "" {
		t.Fatal(got)
	}
	if got := s.Attention(r.now.AddDate(0, 0, 2), 2*time.Hour); got != "backup_overdue" {
		t.Fatal(got)
	}
}

// TestKeeper_OneAtATime: the second one is told so at once.
func TestKeeper_OneAtATime(t *testing.T) {
	r := newRig(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.m.hook = func(int) {
		once.Do(func() {
			close(began)
			<-goOn
		})
	}
	done := make(chan error, 1)
	go func() {
		_, err := r.Make(context.Background(), backup.Manual, "a")
		done <- err
	}()
	<-began
	_, err := r.Make(t.Context(), backup.Manual, "b")
	wantCode(t, err, backup.CodeBusy)
	wantCode(t, r.Ask("c", false), backup.CodeBusy)
	if s := r.State(); s.Running != backup.Manual {
		t.Errorf("running %q", s.Running)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestKeeper_WrongClock: a backup from the future does not stand for today's.
func TestKeeper_WrongClock(t *testing.T) {
	r := newRig(t)
	real := r.now
	r.now = real.AddDate(1, 0, 0)
	if _, err := r.Make(t.Context(), backup.Daily, ""); err != nil {
		t.Fatal(err)
	}
	r.now = real
	again := backup.NewKeeper(backup.KeeperConfig{
		Source: r.m, About: func() backup.About { return about("") }, DailyAt: 4*time.Hour + 30*time.Minute,
		Recipients: func() ([]age.Recipient, error) { return r.to, nil }, Folder: backup.Folder{Path: r.dir, Own: true, Data: t.TempDir()},
		Keep: backup.Keep{Daily: 1, Others: 1}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return real },
		Changed: func() { r.news <- struct{}{} },
	})
	r.Keeper = again
	r.run(t)
	s := r.until(t, "today's is made", func(s backup.State) bool { return s.Last != nil })
	if s.Last.Err != nil {
		t.Fatal(s.Last.Err)
	}
	if _, err := os.Stat(s.Last.Result.Path); errors.Is(err, os.ErrNotExist) {
		t.Fatal("today's was removed in favour of one from the future")
	}
}
