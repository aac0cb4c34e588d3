package replica

import (
	"context"
	"errors"

	"yipiao/sync/journal"
	"yipiao/sync/wire"
)

// ErrNotYet is returned by Store.Apply when a page has to be offered again a little later, because a
// recall in it meets a passage in progress (R5).
var ErrNotYet = errors.New("replica: page has to wait for a passage to end")

// A Store is what the station knows durably. Methods are safe for concurrent use.
type Store interface {
	// Cursor is the feed position up to which everything is applied durably; epoch is "" before the
	// first page.
	Cursor() (epoch string, cursor uint64)
	// Reset begins a full resynchronisation under a new feed epoch, durably; custody is kept.
	Reset(ctx context.Context, epoch string) error
	// Apply makes a page and its cursor durable in one transaction, after the answers to its recalls
	// are durable in the journal (R3). Applying a page again changes nothing. It returns ErrNotYet
	// (wrapped) as described there.
	Apply(ctx context.Context, p *wire.Page) error
	// Journal returns durable entries from a sequence on: at most n, about maxBytes of bodies.
	Journal(from uint64, n, maxBytes int) ([]journal.Entry, error)
	// Durable is the position of the last durable entry.
	Durable() journal.Pos
	// WaitDurable returns nil once the entry seq is durable.
	WaitDurable(ctx context.Context, seq uint64) error
	// Acked is the last sequence that the cloud is known to hold; SetAcked records what it says.
	Acked() uint64
	SetAcked(a wire.Ack)
}
