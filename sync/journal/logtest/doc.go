// Package logtest holds what every journal must satisfy: a conformance suite with a crash loop that
// compares a log with the reference model, and Disk, a file layer in memory that loses, tears and
// reorders what was not synced and fails on demand.
//
// It is for tests. It knows the contract of package journal and the file layer of seglog; it must
// not know how seglog lays out its files. Everything random comes from a seed, and every error of
// the suite names it.
package logtest
