// Package honeywell drives Honeywell scanners on a serial line (RS-232 or USB serial): codes come as lines, and SYN
// commands trigger, beep and ask for settings.
//
// It knows the commands. It must not know what a code means. codec.go is the codec, without I/O; device.go the
// driver. The protocol is described in docs/protocols/honeywell.md.
package honeywell
