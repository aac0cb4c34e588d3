// Package uhfa0 drives UHF readers of the A0 family (R2000, YR903, Chafon): it lets them look for chips round after
// round, with one antenna after the other, and tells each chip once while it stays.
//
// It knows the frames and what a round is. It must not know what a chip stands for. codec.go is the codec, without I/O;
// device.go the driver. The protocol is described in docs/protocols/uhfa0.md.
package uhfa0
