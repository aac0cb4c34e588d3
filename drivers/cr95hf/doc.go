// Package cr95hf drives the HF front end CR95HF over its UART: it looks for an ISO 15693 chip and tells each chip once
// while it lies there.
//
// It knows the commands and the answer of a chip to an inventory. It must not know what a chip stands for. codec.go is the
// codec, without I/O; device.go the driver. The protocol is described in docs/protocols/cr95hf.md.
package cr95hf
