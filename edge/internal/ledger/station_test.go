package ledger_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/journal/seglog"
	"yipiao/sync/replica"
	"yipiao/sync/ticket"
	"yipiao/sync/ticket/decisions"
	"yipiao/sync/wire"
)

var start = time.Date(2026, 5, 20, 19, 0, 0, 0, ticket.Shanghai())

// handClock is set by the test.
type handClock struct {
	mu      sync.Mutex
	at      time.Time
	trusted bool
}

func (c *handClock) Now() (int64, int32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at.UnixMilli(), 0, c.trusted
}

func (c *handClock) set(at time.Time, trusted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.trusted = at, trusted
}

// station is a ledger on real files that can be stopped and started.
type station struct {
	t     testing.TB
	dir   string
	clock *handClock
	tweak func(*seglog.Config) // of the journal; nil for none
	log   *seglog.Log
	*ledger.Ledger
	report ledger.Report
	nonce  int              // last one given out by enter
	w      *decisions.World // where a test shares it with its steps
}

func newStation(t testing.TB) *station {
	s := &station{t: t, dir: t.TempDir(), clock: &handClock{at: start, trusted: true}}
	s.start()
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *station) start() {
	s.t.Helper()
	if err := s.tryStart(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *station) tryStart() error {
	cfg := seglog.Config{
		Dir: filepath.Join(s.dir, "journal"), Epoch: 1, Key: []byte("chain key of a test"), SegmentSize: 64 << 10,
	}
	if s.tweak != nil {
		s.tweak(&cfg)
	}
	var err error
	if s.log, _, err = seglog.Open(cfg); err != nil {
		return err
	}
	if s.Ledger, s.report, err = ledger.Open(s.config(), s.log); err != nil {
		return errors.Join(err, s.log.Close())
	}
	return nil
}

func (s *station) config() ledger.Config {
	return ledger.Config{
		Dir: s.dir, Self: decisions.Self, Tenant: decisions.Tenant, DataKey: make([]byte, 32), Clock: s.clock,
		Log: slog.New(slog.DiscardHandler),
	}
}

func (s *station) restart() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.start()
}

func (s *station) apply(entries []wire.Entry, caughtUp bool) {
	s.t.Helper()
	if err := s.tryApply(entries, caughtUp); err != nil {
		s.t.Fatal(err)
	}
}

func (s *station) tryApply(entries []wire.Entry, caughtUp bool) error {
	if epoch, _ := s.Cursor(); epoch != decisions.Epoch {
		if err := s.Reset(context.Background(), decisions.Epoch); err != nil {
			return err
		}
	}
	p := &wire.Page{Version: wire.Version, Epoch: decisions.Epoch, Entries: entries, CaughtUp: caughtUp}
	_, p.Next = s.Cursor()
	for i := range entries {
		p.Next = max(p.Next, entries[i].Pos)
	}
	return s.Apply(context.Background(), p)
}

func (s *station) do(req *ledger.Request) ledger.Answer {
	s.t.Helper()
	a, err := s.Do(context.Background(), req, ticket.Check)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// history performs a row's earlier requests and returns the last of them.
func (s *station) history(w *decisions.World) *ledger.Request {
	s.t.Helper()
	s.clock.set(start.Add(time.Duration(w.Row.HistoryAt)*time.Minute), true)
	var last *ledger.Request
	for i, step := range w.Row.History {
		last = &ledger.Request{
			Kind: ticket.RequestEntry, Payload: w.HistCode, Nonce: ticket.Nonce{byte(i + 1)}, Device: "h1", Face: true,
			Permitted: true, Lane: w.Lanes["service"], Gated: step != "entry" && step != "exit",
		}
		if step == "exit" {
			last.Kind = ticket.RequestExit
		}
		a := s.do(last)
		end := map[string]ledger.End{"lapsed": ledger.Lapsed, "uncertain": ledger.Uncertain}[step]
		if end != 0 {
			if _, err := s.EndPassage(context.Background(), a.Seq, end); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return last
}

// TestDecisionTable runs every row against the ledger, once as it stands and once with a restart
// between the history and the request.
func TestDecisionTable(t *testing.T) {
	rows, err := decisions.Table()
	if err != nil {
		t.Fatal(err)
	}
	for _, restart := range []bool{false, true} {
		for i := range rows {
			r := &rows[i]
			name := r.Name
			if restart {
				name += ", after a restart"
			}
			t.Run(name, func(t *testing.T) { runRow(t, r, restart) })
		}
	}
}

func runRow(t *testing.T, r *decisions.Row, restart bool) {
	t.Parallel()
	w, err := decisions.NewWorld(r, start)
	if err != nil {
		t.Fatal(err)
	}
	before, after, err := w.Feed()
	if err != nil {
		t.Fatal(err)
	}
	s := newStation(t)
	s.apply(before, true)
	last := s.history(w)
	if restart {
		s.restart()
	}
	if err := s.tryApply(after, !r.NotCaughtUp); err != nil && !errors.Is(err, replica.ErrNotYet) {
		t.Fatal(err)
	}
	s.clock.set(start, r.Clock == "trusted")
	req := &ledger.Request{
		Kind: ticket.RequestKind(r.Kind), Payload: w.Payload, Nonce: ticket.Nonce{99}, Device: "h1", Face: true,
		Permitted: r.Device == "permitted", Lane: w.Lanes[r.Lane],
	}
	switch r.Nonce {
	case "repeat":
		req = last
	case "reuse":
		req.Nonce = last.Nonce
	}
	a := s.do(req)
	_, h, _ := s.Ticket(decisions.TheID)
	if a.Verdict.Reason != r.Want.Reason || int(h.Used) != r.Want.Used {
		t.Fatalf("got %s, used %d; want %s, used %d", a.Verdict.Reason, h.Used, r.Want.Reason, r.Want.Used)
	}
	if r.Want.N != 0 && (a.Verdict.N != r.Want.N || a.Verdict.Of != r.Want.Of) {
		t.Fatalf("got entry %d of %d, want %d of %d", a.Verdict.N, a.Verdict.Of, r.Want.N, r.Want.Of)
	}
	if a.Repeated != (r.Nonce == "repeat") {
		t.Fatalf("repeated = %v", a.Repeated)
	}
}
