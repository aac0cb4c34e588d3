package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"yipiao/sync/link"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// Errors of a Store.
var (
	// ErrUnknownStation is returned for a station that is not registered.
	ErrUnknownStation = errors.New("hub: unknown station")
	// ErrRevoked is returned by Registered for a station whose row was withdrawn.
	ErrRevoked = errors.New("hub: station is revoked")
	// ErrUnknownTicket is returned for a ticket that does not exist.
	ErrUnknownTicket = errors.New("hub: unknown ticket")
)

// A Head is the state of a feed.
type Head struct {
	Epoch string // a random name, changed when positions were lost
	Pos   uint64 // last position given out
	Sent  uint64 // up to here a station may have read; never above Pos
	Lost  uint64 // grants up to here were made to machines that have been replaced; never above Pos
}

// A Span is the run of positions After < pos <= UpTo, cut off after Rows rows or about Bytes bytes of
// bodies, whichever comes first, but not before the first row.
type Span struct {
	After, UpTo uint64
	Rows, Bytes int
}

// News says that something waits to be done for a station.
type News struct {
	Feed     link.Peer
	Pos      uint64 // head of its feed
	Pending  bool   // rows of its feed have no position yet
	Unfolded bool   // facts of its journal are stored and not folded
}

// A FeedStore keeps the feeds. One feed belongs to one station, which names it. Methods are safe for
// concurrent use, each is one transaction or a few, and a change is durable when it returns nil.
type FeedStore interface {
	// Stamp gives a position to every row of the feed that is pending when it begins (T1), and returns
	// the head after that. Several may run at once, here or in another process.
	Stamp(ctx context.Context, feed link.Peer) (Head, error)
	// Reserve raises Sent to Pos and returns the head so committed (T2, first transaction).
	Reserve(ctx context.Context, feed link.Peer) (Head, error)
	// Page reads rows of the feed in order of position (T2, second transaction). more is true when
	// rows up to s.UpTo were left out. s.UpTo must come from a Reserve that has returned.
	Page(ctx context.Context, feed link.Peer, s Span) (entries []wire.Entry, more bool, err error)
	// Changed returns a channel that is closed at the next change of the feed in this process.
	Changed(feed link.Peer) <-chan struct{}
	// News lists what waits, whichever process brought it.
	News(ctx context.Context) ([]News, error)
}

// A JournalStore keeps what stations report.
type JournalStore interface {
	// Registered returns nil, ErrUnknownStation or ErrRevoked.
	Registered(ctx context.Context, station link.Peer) error
	// Seen notes that the station was in contact at nowMs.
	Seen(ctx context.Context, station link.Peer, nowMs int64) error
	// Receive stores what is new in b (T4) and returns what is held then, or Accept's error. An
	// incident is recorded with CodeFork and CodeChain. A batch of an epoch that a replaced machine wrote
	// is added to that epoch and leaves the present one as it is.
	Receive(ctx context.Context, station link.Peer, b *wire.Batch, nowMs int64) (wire.Ack, error)
	// Fold folds at most most stored facts in order, as one transaction, and returns the last folded
	// sequence of the present epoch and whether there are more. Facts of ended epochs come first; what
	// they change is news to the present machine, so these rows become pending.
	Fold(ctx context.Context, station link.Peer, most int, nowMs int64) (folded uint64, more bool, err error)
}

// A RightStore changes tickets by the rules of this package. Each method is one transaction that
// locks feed head, then ticket; a refusal is the rule's error or ErrUnknownTicket and changes nothing.
// A change raises the ticket's version and makes it pending.
type RightStore interface {
	Grant(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error
	TakeBack(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error
	Recall(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error
	Withdraw(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) error
	// SetStatus changes the ticket's status as ChangeStatus allows.
	SetStatus(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID, status ticket.Status, nowMs int64) error
	// Row returns a ticket as it is.
	Row(ctx context.Context, tenant ticket.TenantID, id ticket.TicketID) (Row, error)
}

// A Store is everything that a Hub and the ticket desk need.
type Store interface {
	FeedStore
	JournalStore
	RightStore
	MachineStore
	HistoryStore
	DeadStore
}

// A Row is a ticket as the cloud keeps it.
type Row struct {
	Feed   link.Peer     // the feed of its home station
	Seq    uint64        // position; 0 while pending
	Ticket ticket.Ticket // Entry is unused: Right has it
	Right  Right
}

// Entry is the row's feed entry.
func (r *Row) Entry() (wire.Entry, error) {
	t := r.Ticket
	t.Entry = r.Right.Feed()
	body, err := json.Marshal(&t)
	if err != nil {
		return wire.Entry{}, fmt.Errorf("encode ticket: %w", err)
	}
	return wire.Entry{Pos: r.Seq, Kind: wire.KindTicket, Key: wire.Key(t.ID), Ver: t.Ver, Body: body}, nil
}

// Standing is the row's part of its session's digest.
func (r *Row) Standing() ticket.Standing {
	return ticket.Standing{
		Ticket: r.Ticket.ID, Ver: r.Ticket.Ver, Gen: r.Right.Gen, Hand: r.Right.Hand,
		Holder: r.Right.Holder(r.Feed.Station), Used: r.Right.Used, Inside: r.Right.Inside,
	}
}
