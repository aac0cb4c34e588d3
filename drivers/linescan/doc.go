// Package linescan drives any scanner that sends each code as a line of printable ASCII over a
// serial line: most fixed-mount and presentation scanners in their factory setting.
//
// It knows framing (terminators, STX…ETX, AIM identifiers) and the ways in which a line can be
// spoilt. It must not know what a code means. framer.go is the codec, without I/O; device.go the
// driver. The protocol is described in docs/protocols/linescan.md.
package linescan
