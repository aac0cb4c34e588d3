// Package relaygate drives a gate with dry contacts through a Modbus relay board: a relay for each direction opens it,
// inputs say who passed, that the gate raises an alarm, and that there is a fire.
//
// It knows which frames a board takes for a pulse that the board itself times, and what contacts mean together. It must
// not know tickets or who decides. codec.go is the boards, without I/O; input.go what a contact means; device.go what
// callers use; session.go, permit.go and alarms.go one run. The protocol is described in docs/protocols/relaygate.md.
package relaygate
