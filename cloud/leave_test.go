package cloud_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"yipiao/sync/wire"
)

// TestCloud_AClientThatLeavesLeavesNoHandler: polls that wait are abandoned, and of their handlers,
// connections and transactions nothing stays; a station that stays is served meanwhile.
func TestCloud_AClientThatLeavesLeavesNoHandler(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.run()
		s := w.enrol()
		s.all()
		before := runtime.NumGoroutine()
		const polls = 50
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		var waiting sync.WaitGroup
		for range polls {
			waiting.Go(func() {
				for ctx.Err() == nil {
					_, _ = s.client.Feed(ctx, wire.FeedRequest{Epoch: s.epoch, Cursor: s.cursor, WaitMs: wire.MaxWaitMs})
				}
			})
		}
		until(t, "the polls wait", func() bool { return runtime.NumGoroutine() >= before+4*polls && w.cloud.InUse() == 0 })
		if s.poll(0) != 0 {
			t.Error("news out of nothing")
		}
		leave()
		waiting.Wait()
		s.client.Close()
		until(t, "no handler is left", func() bool { return runtime.NumGoroutine() <= before+2 })
		until(t, "no transaction is open", func() bool { return w.cloud.InUse() == 0 })
	})
}

// until waits for a condition.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			buf := make([]byte, 1<<20)
			t.Fatalf("%s: not after a minute\n%s", what, buf[:runtime.Stack(buf, true)])
		}
	}
}
