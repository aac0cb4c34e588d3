// Package desk is the station's office: a SQLite file that answers what a person asks afterwards, such
// as who was checked where, how a shift went, and when a device failed.
//
// It is a projection. The journal is the truth; the file follows it with a cursor of its own, which is
// stored in the same transaction as the rows, and may be thrown away at any time: it is built again from
// the kept journal and the catalogue. Nothing here is on the gate's path: a desk that is stuck, full or
// broken costs its pages and nothing else. What is no longer kept is asked from the cloud.
//
// The package knows facts and SQL. It must not know devices, lanes, HTTP or how the cloud is reached. At
// rest and in answers, text that could name a person or open a gate is masked (mask.go).
package desk
