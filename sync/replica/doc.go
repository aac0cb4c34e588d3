// Package replica is the station's end of the sync engine: what to ask of the cloud next, and what to
// do with its answers.
//
// Down follows the feed and Up uploads the journal; both are step machines without goroutines, clocks
// or I/O, so that a simulation can drive them event by event. Runner is the thin shell around them.
// The custody rules for a right are ticket.Held's; the Store that a station's ledger implements
// applies them. The package must not know HTTP, files, devices or the hub.
package replica
