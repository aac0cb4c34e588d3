// Package hub is the cloud's end of the sync engine: the rules by which rights leave the cloud and
// come back, the order in which a feed is stamped, reserved and read, and what is accepted of a
// station's journal and made of its facts (sync.md sections 2, 3 and 8).
//
// The rules are pure functions over values. A Store keeps the values and makes each step one
// transaction; its conformance suite is hubtest, its reference model hubmem. Hub answers stations
// with both. The package must not know SQL, sockets, certificates, or the station's end.
package hub
