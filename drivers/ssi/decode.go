package ssi

import (
	"bytes"

	"yipiao/drivers"
	"yipiao/drivers/internal/aim"
)

// Limit is the longest code in bytes.
const Limit = 4096

// faultData is how much of an unusable read is kept, drivers.Scan.
const faultData = 64

// aimOf are the identifiers of bar code types, where a scanner sends none in the data. Unconfirmed but for the
// QR code: the tables differ between manuals, and the modifier is the plain one.
var aimOf = map[byte]string{
	0x01: "]A0", 0x03: "]C0", 0x0A: "]E4", 0x0B: "]E0", 0x0F: "]C1", 0x11: "]L0", 0x1B: "]d1", 0x1C: "]Q1", 0x2D: "]z0",
}

// A Code is the data of a decode message of one packet or several.
type Code struct {
	Type  byte // bar code type
	Data  []byte
	Bytes int               // on the wire
	Fault drivers.ScanFault // ScanOK, ScanTorn or ScanOverlong
}

// Scan is the code as an event; ok is false for an empty one, which is nothing.
func (c Code) Scan(stripAIM bool) (s drivers.Scan, ok bool) {
	s = drivers.Scan{AIM: aimOf[c.Type], Data: bytes.TrimRight(c.Data, "\r\n"), Bytes: c.Bytes, Fault: c.Fault}
	if stripAIM {
		if id, rest := aim.Split(s.Data); id != "" {
			s.AIM, s.Data = id, rest
		}
	}
	if s.Fault != drivers.ScanOverlong && !aim.Printable(s.Data) {
		s.Fault = drivers.ScanBinary
	}
	if s.Fault != drivers.ScanOK && len(s.Data) > faultData {
		s.Data = s.Data[:faultData]
	}
	return s, len(s.Data) > 0 || s.Fault != drivers.ScanOK
}

// An Assembler puts codes together from decode packets. The zero Assembler is ready.
type Assembler struct {
	code     Code
	begun    bool
	dropping bool // the rest of an overlong code
}

// Push takes one decode packet and returns the codes that end with it: the one which it completes, and before it
// one that cannot go on because the type has changed. A packet without a type is nothing.
func (a *Assembler) Push(p Packet) (ended []Code) {
	if len(p.Data) == 0 {
		return nil
	}
	if a.Pending() && p.Data[0] != a.code.Type {
		if c, ok := a.Expire(); ok {
			ended = append(ended, c)
		}
	}
	more := p.Status&Continuation != 0
	a.code.Type = p.Data[0]
	if a.dropping {
		a.dropping = more
		return ended
	}
	a.begun = true
	a.code.Data = append(a.code.Data, p.Data[1:]...)
	a.code.Bytes += headSize + len(p.Data) + checkSize
	switch {
	case len(a.code.Data) > Limit:
		ended = append(ended, a.end(drivers.ScanOverlong))
		a.dropping = more
	case !more:
		ended = append(ended, a.end(drivers.ScanOK))
	}
	return ended
}

// Pending reports whether a code has begun, so that silence would be an end.
func (a *Assembler) Pending() bool { return a.begun || a.dropping }

// Expire ends what has begun: its next packet did not come.
func (a *Assembler) Expire() (c Code, ok bool) {
	a.dropping = false
	if !a.begun {
		return Code{}, false
	}
	return a.end(drivers.ScanTorn), true
}

func (a *Assembler) end(fault drivers.ScanFault) Code {
	c := a.code
	c.Fault = fault
	a.code, a.begun = Code{Type: c.Type}, false
	return c
}
