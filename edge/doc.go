// Package edge is the station: it assembles ledger, devices, lanes, sync and pages into one program.
//
// It only assembles. Every rule lives in a package below internal/, or in sync/. It must not import
// cloud.
package edge
