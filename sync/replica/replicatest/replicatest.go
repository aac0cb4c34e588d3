// Package replicatest is the conformance suite of a station's store: the rules R1 to R12 as far as one
// station keeps them, one by one and then under concurrent writers against the reference model. It runs on
// replicamem and on the station's ledger. It must not know how a store keeps anything.
package replicatest

import (
	"context"

	"yipiao/sync/replica"
	"yipiao/sync/replica/replicamem"
	"yipiao/sync/ticket"
)

// A Station is a replica.Store that exercises rights. Methods are safe for concurrent use. An error of Do,
// Annul or EndPassage says that nobody may pass on it.
type Station interface {
	replica.Store
	// Do decides a request and returns when the answer is durable. A zero nonce is that of a lane's own
	// scanner: nothing is remembered under it.
	Do(ctx context.Context, q *replicamem.Request) (replicamem.Answer, error)
	// Annul takes back the entry that the device made under a nonce.
	Annul(ctx context.Context, device string, nonce, entry ticket.Nonce) (replicamem.Answer, error)
	// OpenPassages lists the grants whose passage has not ended, the oldest first.
	OpenPassages() []uint64
	// EndPassage records how the passage of a grant ended; one that has ended is left alone.
	EndPassage(ctx context.Context, grant uint64, how replicamem.End) error
	// Checkpoint brings the catalogue up to the journal's end.
	Checkpoint(ctx context.Context) error
	// Standing is what is held of a ticket's right; known is false where the feed has no such ticket.
	Standing(id ticket.TicketID) (st ticket.Standing, known bool)
}

var _ Station = (*replicamem.Store)(nil)
