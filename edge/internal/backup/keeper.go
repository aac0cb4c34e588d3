package backup

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"filippo.io/age"

	"yipiao/sync/ticket"
)

// Times of the schedule.
const (
	lookEvery  = 30 * time.Second
	retryAfter = 10 * time.Minute
	overdue    = 36 * time.Hour // after this long without any backup somebody must look
)

// KeeperConfig is what a Keeper needs. Functions are safe for concurrent use.
type KeeperConfig struct {
	Source     Source
	About      func() About                    // all but the kind
	Recipients func() ([]age.Recipient, error) // asked for every backup
	Folder     Folder
	Stick      Folder // for backups by hand; Path "" for none
	Keep       Keep
	DailyAt    time.Duration    // since midnight, Asia/Shanghai
	Now        func() time.Time // the station's corrected clock
	Log        *slog.Logger
	Ended      func(Outcome) // a backup was made or not: journal it; called before the state changes
	Changed    func()        // the state has changed: the page may be written anew
}

// An Outcome is a backup that was made, or was not.
type Outcome struct {
	Kind   Kind
	By     string // who asked; "" for the station itself
	At     time.Time
	Took   time.Duration
	Result Result
	Err    error // with a Code; nil when it was made
}

// State is what pages and programs show of backups.
type State struct {
	Running  Kind // "" for none
	Progress Progress
	Last     *Outcome // since the start; nil for none
	ByHand   *Outcome // the last one that a person asked for
	Failed   *Outcome // the last one by the clock or at a stop, if it failed and none has succeeded since
	Kept     []Info   // newest first, folder and stick
}

// A Keeper makes backups by the clock and on demand, one at a time. It is safe for concurrent use.
type Keeper struct {
	cfg  KeeperConfig
	busy sync.Mutex // held while a backup is being made
	asks chan ask

	mu    sync.Mutex // guards the fields below
	state State
	tried time.Time // last try by the clock, machine time
}

// NewKeeper returns a Keeper; nothing runs before Run.
func NewKeeper(cfg KeeperConfig) *Keeper { return &Keeper{cfg: cfg, asks: make(chan ask, 1)} }

// An ask is a backup that a person wants.
type ask struct {
	by    string
	stick bool
}

// Ask has Run make a backup by hand, in the folder or on the stick, and returns at once: CodeBusy while
// one is being made, CodeNotMounted where no stick is configured.
func (k *Keeper) Ask(by string, stick bool) error {
	if stick && k.cfg.Stick.Path == "" {
		return &Error{Code: CodeNotMounted}
	}
	k.mu.Lock()
	running := k.state.Running != ""
	k.mu.Unlock()
	if !running {
		select {
		case k.asks <- ask{by, stick}:
			return nil
		default:
		}
	}
	return &Error{Code: CodeBusy}
}

// Run makes the backup of the day when it is due, also late: after a start, after a failure; and those
// that are asked for. It returns nil when ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	k.list()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if k.due() {
			_, _ = k.Make(ctx, Daily, "") // noted in the state; tried again
		}
		select {
		case <-tick.C:
		case a := <-k.asks:
			folder := k.cfg.Folder
			if a.stick {
				folder = k.cfg.Stick
			}
			_, _ = k.make(ctx, folder, Manual, a.by)
		case <-ctx.Done():
			return nil
		}
	}
}

// due reports whether the backup of the day is to be tried now. A station that has read nothing yet
// has nothing to keep.
func (k *Keeper) due() bool {
	k.mu.Lock()
	tried := k.tried
	k.mu.Unlock()
	if !tried.IsZero() && time.Since(tried) < retryAfter {
		return false
	}
	last := k.lastDaily()
	if _, cursor := k.cfg.Source.FeedPlace(); last.IsZero() && cursor == 0 {
		return false
	}
	return Due(k.cfg.Now(), last, k.cfg.DailyAt)
}

// lastDaily is when the newest backup by the clock was made; one from the future was made under a
// clock that was wrong, and does not count.
func (k *Keeper) lastDaily() time.Time {
	now := k.cfg.Now()
	kept, err := k.cfg.Folder.List(k.cfg.About().Station)
	if err != nil {
		return time.Time{} // then making one fails as well, and says why
	}
	for _, b := range kept {
		if b.Kind == Daily && b.At.Before(now.Add(time.Minute)) {
			return b.At
		}
	}
	return time.Time{}
}

// Due reports whether a backup of the day is due at now: the last one is from before the newest instant
// of the schedule. at is the time since midnight, Asia/Shanghai.
func Due(now, last time.Time, at time.Duration) bool {
	y, m, d := ticket.Time(now.UnixMilli()).Date()
	slot := time.Date(y, m, d, 0, 0, 0, 0, ticket.Time(0).Location()).Add(at)
	if slot.After(now) {
		slot = slot.AddDate(0, 0, -1)
	}
	return last.Before(slot.Truncate(time.Second))
}

// Make makes a backup in the folder now. by is who asked, "" for the station itself. It returns
// CodeBusy at once while another one is being made.
func (k *Keeper) Make(ctx context.Context, kind Kind, by string) (Result, error) {
	return k.make(ctx, k.cfg.Folder, kind, by)
}

func (k *Keeper) make(ctx context.Context, folder Folder, kind Kind, by string) (Result, error) {
	if !k.busy.TryLock() {
		return Result{}, &Error{Code: CodeBusy}
	}
	defer k.busy.Unlock()
	defer k.set(func(s *State) { s.Running = "" }) // also when something panics
	out := Outcome{Kind: kind, By: by, At: k.cfg.Now()}
	began := time.Now()
	k.set(func(s *State) { s.Running, s.Progress = kind, Progress{} })
	if kind == Daily {
		k.mu.Lock()
		k.tried = began
		k.mu.Unlock()
	}
	about := k.cfg.About()
	about.Kind, about.Now = kind, out.At
	to, err := k.cfg.Recipients()
	if err == nil {
		out.Result, err = Make(ctx, Job{
			Source: k.cfg.Source, About: about, To: to, Folder: folder, Keep: k.cfg.Keep,
			Progress: func(p Progress) { k.set(func(s *State) { s.Progress = p }) },
		})
	}
	out.Err, out.Took = err, time.Since(began)
	k.ended(&out)
	return out.Result, err
}

func (k *Keeper) ended(out *Outcome) {
	if out.Err != nil {
		k.cfg.Log.Error("backup not made", "kind", string(out.Kind), "code", string(CodeOf(out.Err)), "error", out.Err)
	} else {
		k.cfg.Log.Info("backup made", "kind", string(out.Kind), "file", out.Result.Name, "bytes", out.Result.Bytes,
			"tickets", out.Result.Counts.Tickets, "facts", out.Result.Counts.Facts, "took_ms", out.Took.Milliseconds())
	}
	if out.Err == nil && out.Result.Pruned != nil {
		k.cfg.Log.Warn("older backups not removed", "error", out.Result.Pruned)
	}
	if k.cfg.Ended != nil {
		k.cfg.Ended(*out)
	}
	kept := k.kept()
	k.set(func(s *State) {
		s.Running, s.Last, s.Kept = "", out, kept
		if out.Kind == Manual {
			s.ByHand = out
		}
		switch {
		case out.Err == nil:
			s.Failed = nil
		case out.Kind != Manual && CodeOf(out.Err) != CodeStopped:
			s.Failed = out
		}
	})
}

func (k *Keeper) kept() []Info {
	station := k.cfg.About().Station
	kept, err := k.cfg.Folder.List(station)
	if err != nil {
		k.cfg.Log.Warn("backups not listed", "error", err)
	}
	if k.cfg.Stick.Path != "" && k.cfg.Stick.check() == nil {
		if more, err := k.cfg.Stick.List(station); err == nil {
			kept = append(kept, more...)
		}
	}
	slices.SortStableFunc(kept, func(a, b Info) int { return b.At.Compare(a.At) })
	return kept
}

// list reads the folders once, so that pages never wait for a disk.
func (k *Keeper) list() {
	kept := k.kept()
	k.set(func(s *State) { s.Kept = kept })
}

func (k *Keeper) set(change func(*State)) {
	k.mu.Lock()
	change(&k.state)
	k.mu.Unlock()
	if k.cfg.Changed != nil {
		k.cfg.Changed()
	}
}

// State returns the present state. It asks no disk.
func (k *Keeper) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.state
	s.Kept = append([]Info(nil), s.Kept...)
	return s
}

// Attention is what a person must look at, as a stable code; "" for nothing. up is how long the
// station has been running: one that has just started makes its backup first.
func (s *State) Attention(now time.Time, up time.Duration) string {
	switch {
	case s.Failed != nil:
		return "backup_failed:" + string(CodeOf(s.Failed.Err))
	case s.Running == "" && up > time.Hour && (len(s.Kept) == 0 || now.Sub(s.Kept[0].At) > overdue):
		return "backup_overdue"
	}
	return ""
}
