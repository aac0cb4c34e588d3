package replica_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/sync/replica"
	"yipiao/sync/wire"
)

// runner gives a test its own bubble, store and cloud.
func runner(t *testing.T, prepare func(*fakeStore, *fakeCloud), test func(*testing.T, *fakeStore, *fakeCloud)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStore(t), newCloud(t)
		if prepare != nil {
			prepare(s, c)
		}
		running(t, replica.Config{Store: s, Cloud: c}, func() { test(t, s, c) })
	})
}

func TestRunner_BringsEverythingBothWays(t *testing.T) {
	runner(t, func(s *fakeStore, c *fakeCloud) { s.durable, c.head = 35, 21 }, func(t *testing.T, s *fakeStore, c *fakeCloud) {
		synctest.Wait()
		s.wantApplied(21)
		s.write(3)
		c.put(2)
		synctest.Wait() // news are told at once, without a pause
		s.wantApplied(23)
		c.read(func(c *fakeCloud) {
			if c.stored != 38 {
				t.Fatalf("%d facts at the cloud", c.stored)
			}
		})
		if s.Acked() != 38 {
			t.Fatalf("acked %d", s.Acked())
		}
	})
}

// TestRunner_IdleLineIsQuiet: with nothing to do there is one poll in its waiting time and no upload.
func TestRunner_IdleLineIsQuiet(t *testing.T) {
	runner(t, nil, func(t *testing.T, _ *fakeStore, c *fakeCloud) {
		later(10 * time.Minute)
		c.read(func(c *fakeCloud) {
			if c.polls > 25 || c.uploads != 0 {
				t.Fatalf("%d polls and %d uploads in ten minutes", c.polls, c.uploads)
			}
		})
	})
}

// TestRunner_ReplyLostAfterTheCommit: the facts are stored once, and the station goes on.
func TestRunner_ReplyLostAfterTheCommit(t *testing.T) {
	runner(t, func(s *fakeStore, c *fakeCloud) { s.durable, c.lostErr = 25, firstly(3) }, func(t *testing.T, s *fakeStore, c *fakeCloud) {
		later(time.Minute)
		c.read(func(c *fakeCloud) {
			if c.stored != 25 || c.uploads != 6 {
				t.Fatalf("%d stored after %d uploads, want 25 after 6", c.stored, c.uploads)
			}
		})
		if s.Acked() != 25 {
			t.Fatalf("acked %d", s.Acked())
		}
	})
}

// TestRunner_GapIsAnsweredWithWhatIsMissing: the station thought the cloud had more.
func TestRunner_GapIsAnsweredWithWhatIsMissing(t *testing.T) {
	runner(t, func(s *fakeStore, c *fakeCloud) { s.durable, s.acked, c.stored = 30, 20, 5 }, func(t *testing.T, s *fakeStore, c *fakeCloud) {
		synctest.Wait() // no pause: a gap is an answer
		c.read(func(c *fakeCloud) {
			if c.stored != 30 {
				t.Fatalf("%d stored", c.stored)
			}
		})
		s.read(func(s *fakeStore) {
			if s.acked != 30 || s.folded != 30 {
				t.Fatalf("acked %d, folded %d", s.acked, s.folded)
			}
		})
	})
}

func TestRunner_PagesThatOverlapAreHarmless(t *testing.T) {
	runner(t, func(_ *fakeStore, c *fakeCloud) { c.head, c.again = 21, true }, func(_ *testing.T, s *fakeStore, _ *fakeCloud) {
		synctest.Wait()
		s.wantApplied(21)
	})
}

// TestRunner_UploadThatFailsForEverDoesNotHoldUpTheDownload (I6).
func TestRunner_UploadThatFailsForEverDoesNotHoldUpTheDownload(t *testing.T) {
	runner(t, func(s *fakeStore, c *fakeCloud) { s.durable, c.storeErr = 5, always }, func(t *testing.T, s *fakeStore, c *fakeCloud) {
		for i := range uint64(20) {
			c.put(3)
			synctest.Wait()
			s.wantApplied(3 * (i + 1))
			later(10 * time.Second)
		}
		if s.Acked() != 0 {
			t.Fatalf("acked %d", s.Acked())
		}
		c.read(func(c *fakeCloud) {
			if c.uploads < 30 || c.uploads > 60 {
				t.Fatalf("%d uploads in 200 s: one every five seconds in the long run", c.uploads)
			}
		})
	})
}

// TestRunner_DownloadThatFailsForEverDoesNotHoldUpTheUpload (I6), be it the line or a page.
func TestRunner_DownloadThatFailsForEverDoesNotHoldUpTheUpload(t *testing.T) {
	for name, spoil := range map[string]func(*fakeStore, *fakeCloud){
		"line": func(_ *fakeStore, c *fakeCloud) { c.feedErr = always },
		"page": func(s *fakeStore, c *fakeCloud) { s.apply, c.head = func(*wire.Page) error { return errLine }, 5 },
		"a passage": func(s *fakeStore, c *fakeCloud) {
			s.apply, c.head = func(*wire.Page) error { return replica.ErrNotYet }, 5
		},
		"a refusal": func(_ *fakeStore, c *fakeCloud) {
			c.feedErr = func(int) error { return &wire.Error{Code: wire.CodeRevoked} }
		},
		"no new one": func(s *fakeStore, c *fakeCloud) { s.reset, c.epoch = errLine, "rebuilt" },
	} {
		t.Run(name, func(t *testing.T) {
			runner(t, spoil, func(t *testing.T, s *fakeStore, c *fakeCloud) {
				for i := range uint64(20) {
					s.write(3)
					synctest.Wait()
					if s.Acked() != 3*(i+1) {
						t.Fatalf("acked %d of %d", s.Acked(), 3*(i+1))
					}
					later(10 * time.Second)
				}
				c.read(func(c *fakeCloud) {
					if c.polls > 100 {
						t.Fatalf("%d polls in 200 s", c.polls)
					}
				})
			})
		})
	}
}

func TestRunner_PageThatWaitsForAPassageIsAppliedSoonAfter(t *testing.T) {
	waits := 30
	runner(t, func(s *fakeStore, c *fakeCloud) {
		c.head = 4
		s.apply = func(*wire.Page) error {
			if waits--; waits >= 0 {
				return fmt.Errorf("apply: %w", replica.ErrNotYet)
			}
			return nil
		}
	}, func(t *testing.T, s *fakeStore, c *fakeCloud) {
		later(3100 * time.Millisecond)
		s.wantApplied(4)
		c.read(func(c *fakeCloud) {
			if c.polls != 2 {
				t.Fatalf("%d polls: a waiting page is not fetched again", c.polls)
			}
		})
	})
}

// TestRunner_RebuiltFeedIsReadFromZero, also when the first attempt to begin it fails.
func TestRunner_RebuiltFeedIsReadFromZero(t *testing.T) {
	for _, fails := range []error{nil, errLine} {
		runner(t, func(s *fakeStore, c *fakeCloud) {
			s.cursor, s.reset, c.epoch, c.head = 500, fails, "rebuilt", 12
		}, func(t *testing.T, s *fakeStore, _ *fakeCloud) {
			later(time.Second)
			s.wantApplied(12)
			s.read(func(s *fakeStore) {
				if s.epoch != "rebuilt" || s.resets != 1 {
					t.Fatalf("epoch %s, %d resets", s.epoch, s.resets)
				}
			})
		})
	}
}

// TestRunner_FailedJournalIsNotAskedInATightLoop.
func TestRunner_FailedJournalIsNotAskedInATightLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, heard := newStore(t), 0
		s.broken = errors.New("journal has failed")
		cfg := replica.Config{Store: s, Cloud: newCloud(t), Heard: func(direction string, _ int64, err error) {
			if direction == "journal" && err != nil {
				heard++
			}
		}}
		running(t, cfg, func() { later(100 * time.Second) })
		if heard < 10 || heard > 40 {
			t.Fatalf("told %d times in 100 s", heard)
		}
	})
}

// TestRunner_HeardTellsEveryExchange, and nothing about stopping.
func TestRunner_HeardTellsEveryExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newStore(t), newCloud(t)
		s.durable, c.head, c.storeErr, c.feedErr = 5, 5, firstly(1), firstly(2)
		counts := make(map[string]int)
		cfg := replica.Config{Store: s, Cloud: c, Heard: func(direction string, _ int64, err error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			counts[fmt.Sprintf("%s failed=%v", direction, err != nil)]++
		}}
		running(t, cfg, func() { later(20 * time.Second) })
		if counts["journal failed=true"] != 1 || counts["journal failed=false"] != 1 || counts["feed failed=true"] != 2 || counts["feed failed=false"] < 2 {
			t.Fatalf("heard %v", counts)
		}
	})
}

func TestRunner_NeedsStoreAndCloud(t *testing.T) {
	if _, err := replica.New(replica.Config{Cloud: newCloud(t)}); err == nil {
		t.Error("without a store")
	}
	if _, err := replica.New(replica.Config{Store: newStore(t)}); err == nil {
		t.Error("without a cloud")
	}
}

// TestRunner_EndsInMidPause and returns nil.
func TestRunner_EndsInMidPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.feedErr = always
		r, err := replica.New(replica.Config{Store: newStore(t), Cloud: c, Rows: 1})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := r.RunDown(ctx); err != nil || time.Since(began) != 300*time.Millisecond {
			t.Fatalf("%v after %s", err, time.Since(began))
		}
	})
}
