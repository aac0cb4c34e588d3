package hub

import (
	"context"
	"errors"

	"yipiao/sync/link"
	"yipiao/sync/wire"
)

// A HistoryStore looks up what stations have reported.
type HistoryStore interface {
	// History returns stored facts about a ticket which stations of the asking station's venue have
	// reported: the newest first (by time, then station, epoch and sequence), at most req.Limit. more is
	// true when earlier ones were left out. ErrUnknownTicket for a ticket that is not of the station's
	// tenant and venue. It locks nothing that an upload or a poll waits for.
	History(ctx context.Context, station link.Peer, req wire.HistoryRequest) (facts []wire.HistoryFact, more bool, err error)
}

// History implements link.Handler.
func (h *Hub) History(ctx context.Context, peer link.Peer, req wire.HistoryRequest) (wire.HistoryReply, error) {
	if err := h.registered(ctx, peer); err != nil {
		return wire.HistoryReply{}, err
	}
	req.Limit = min(max(req.Limit, 1), wire.MaxHistoryRows)
	facts, more, err := h.store.History(ctx, peer, req)
	if errors.Is(err, ErrUnknownTicket) {
		return wire.HistoryReply{}, &wire.Error{Code: wire.CodeNoTicket, Detail: "no such ticket at this venue"}
	}
	if err != nil {
		return wire.HistoryReply{}, refusal(err)
	}
	return wire.HistoryReply{Version: wire.Version, Facts: facts, More: more}, nil
}
