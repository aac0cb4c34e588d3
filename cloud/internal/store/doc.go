// Package store is the cloud's database: opening and migrating it, transactions, and every statement
// that is not a custody rule's own (those are in custody). No other package knows SQL.
//
// One text of statements serves every engine: what differs is in a Dialect. There are no triggers,
// stored procedures or database clocks; times, ids and names of states come from Go
// (storage-and-scale.md, part 3). The package must not know the rules behind the rows, keys, or HTTP.
package store
