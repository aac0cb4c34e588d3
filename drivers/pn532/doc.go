// Package pn532 drives the NFC front end PN532 over its high speed UART: it wakes it up, looks for an ISO 14443 A card,
// and tells each card once while it lies there.
//
// It knows the frames and the commands that this needs. It must not know what a card stands for. codec.go is the codec,
// without I/O; device.go the driver. The protocol is described in docs/protocols/pn532.md.
package pn532
