package wire

import "fmt"

// A Code says, for programs, why a request was not served.
type Code string

// Codes.
const (
	CodeVersion     Code = "version"      // the other side speaks a version unknown here
	CodeBadRequest  Code = "bad_request"  // malformed; retrying the same is useless
	CodeUnknownPeer Code = "unknown_peer" // the certificate is good, but nobody of that name is registered
	CodeRevoked     Code = "revoked"      // the registry row was withdrawn
	CodeGap         Code = "gap"          // a batch does not follow what is stored: Ack says what is expected
	CodeEpoch       Code = "epoch"        // the journal epoch is not the registered one
	CodeChain       Code = "chain"        // an entry's sum does not follow from the one before it
	CodeFork        Code = "fork"         // same epoch and sequence, other sum: an incident
	CodeEnrolCode   Code = "enrol_code"   // the one-time code is unknown, used or expired
	CodeNoTicket    Code = "no_ticket"    // no such ticket, or not one of the station's tenant and venue
	CodeUnavailable Code = "unavailable"  // not now; retry later
)

// An Error is an answer that is not the one asked for.
type Error struct {
	Code   Code   `json:"code"`
	Detail string `json:"detail"`        // English, technical, no personal data
	Ack    *Ack   `json:"ack,omitempty"` // with CodeGap and CodeEpoch: what the cloud holds
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Detail) }
