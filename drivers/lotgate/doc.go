// Package lotgate drives a turnstile of the LOT family (Expert, Eco, Porta) over Modbus RTU.
//
// It knows the register map and what a permit, a counter and a sensor mean together: it turns polls into
// passages and alarms. It must not know tickets or who decides. codec.go is the register map, without
// I/O; device.go what callers use; session.go, permit.go, commands.go and alarms.go one run over a port. The protocol
// is described in docs/protocols/lotgate.md.
package lotgate
