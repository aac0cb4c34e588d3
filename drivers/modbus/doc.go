// Package modbus is the master's side of Modbus RTU: the codec for function codes 1 to 6, 15 and 16,
// and a client that keeps the line's timing.
//
// It is not a device kind but what drivers of Modbus devices are made from. It knows frames, checksums,
// gaps, time-outs and what may be repeated. It must not know what a register means. codec.go and crc.go
// do no I/O; client.go does. The protocol is described in docs/protocols/modbus.md.
package modbus
