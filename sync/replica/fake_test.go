package replica_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/sync/journal"
	"yipiao/sync/replica"
	"yipiao/sync/wire"
)

// fakeStore is a station's memory without rules: it checks what a Runner does to it.
type fakeStore struct {
	t *testing.T

	mu      sync.Mutex
	epoch   string
	cursor  uint64
	applied []uint64 // positions, in order, with repetitions
	resets  int
	durable uint64
	acked   uint64
	folded  uint64
	news    chan struct{}
	broken  error // of WaitDurable
	apply   func(*wire.Page) error
	reset   error
}

func newStore(t *testing.T) *fakeStore {
	return &fakeStore{t: t, epoch: "e", news: make(chan struct{})}
}

var _ replica.Store = (*fakeStore)(nil)

func (s *fakeStore) Cursor() (string, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch, s.cursor
}

func (s *fakeStore) Reset(_ context.Context, epoch string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reset; err != nil {
		s.reset = nil // once
		return err
	}
	s.epoch, s.cursor = epoch, 0
	s.resets++
	return nil
}

func (s *fakeStore) Apply(_ context.Context, p *wire.Page) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.apply != nil {
		if err := s.apply(p); err != nil {
			return err
		}
	}
	if p.Epoch != s.epoch || p.Next < s.cursor {
		s.t.Errorf("page of %s up to %d offered at %s %d", p.Epoch, p.Next, s.epoch, s.cursor)
	}
	for i := range p.Entries {
		s.applied = append(s.applied, p.Entries[i].Pos)
	}
	s.cursor = p.Next
	return nil
}

func (s *fakeStore) Journal(from uint64, n, _ int) ([]journal.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from == 0 || from > s.durable {
		s.t.Errorf("journal read from %d, durable is %d", from, s.durable)
	}
	var out []journal.Entry
	for seq := from; seq <= s.durable && len(out) < min(n, 10); seq++ {
		out = append(out, journal.Entry{Epoch: 1, Seq: seq})
	}
	return out, nil
}

func (s *fakeStore) Durable() journal.Pos {
	s.mu.Lock()
	defer s.mu.Unlock()
	return journal.Pos{Epoch: 1, Seq: s.durable}
}

func (s *fakeStore) WaitDurable(ctx context.Context, seq uint64) error {
	for {
		s.mu.Lock()
		done, news, broken := s.durable >= seq, s.news, s.broken
		s.mu.Unlock()
		switch {
		case broken != nil:
			return broken
		case done:
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *fakeStore) Acked() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

func (s *fakeStore) SetAcked(a wire.Ack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked, s.folded = a.Durable, a.Folded
}

// write adds n durable facts.
func (s *fakeStore) write(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable += n
	close(s.news)
	s.news = make(chan struct{})
}

func (s *fakeStore) read(use func(*fakeStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	use(s)
}

// fakeCloud holds a feed of positions and a journal; faults happen before or after it has acted.
type fakeCloud struct {
	t *testing.T

	mu       sync.Mutex
	epoch    string
	head     uint64
	stored   uint64 // of the journal
	polls    int
	uploads  int
	feedErr  func(n int) error // before it acts
	lostErr  func(n int) error // of an upload, after it was stored
	storeErr func(n int) error // of an upload, before
	again    bool              // every page begins one position early, as another uplink's would
	news     chan struct{}
}

func newCloud(t *testing.T) *fakeCloud {
	return &fakeCloud{t: t, epoch: "e", news: make(chan struct{})}
}

func (c *fakeCloud) Feed(ctx context.Context, req wire.FeedRequest) (wire.Page, error) {
	c.mu.Lock()
	c.polls++
	n := c.polls
	c.mu.Unlock()
	if c.feedErr != nil {
		if err := c.feedErr(n); err != nil {
			return wire.Page{}, err
		}
	}
	wait := time.NewTimer(time.Duration(req.WaitMs) * time.Millisecond)
	defer wait.Stop()
	for {
		p, news := c.page(req)
		if len(p.Entries) > 0 || p.Reset {
			return p, nil
		}
		select {
		case <-news:
		case <-wait.C:
			return p, nil
		case <-ctx.Done():
			return wire.Page{}, ctx.Err()
		}
	}
}

func (c *fakeCloud) page(req wire.FeedRequest) (wire.Page, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := wire.Page{Version: 1, Epoch: c.epoch, Next: req.Cursor}
	if req.Epoch != c.epoch {
		p.Reset, p.Next = true, 0
		return p, c.news
	}
	for pos := req.Cursor + 1; pos <= c.head && len(p.Entries) < req.Limit; pos++ {
		if c.again && pos > 1 && len(p.Entries) == 0 {
			p.Entries = append(p.Entries, wire.Entry{Pos: pos - 1})
		}
		p.Entries = append(p.Entries, wire.Entry{Pos: pos})
		p.Next = pos
	}
	p.CaughtUp = p.Next == c.head
	return p, c.news
}

func (c *fakeCloud) Upload(_ context.Context, b *wire.Batch) (wire.Ack, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uploads++
	if c.storeErr != nil {
		if err := c.storeErr(c.uploads); err != nil {
			return wire.Ack{}, err
		}
	}
	for i := range b.Entries {
		switch e := &b.Entries[i]; {
		case e.Seq <= c.stored: // idempotent
		case e.Seq == c.stored+1:
			c.stored++
		default:
			return wire.Ack{}, &wire.Error{Code: wire.CodeGap, Ack: &wire.Ack{Epoch: 1, Durable: c.stored, Folded: c.stored}}
		}
	}
	if c.lostErr != nil {
		if err := c.lostErr(c.uploads); err != nil {
			return wire.Ack{}, err
		}
	}
	return wire.Ack{Epoch: 1, Durable: c.stored, Folded: c.stored}, nil
}

// put adds n feed entries.
func (c *fakeCloud) put(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.head += n
	close(c.news)
	c.news = make(chan struct{})
}

func (c *fakeCloud) read(use func(*fakeCloud)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	use(c)
}

var errLine = errors.New("the line is cut")

func always(int) error { return errLine }

// firstly fails the first n times.
func firstly(n int) func(int) error {
	return func(i int) error {
		if i <= n {
			return errLine
		}
		return nil
	}
}

// running runs both directions in a bubble until the test function returns.
func running(t *testing.T, cfg replica.Config, test func()) {
	t.Helper()
	if cfg.Rows == 0 {
		cfg.Rows = 4
	}
	cfg.Epoch, cfg.WaitMs = 1, 25_000
	r, err := replica.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{r.RunDown, r.RunUp} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
	defer wg.Wait()
	defer cancel()
	test()
}

// later lets virtual time pass.
func later(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// each are the positions from 1 to n.
func each(n uint64) []uint64 {
	var out []uint64
	for pos := uint64(1); pos <= n; pos++ {
		out = append(out, pos)
	}
	return out
}

func (s *fakeStore) wantApplied(n uint64) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := slices.Clone(s.applied)
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, each(n)) || s.cursor != n {
		s.t.Fatalf("applied %v, cursor %d, want all up to %d", got, s.cursor, n)
	}
}
