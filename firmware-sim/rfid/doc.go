// Package rfid is a simulated reader of RFID chips and the chips that people carry into its field: UHF modules that
// speak A0 or BB…7E, the HF front ends PN532 and CR95HF, and a bridge that has a Wiegand reader on its other side.
//
// It knows the protocols, one to a file, and was written from the makers' documents and not from the drivers. It must
// not know what a chip stands for.
package rfid
