// Package wire is what station and cloud say to each other: messages, their codec and the dated list
// of versions. It must not know how messages travel (sync/link) or what follows from them
// (sync/replica, sync/hub).
package wire

// Version is the newest version of the protocol that this program speaks. Versions:
//
//	1  2026-11-25  feed pages (JSON), journal batches (binary frames), enrolment, history of a ticket (JSON)
//
// A party refuses a version it does not know with CodeVersion and never guesses.
const Version = 1
