// Package wedge drives scanners that can only be a keyboard, over Linux input events: the port hands over what the
// kernel's evdev node delivers, grabbed so that the scanner types into nothing else.
//
// It knows input events and the US key map. It must not know what a code means, or how a node is opened and grabbed.
// event.go and keys.go are the codec, without I/O; device.go is the driver. The protocol is described in
// docs/protocols/wedge.md.
package wedge
