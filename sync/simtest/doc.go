// Package simtest is the simulation of the whole sync engine: clouds of several nodes, stations with
// several uplinks, gates, a ticket desk and all that goes wrong between them, in one process and in virtual
// time (sync.md section 7).
//
// One seed fixes everything. Whoever acts is an actor, which acts only at instants of its own: its waits end
// on a residue of the clock that no other actor has, so no two events are at one instant and the order of
// events does not depend on the scheduler. Each seed runs twice, and both traces must be equal.
//
// What runs is the real hub, the real runner of a station, and a Build's stores: over memory by default, the
// station's ledger and the cloud's database where their own tests plug them in. Beside them stands a
// reference model of plain maps: what was promised to whom, and what really happened at the gates.
package simtest
