package desk

import (
	"context"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// A Source is the station's memory as far as the desk reads it. Methods are safe for concurrent use.
type Source interface {
	// Journal returns durable facts from a sequence on, at most n of about maxBytes;
	// journal.ErrTrimmed when from is no longer kept.
	Journal(from uint64, n, maxBytes int) ([]journal.Entry, error)
	// WaitDurable returns nil once the fact seq is durable, or an error when ctx ends or that can no
	// longer happen.
	WaitDurable(ctx context.Context, seq uint64) error
	// FirstFact is the first sequence that is kept.
	FirstFact() uint64
	// Durable is the position of the last durable fact.
	Durable() journal.Pos
	// Ticket returns what the station knows of a ticket.
	Ticket(id ticket.TicketID) (ticket.Ticket, ticket.Held, bool)
	// Session returns a session of the venue.
	Session(id ticket.SessionID) (ticket.Session, bool)
}

// An Archived is a fact that the cloud keeps, and whose it is.
type Archived struct {
	Station ticket.StationID
	journal.Entry
}

// An Archive asks the cloud for facts about one ticket, at most limit, the newest first and all of them
// earlier than beforeMs (0: no bound). more is true when it has left some out.
type Archive func(ctx context.Context, id ticket.TicketID, beforeMs int64, limit int) (facts []Archived, more bool, err error)
