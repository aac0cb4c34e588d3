// Package rtu is the slave's end of a Modbus RTU line, which simulated Modbus devices share: frames, checksums
// and silence.
//
// It is written from the standard and not from the driver. It must not know what a register or a coil does.
package rtu
