package hub

import (
	"sync"

	"yipiao/sync/link"
)

// A Bell wakes those in this process that wait for a feed. It is a hint: whoever is woken looks
// again. The zero value is ready, and safe for concurrent use.
type Bell struct {
	mu sync.Mutex
	// waiting is guarded by mu; a channel is closed and removed when it rings.
	waiting map[link.Peer]chan struct{}
}

// Changed returns a channel that is closed when the feed's bell rings next.
func (b *Bell) Changed(feed link.Peer) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch, ok := b.waiting[feed]
	if !ok {
		ch = make(chan struct{})
		if b.waiting == nil {
			b.waiting = make(map[link.Peer]chan struct{})
		}
		b.waiting[feed] = ch
	}
	return ch
}

// Ring wakes all that wait for the feed.
func (b *Bell) Ring(feed link.Peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ch, ok := b.waiting[feed]; ok {
		close(ch)
		delete(b.waiting, feed)
	}
}
