package edge

import (
	"context"
	"fmt"

	"yipiao/edge/internal/ledger"
	"yipiao/sync/ticket"
)

// A CheckRequest is a request from within the process, as a device would send it over the LAN API.
type CheckRequest struct {
	Device string
	Nonce  ticket.Nonce
	Kind   ticket.RequestKind
	Lane   string
	Code   string
}

// Check decides a request and returns when the answer is durable. It is what the LAN API calls, without
// the HTTP; measurements and programs that embed a station use it. It is safe for concurrent use.
func (s *Station) Check(ctx context.Context, r CheckRequest) (ticket.Verdict, error) {
	u, ok := s.lane(r.Lane)
	if !ok {
		return ticket.Verdict{}, fmt.Errorf("lane %q is not configured", r.Lane)
	}
	a, err := s.ledger.Do(ctx, &ledger.Request{
		Kind: r.Kind, Payload: r.Code, Nonce: r.Nonce, Device: r.Device, Permitted: true, Lane: u.present(),
	}, ticket.Check)
	return a.Verdict, err
}
