// Package ssi drives Zebra and Symbol scanners which speak the Simple Serial Interface: packets with a checksum,
// each acknowledged and sent again where it was not.
//
// It knows packets, sessions and retransmission. It must not know what a code means. packet.go and decode.go are
// the codec, without I/O; device.go, machine.go and request.go the driver. The protocol is described in
// docs/protocols/ssi.md.
package ssi
