package escpos

import "yipiao/drivers"

// Bits of the answers to DLE EOT (devices.md 5.6).
const (
	eot1Offline     = 0x08
	eot1Recovery    = 0x20 // waits for recovery
	eot2Cover       = 0x04
	eot2PaperStop   = 0x20
	eot2Error       = 0x40
	eot3Mechanical  = 0x04
	eot3Cutter      = 0x08
	eot3Unrecovered = 0x20
	eot3Auto        = 0x40 // recovers by itself: head hot, cover
	eot4NearEnd     = 0x0C
	eot4End         = 0x60
)

// Bits of automatic status back.
const (
	asb1Offline = 0x08
	asb1Cover   = 0x20
	asb2Waiting = 0x01
	asb2Mech    = 0x04
	asb2Cutter  = 0x08
	asb2Fatal   = 0x20
	asb2Auto    = 0x40
	asb3NearEnd = 0x03
	asb3End     = 0x0C
)

// A condition is what is known of the printer.
type condition struct {
	drivers.PrinterStatus
	waiting bool // for DLE ENQ
}

// note names the other faults.
func note(mechanical, fatal, auto bool) string {
	switch {
	case fatal:
		return "unrecoverable"
	case mechanical:
		return "mechanical"
	case auto:
		return "head too hot, or cover"
	}
	return ""
}

func paper(near, end bool) drivers.Level {
	switch {
	case end:
		return drivers.LevelOut
	case near:
		return drivers.LevelLow
	}
	return drivers.LevelOK
}

// FromEOT reads the four answers to DLE EOT 1 to 4.
func FromEOT(a [4]byte) drivers.PrinterStatus { return fromEOT(a).PrinterStatus }

func fromEOT(a [4]byte) (c condition) {
	c.Online = a[0]&eot1Offline == 0
	c.waiting = a[0]&eot1Recovery != 0
	c.Cover = a[1]&eot2Cover != 0
	c.Cutter = a[2]&eot3Cutter != 0
	c.Note = note(a[2]&eot3Mechanical != 0, a[2]&eot3Unrecovered != 0, a[2]&eot3Auto != 0 && !c.Cover)
	if c.Note == "" && a[1]&eot2Error != 0 && !c.Cutter && !c.Cover {
		c.Note = "error"
	}
	c.Error = c.Note != ""
	c.Paper = paper(a[3]&eot4NearEnd != 0, a[3]&eot4End != 0 || a[1]&eot2PaperStop != 0)
	return c
}

// FromASB reads the four bytes of automatic status back.
func FromASB(a [4]byte) drivers.PrinterStatus { return fromASB(a).PrinterStatus }

func fromASB(a [4]byte) (c condition) {
	c.Online = a[0]&asb1Offline == 0
	c.waiting = a[1]&asb2Waiting != 0
	c.Cover = a[0]&asb1Cover != 0
	c.Cutter = a[1]&asb2Cutter != 0
	c.Note = note(a[1]&asb2Mech != 0, a[1]&asb2Fatal != 0, a[1]&asb2Auto != 0 && !c.Cover)
	c.Error = c.Note != ""
	c.Paper = paper(a[2]&asb3NearEnd != 0, a[2]&asb3End != 0)
	return c
}
