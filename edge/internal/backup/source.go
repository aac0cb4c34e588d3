package backup

import (
	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// A Source is a running station's memory as a backup copies it. Methods are safe for concurrent use
// and may be called while lanes admit; none may hold a lock or a transaction that an admission waits
// for longer than a moment.
//
// The copy is not one instant. Durable is asked first, and entries up to it are copied; rows are read
// after that and may already show what later facts did. That is enough, because a restored station
// holds no custody: its states are only shown, and the facts decide.
type Source interface {
	// FeedPlace is the feed epoch and the cursor.
	FeedPlace() (epoch string, cursor uint64)
	// Durable is the position of the last durable fact, with its sum.
	Durable() journal.Pos
	// Acked is the last fact that the cloud is known to hold; it may be above Durable after a repair.
	Acked() uint64
	// Journal returns durable entries from seq on, at most n and about maxBytes of bodies, at least one
	// if there is one. Bodies are opaque.
	Journal(from uint64, n, maxBytes int) ([]journal.Entry, error)
	// EachSession, EachGroup, EachKey and EachTicket call use with every row the station knows, in any
	// order; use must not keep its argument. They stop at use's first error and return it. A ticket
	// comes with its whole feed entry (seat, masked holder, order) and with what the station holds of
	// it now.
	EachSession(use func(*ticket.Session) error) error
	EachGroup(use func(*ticket.GateGroup) error) error
	EachKey(use func(*ticket.SignKey) error) error
	EachTicket(use func(*ticket.Ticket, ticket.Held) error) error
	// EachLocal calls use with every row of the station's own registry as plain JSON.
	EachLocal(prefix string, use func(key string, decode func(any) error) error) error
}

// A Target is the catalogue of a newly enrolled machine that has never run; a restore fills it before
// the station's first start. Rows are put in the order of a backup (sessions, groups, keys, registry,
// tickets) and may be put again: a restore can be repeated. Everything put is durable, sealed with the
// new machine's data key, when the function that handed out the Target returns nil.
type Target interface {
	PutSession(*ticket.Session) error
	PutGroup(*ticket.GateGroup) error
	PutKey(*ticket.SignKey) error
	// PutLocal stores v as ledger.PutLocal does; v is a json.RawMessage.
	PutLocal(key string, v any) error
	// PutTicket stores a ticket whose custody is with the cloud, and what is remembered of it: h.Holds
	// and h.Recalling are false, and h.Gen is the newest generation seen, which can therefore never be
	// exercised. The cursor stays at 0: the feed is read whole, and what it does not have is swept.
	PutTicket(t *ticket.Ticket, h ticket.Held) error
}
