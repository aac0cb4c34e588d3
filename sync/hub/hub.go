package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"yipiao/sync/link"
	"yipiao/sync/mutant"
	"yipiao/sync/wire"
)

const (
	// pollEvery is how often Run looks for changes that another process has made.
	pollEvery = 200 * time.Millisecond
	// seenEvery bounds how often a station's contact is written down.
	seenEvery = 10 * time.Second
	// foldChunk bounds a fold transaction, so that others get their turn.
	foldChunk = 500
)

// An Enroller makes stations of machines. Refusals are *wire.Error.
type Enroller interface {
	Enrol(ctx context.Context, req *wire.EnrolRequest) (*wire.EnrolReply, error)
}

// Hub answers stations. It is safe for concurrent use.
type Hub struct {
	store Store
	enrol Enroller
	now   func() time.Time
	log   *slog.Logger
	bell  Bell // rung by Run

	mu sync.Mutex
	// seen is guarded by mu: when each station's contact was last written down.
	seen map[link.Peer]time.Time
}

var _ link.Handler = (*Hub)(nil)

// New returns a Hub over store. enrol may be nil where nobody enrols; now is the clock told to
// stations.
func New(store Store, enrol Enroller, now func() time.Time, log *slog.Logger) *Hub {
	return &Hub{store: store, enrol: enrol, now: now, log: log, seen: make(map[link.Peer]time.Time)}
}

// Run stamps what is pending and wakes waiting stations, whichever process has made the change, and
// folds what an interrupted upload has left, until ctx ends. Without it, changes of this process still
// wake at once, and each poll stamps what it finds.
func (h *Hub) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	known := make(map[link.Peer]uint64)
	for {
		if err := h.look(ctx, known); err != nil && ctx.Err() == nil {
			h.log.Error("look for news failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (h *Hub) look(ctx context.Context, known map[link.Peer]uint64) error {
	news, err := h.store.News(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, n := range news {
		if n.Pending { // early, so that a first load finds its rows in place
			if _, err := h.store.Stamp(ctx, n.Feed); err != nil {
				failed = append(failed, fmt.Errorf("stamp feed of %s: %w", n.Feed.Station, err))
			}
		}
		if n.Pending || known[n.Feed] != n.Pos {
			h.bell.Ring(n.Feed)
		}
		known[n.Feed] = n.Pos
		if !n.Unfolded {
			continue
		}
		if _, err := h.fold(ctx, n.Feed); err != nil {
			failed = append(failed, fmt.Errorf("fold journal of %s: %w", n.Feed.Station, err))
		}
	}
	return errors.Join(failed...)
}

// Feed implements link.Handler: it answers as soon as there is something behind the cursor, or when
// the wait is over.
func (h *Hub) Feed(ctx context.Context, peer link.Peer, req wire.FeedRequest) (wire.Page, error) {
	if err := h.registered(ctx, peer); err != nil {
		return wire.Page{}, err
	}
	h.contact(ctx, peer)
	wait := min(max(req.WaitMs, 0), wire.MaxWaitMs)
	timeout := time.NewTimer(time.Duration(wait) * time.Millisecond)
	defer timeout.Stop()
	for {
		// Both are taken before looking, so a change after the look is not missed.
		here, elsewhere := h.store.Changed(peer), h.bell.Changed(peer)
		page, err := h.page(ctx, peer, req)
		if err != nil {
			return wire.Page{}, refusal(err)
		}
		if page.Reset || len(page.Entries) > 0 || wait == 0 {
			return page, nil
		}
		req.Epoch, req.Cursor = page.Epoch, page.Next // whoever waits is not served another epoch's rows
		select {
		case <-here:
		case <-elsewhere:
		case <-timeout.C:
			return page, nil
		case <-ctx.Done():
			return wire.Page{}, ctx.Err()
		}
	}
}

// page looks once: stamp, reserve, read (R2).
func (h *Hub) page(ctx context.Context, peer link.Peer, req wire.FeedRequest) (wire.Page, error) {
	stamped, err := h.store.Stamp(ctx, peer)
	if err != nil {
		return wire.Page{}, err
	}
	page := wire.Page{Version: wire.Version, Epoch: stamped.Epoch, Next: req.Cursor, TimeMs: h.now().UnixMilli()}
	fresh := req.Epoch == "" && req.Cursor == 0
	switch {
	case req.Epoch != stamped.Epoch && !fresh, req.Cursor > stamped.Pos:
		page.Reset, page.Next = true, 0
		return page, nil
	case req.Cursor == stamped.Pos:
		page.CaughtUp = true
		return page, nil
	}
	var early []wire.Entry
	if mutant.On(mutant.HubReadBeforeReserve) {
		early, _, _ = h.store.Page(ctx, peer, Span{After: req.Cursor, UpTo: stamped.Pos, Rows: wire.MaxPageRows, Bytes: wire.MaxPageBytes})
	}
	reserved, err := h.store.Reserve(ctx, peer)
	if err != nil {
		return wire.Page{}, err
	}
	if reserved.Epoch != stamped.Epoch { // rebuilt in between
		page.Epoch, page.Reset, page.Next = reserved.Epoch, true, 0
		return page, nil
	}
	rows := req.Limit
	if rows < 1 || rows > wire.MaxPageRows {
		rows = wire.MaxPageRows
	}
	span := Span{After: req.Cursor, UpTo: reserved.Sent, Rows: rows, Bytes: wire.MaxPageBytes}
	entries, more, err := h.store.Page(ctx, peer, span)
	if err != nil {
		return wire.Page{}, err
	}
	page.Entries, page.Next = entries, reserved.Sent
	if mutant.On(mutant.HubReadBeforeReserve) {
		page.Entries, page.Next, more = early, stamped.Pos, false
	}
	if more && !mutant.On(mutant.HubCursorFromReserved) {
		page.Next = entries[len(entries)-1].Pos
	}
	page.CaughtUp = !more // Sent was at least the head after the stamping pass of this look
	return page, nil
}

// Upload implements link.Handler: it stores the batch, then folds what is stored. A fold that fails
// does not fail the upload; it is tried again with the next one, and by Run.
func (h *Hub) Upload(ctx context.Context, peer link.Peer, b *wire.Batch) (wire.Ack, error) {
	if err := h.registered(ctx, peer); err != nil && !isRevoked(err) {
		return wire.Ack{}, err // a revoked station may bring the rest of its journal
	}
	h.contact(ctx, peer)
	ack, err := h.store.Receive(ctx, peer, b, h.now().UnixMilli())
	if err != nil && mutant.On(mutant.HubAckBeforeStore) && len(b.Entries) > 0 {
		last := b.Entries[len(b.Entries)-1].Seq
		return wire.Ack{Epoch: b.Epoch, Durable: last, Folded: last}, nil
	}
	if err != nil {
		return wire.Ack{}, h.timed(err)
	}
	folded, err := h.fold(ctx, peer)
	if err != nil {
		h.log.Error("fold journal failed", "station", peer.Station.String(), "err", err)
	}
	if m, err := h.store.Machine(ctx, peer); err == nil && m.Epoch == ack.Epoch {
		ack.Folded = max(ack.Folded, folded)
	}
	ack.TimeMs = h.now().UnixMilli()
	return ack, nil
}

func (h *Hub) fold(ctx context.Context, peer link.Peer) (uint64, error) {
	for {
		folded, more, err := h.store.Fold(ctx, peer, foldChunk, h.now().UnixMilli())
		if err != nil || !more {
			return folded, err
		}
	}
}

// Enrol implements link.Handler.
func (h *Hub) Enrol(ctx context.Context, req *wire.EnrolRequest) (*wire.EnrolReply, error) {
	if req.Version != wire.Version {
		return nil, &wire.Error{Code: wire.CodeVersion, Detail: "unknown version of enrolment"}
	}
	if h.enrol == nil {
		return nil, &wire.Error{Code: wire.CodeUnavailable, Detail: "nobody enrols here"}
	}
	return h.enrol.Enrol(ctx, req)
}

func (h *Hub) registered(ctx context.Context, peer link.Peer) error {
	return refusal(h.store.Registered(ctx, peer))
}

// contact writes down that the station was here. Failing to is no reason to refuse it.
func (h *Hub) contact(ctx context.Context, peer link.Peer) {
	now := h.now()
	h.mu.Lock()
	due := now.Sub(h.seen[peer]) >= seenEvery || now.Before(h.seen[peer])
	if due {
		h.seen[peer] = now
	}
	h.mu.Unlock()
	if !due {
		return
	}
	if err := h.store.Seen(ctx, peer, now.UnixMilli()); err != nil && ctx.Err() == nil {
		h.log.Error("note contact failed", "station", peer.Station.String(), "err", err)
	}
}

// timed puts the cloud's clock into the Ack that a refusal carries.
func (h *Hub) timed(err error) error {
	var answer *wire.Error
	if errors.As(err, &answer) && answer.Ack != nil {
		answer.Ack.TimeMs = h.now().UnixMilli()
	}
	return refusal(err)
}

func isRevoked(err error) bool {
	var answer *wire.Error
	return errors.As(err, &answer) && answer.Code == wire.CodeRevoked
}

// refusal turns a store's sentinel into the answer for the station.
func refusal(err error) error {
	switch {
	case errors.Is(err, ErrUnknownStation):
		return &wire.Error{Code: wire.CodeUnknownPeer, Detail: "station is not registered"}
	case errors.Is(err, ErrRevoked):
		return &wire.Error{Code: wire.CodeRevoked, Detail: "station is revoked"}
	}
	return err
}
