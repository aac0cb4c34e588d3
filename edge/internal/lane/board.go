package lane

import (
	"context"
	"sync"
)

// boardKeep is how many shown verdicts a board remembers, all lanes together.
const boardKeep = 400

// A Posted is something shown, with its place in the order of everything shown since the start.
type Posted struct {
	N uint64
	Shown
}

// A Board remembers what the lanes have shown lately. It is safe for concurrent use.
type Board struct {
	mu    sync.Mutex
	n     uint64
	posts []Posted
	news  chan struct{} // closed and replaced at every post
}

// NewBoard returns an empty board.
func NewBoard() *Board { return &Board{news: make(chan struct{})} }

// Post adds something shown.
func (b *Board) Post(s Shown) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	b.posts = append(b.posts, Posted{b.n, s})
	if len(b.posts) > boardKeep {
		b.posts = append([]Posted(nil), b.posts[len(b.posts)-boardKeep/2:]...)
	}
	close(b.news)
	b.news = make(chan struct{})
}

// Since returns what a lane ("" for all) has shown after n, oldest first, and the newest number. With
// nothing to return it waits until ctx ends, then returns nothing.
func (b *Board) Since(ctx context.Context, lane string, n uint64) ([]Posted, uint64) {
	for {
		b.mu.Lock()
		var out []Posted
		for _, p := range b.posts {
			if p.N > n && (lane == "" || p.Lane == lane) {
				out = append(out, p)
			}
		}
		newest, news := b.n, b.news
		b.mu.Unlock()
		if len(out) > 0 {
			return out, newest
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, newest
		}
	}
}
