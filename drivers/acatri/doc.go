// Package acatri drives an AC-ATRI-018 tripod, which takes commands and tells nothing.
//
// It knows the five-byte commands. It must not know tickets, and never claims that somebody has passed: a permit ends as
// unknown. codec.go is the commands, without I/O; device.go what callers use; session.go one run. The protocol is
// described in docs/protocols/acatri.md.
package acatri
