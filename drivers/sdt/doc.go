// Package sdt drives readers of Chinese identity cards that speak the SAM/SDT serial protocol: it finds a
// card, reads it and says what it found, once for each time that a card is laid on the reader.
//
// It knows the protocol's frames and the four layouts of the text block. It must not know tickets, nor
// whether a document is good for anything, and tells nothing about a person in errors, health or logs.
// codec.go and text.go are the codec, without I/O; device.go the driver. The protocol is described in
// docs/protocols/sdt.md.
package sdt
