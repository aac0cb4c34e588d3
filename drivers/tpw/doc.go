// Package tpw drives a swing gate with the TPW-321ASP control board over its serial protocol.
//
// It knows the board's frames, its modes and its counters: a permit is free passage in one direction until the counter
// moves. It must not know tickets or who decides. codec.go is the frames, without I/O; device.go what callers use;
// session.go and permit.go one run. The protocol is described in docs/protocols/tpw.md.
package tpw
