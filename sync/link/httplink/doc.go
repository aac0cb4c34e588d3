// Package httplink carries the sync protocol over HTTPS: the cloud's server and the station's
// client.
//
// Routes: GET /v1/feed, POST /v1/journal, GET /v1/history (these need a station's
// certificate), POST /v1/enrol, GET /v1/time. Feed pages are JSON, journal batches are wire's binary
// frames, both compressed with zstd (gzip where a client knows nothing better). Answers that are not
// the one asked for are a wire.Error as JSON with a fitting status.
//
// The package knows sockets, statuses and limits. It must not know what a message means, which
// uplink is used, or when to try again.
package httplink

import "time"

// Paths of the protocol.
const (
	pathFeed    = "/v1/feed"
	pathJournal = "/v1/journal"
	pathHistory = "/v1/history"
	pathEnrol   = "/v1/enrol"
	pathTime    = "/v1/time"
)

// Time limits. A 4G uplink may be slow, so they are generous; a silent one is still given up.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	pollTimeout   = 25 * time.Second // wire.MaxWaitMs
	answerTimeout = 30 * time.Second // beyond the wait that was asked for
)

// Size limits in bytes.
const (
	maxHeader     = 16 << 10
	maxEnrolBytes = 16 << 10
	maxPageText   = 8 << 20 // a decoded page: bodies of 1 MiB and what is around them
	maxErrorBytes = 64 << 10
)
