package cloud

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"yipiao/cloud/internal/reports"
	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/ticket"
)

// Status returns the state of the cloud's stations.
func (c *Cloud) Status(ctx context.Context) (*Status, error) {
	o, err := c.overview(ctx, 0)
	if err != nil {
		return nil, err
	}
	out := &Status{Ready: true, Stations: []StationStatus{}}
	for _, s := range o.Stations {
		out.Stations = append(out.Stations, StationStatus{
			ID: s.ID, Name: s.ID.String(), SeenMs: c.web.contact(s.ID, s.SeenMs), Epoch: s.Epoch, Durable: s.Durable, Folded: s.Folded,
			FeedHead: s.Head, FeedSent: s.SentPos, DeadLetters: s.DeadLetters, Conflicts: s.Conflicts,
		})
		if s.Status == store.StationActive && out.Stations[len(out.Stations)-1].SeenMs == 0 {
			out.Ready = false
		}
	}
	return out, nil
}

// Digests returns the proof of a station's state at the cloud, or ErrNotFound.
func (c *Cloud) Digests(ctx context.Context, station ticket.StationID) (*Digests, error) {
	p, err := reports.Prove(ctx, c.db, c.peer(station))
	if errors.Is(err, reports.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, station)
	}
	if err != nil {
		return nil, err
	}
	s := &p.Station
	out := &Digests{
		Station: station, FeedEpoch: s.FeedEpoch, FeedHead: s.Head, FeedPending: s.Pending,
		JournalEpoch: s.Epoch, JournalDurable: s.Durable, JournalFolded: s.Folded, JournalSum: hex.EncodeToString(s.Sum[:]),
		DeadLetters: s.DeadLetters, Conflicts: s.Conflicts, Sessions: []SessionDigest{},
	}
	for _, d := range p.Sessions {
		out.Sessions = append(out.Sessions, SessionDigest{ID: d.Session, Tickets: d.Tickets, Used: d.Used, Digest: d.Digest})
	}
	return out, nil
}

// Ticket returns the standing of a ticket, or ErrNotFound.
func (c *Cloud) Ticket(ctx context.Context, id ticket.TicketID) (*TicketState, error) {
	row, err := c.custody.Row(ctx, c.tenant.ID, id)
	if errors.Is(err, hub.ErrUnknownTicket) {
		return nil, fmt.Errorf("%w: ticket %d", ErrNotFound, id)
	}
	if err != nil {
		return nil, err
	}
	out := &TicketState{
		ID: id, Status: row.Ticket.Status, Ver: row.Ticket.Ver, Gen: row.Right.Gen,
		Used: row.Right.Used, Max: row.Right.Max, Inside: row.Right.Inside,
	}
	if home := row.Right.Holder(row.Feed.Station); home != 0 {
		out.Holder = home.String()
	}
	return out, nil
}
