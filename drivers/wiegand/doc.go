// Package wiegand drives a bridge that has a Wiegand reader on one side and a serial line on the other, and sends each
// card as a line of text in a format of ours.
//
// It knows that format and the parity of Wiegand 26 and 34. It must not know what a card stands for. codec.go is the codec,
// without I/O; device.go the driver. The protocol is described in docs/protocols/wiegand.md.
package wiegand
