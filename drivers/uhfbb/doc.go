// Package uhfbb drives UHF modules whose frames begin with BB and end with 7E (YRM100, R200, JRD-4035, EL-UHF): it lets
// them look for chips without end, and tells each chip once while it stays.
//
// It knows the frames. It must not know what a chip stands for. codec.go is the codec, without I/O; device.go the driver.
// The protocol is described in docs/protocols/uhfbb.md.
package uhfbb
