// Package lane joins a reader and a gate into one channel: scans in, verdicts shown, permits out,
// passages recorded.
//
// The rules of what a scan means at a moment are in machine, which is pure; Lane is the shell around
// it. The package must not know how devices are opened (edge/internal/devices), how a decision is
// taken or made durable (edge/internal/ledger, sync/ticket), or HTTP.
package lane
