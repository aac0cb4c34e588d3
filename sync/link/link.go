// Package link is the transport contract between the two ends of the sync engine: who may ask what
// of whom, and what a failure means. It must not know sockets (httplink does) or rules.
package link

import (
	"context"

	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// A Cloud is what a station may ask of the cloud. Every call may be repeated safely. An error that is
// a *wire.Error is the cloud's answer; any other means that it is not known whether the cloud acted.
// Methods may be called concurrently: upload and download run at the same time (I6).
type Cloud interface {
	// Feed returns the next page, after waiting up to req.WaitMs for one that is not empty.
	Feed(ctx context.Context, req wire.FeedRequest) (wire.Page, error)
	// Upload stores a run of journal entries. With *wire.Error and an Ack the station goes on from there.
	Upload(ctx context.Context, b *wire.Batch) (wire.Ack, error)
}

// An Archive is the cloud as the place that keeps every fact. Errors mean what they mean at Cloud.
// Methods may be called concurrently, and beside those of Cloud.
type Archive interface {
	// History returns stored facts about one ticket of the station's venue; CodeNoTicket for any other.
	History(ctx context.Context, req wire.HistoryRequest) (wire.HistoryReply, error)
}

// A Peer is who an authenticated connection belongs to.
type Peer struct {
	Tenant  ticket.TenantID
	Station ticket.StationID
}

// A Handler is the cloud's end. Implementations are safe for concurrent use and return promptly when
// ctx ends, which happens when the station leaves.
type Handler interface {
	Feed(ctx context.Context, peer Peer, req wire.FeedRequest) (wire.Page, error)
	Upload(ctx context.Context, peer Peer, b *wire.Batch) (wire.Ack, error)
	// History answers about tickets of the peer's tenant and venue only.
	History(ctx context.Context, peer Peer, req wire.HistoryRequest) (wire.HistoryReply, error)
	// Admit is asked before every exchange whether the station's certificate, by its serial number, is
	// still good; a refusal is a *wire.Error. journal is the epoch that the station wants to upload to, 0
	// when it wants anything else.
	Admit(ctx context.Context, peer Peer, serial string, journal uint32) error
	// Enrol needs no certificate; it is authenticated by the request's proof.
	Enrol(ctx context.Context, req *wire.EnrolRequest) (*wire.EnrolReply, error)
}
