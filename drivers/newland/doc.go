// Package newland drives scanners and engines with Newland's serial commands (also found in other makers' terminals):
// codes come as lines, commands are echoed with a verdict.
//
// It knows the commands. It must not know what a code means. codec.go is the codec, without I/O; device.go the
// driver. The protocol is described in docs/protocols/newland.md.
package newland
