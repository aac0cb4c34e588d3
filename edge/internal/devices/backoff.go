package devices

import (
	"context"
	"math/rand/v2"
	"time"
)

// How long to wait before a port is opened again: twice as long each time, less up to a quarter so
// that sixteen devices on one hub do not all try at once. The longest keeps a replug below a second.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = 500 * time.Millisecond
)

// A backoff is for one goroutine.
type backoff struct {
	next time.Duration
	rand *rand.Rand
}

func newBackoff(seed, stream uint64) *backoff {
	return &backoff{next: firstWait, rand: rand.New(rand.NewPCG(seed, stream))}
}

func (b *backoff) reset() { b.next = firstWait }

// wait returns how long to wait this time.
func (b *backoff) wait() time.Duration {
	d := b.next
	b.next = min(2*d, longestWait)
	return d - time.Duration(b.rand.Int64N(int64(d/4)))
}

// sleep waits, or less if ctx ends.
func (b *backoff) sleep(ctx context.Context) {
	timer := time.NewTimer(b.wait())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
