// Package hidpos drives scanners in the USB mode "HID POS" (usage page 8C): codes come as input reports with
// their AIM identifier, a long code in several of them.
//
// It knows reports. It must not know what a code means, or USB: the port delivers exactly one report per Read.
// report.go and assembler.go are the codec, without I/O; device.go is the driver. The protocol is described in
// docs/protocols/hidpos.md.
package hidpos
