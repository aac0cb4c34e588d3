// Package mrz drives readers of machine readable zones: the lines at the foot of passports and on the back
// of travel and identity cards, ICAO 9303.
//
// It knows the formats TD1, TD2, TD3, MRV-A and MRV-B, their check digits, and how four families of readers
// frame the lines. It must not know tickets, and tells nothing about a person in errors, health or logs.
// zone.go and lines.go are the codec, framing.go the framings, all without I/O; device.go the driver. The
// protocol is described in docs/protocols/mrz.md.
package mrz
