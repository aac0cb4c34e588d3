package hidpos

import (
	"bytes"

	"yipiao/drivers"
	"yipiao/drivers/internal/aim"
)

// Limit is the longest code in bytes.
const Limit = 4096

// faultData is how much of an unusable read is kept, drivers.Scan.
const faultData = 64

// A Message is one code, or one answer of the scanner, of one report or several.
type Message struct {
	Data   []byte
	AIM    string            // AIM identifier, or ""
	Vendor byte              // code identifier of the maker, of the last report
	Bytes  int               // bytes of all its reports
	Fault  drivers.ScanFault // ScanOK, ScanTorn or ScanOverlong
}

// Scan is the message as a code, a suffix that was set for another interface taken off; ok is false for an
// empty one, which is nothing.
func (m Message) Scan() (s drivers.Scan, ok bool) {
	s = drivers.Scan{Data: bytes.TrimRight(m.Data, "\r\n"), AIM: m.AIM, Bytes: m.Bytes, Fault: m.Fault}
	if s.Fault != drivers.ScanOverlong && !aim.Printable(s.Data) {
		s.Fault = drivers.ScanBinary
	}
	if s.Fault != drivers.ScanOK && len(s.Data) > faultData {
		s.Data = s.Data[:faultData]
	}
	return s, len(s.Data) > 0 || s.Fault != drivers.ScanOK
}

// An Assembler puts messages together from reports. The zero Assembler is ready.
type Assembler struct {
	buf      []byte
	aim      string
	vendor   byte
	bytes    int
	begun    bool
	dropping bool // the rest of an overlong message
}

// Push takes one report and returns the messages that end with it: the one which it completes, and before it
// one that was begun and cannot go on because the code has changed.
func (a *Assembler) Push(r Report) (ended []Message) {
	if a.Pending() && r.AIM != a.aim {
		if m, ok := a.Expire(); ok {
			ended = append(ended, m)
		}
	}
	a.aim, a.vendor = r.AIM, r.Vendor
	if a.dropping {
		a.dropping = r.More
		return ended
	}
	a.begun = true
	a.bytes += reportSize
	a.buf = append(a.buf, r.Data...)
	switch {
	case len(a.buf) > Limit:
		ended = append(ended, a.end(drivers.ScanOverlong))
		a.dropping = r.More
	case !r.More:
		ended = append(ended, a.end(drivers.ScanOK))
	}
	return ended
}

// Pending reports whether a message has begun, so that silence would be an end.
func (a *Assembler) Pending() bool { return a.begun || a.dropping }

// Expire ends what has begun: its next report did not come.
func (a *Assembler) Expire() (m Message, ok bool) {
	a.dropping = false
	if !a.begun {
		return Message{}, false
	}
	return a.end(drivers.ScanTorn), true
}

func (a *Assembler) end(fault drivers.ScanFault) Message {
	m := Message{Data: bytes.Clone(a.buf), AIM: a.aim, Vendor: a.vendor, Bytes: a.bytes, Fault: fault}
	a.buf, a.bytes, a.begun = a.buf[:0], 0, false
	return m
}
